//! What AlterConfigs and IncrementalAlterConfigs have in common: which resources may be altered, and Kafka's checks of names and
//! values, in Kafka's words.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use cluster::node::ConfigAlteration;
use wire::error::ErrorCode;

use super::loggers::{self, LevelChange};
use super::resource::Resource;
use super::{Refusal, invalid_request, too_many_changes, topic};
use crate::api::{CHANGES_MAX, NAMED_MAX};
use crate::error_map;
use crate::server::Broker;

pub(crate) use cluster::metadata::ConfigChanges as Changes;

/// Said of a resource that [`named_twice`] has.
pub(crate) const NAMED_TWICE: &str = "Each resource must appear at most once.";

/// The resources, by type and name, that are in a request more than once.
pub(crate) fn named_twice<'a>(
    resources: impl Iterator<Item = (i8, Cow<'a, str>)>,
) -> HashSet<(i8, Cow<'a, str>)> {
    let mut seen = HashSet::new();
    resources.take(NAMED_MAX).filter(|resource| !seen.insert(resource.clone())).collect()
}

/// Checks the names of a resource's configs, each with whether a value is missing that it needs.
pub(crate) fn check_names<'a>(configs: impl Iterator<Item = (bool, Cow<'a, str>)>) -> Result<(), Refusal> {
    let (mut names, mut nulls) = (HashSet::new(), Vec::new());
    for (is_null, name) in configs {
        if is_null {
            nulls.push(name.clone().into_owned());
        }
        if !names.insert(name) {
            return invalid_request("Error due to duplicate config keys");
        }
    }
    match nulls.is_empty() {
        true => Ok(()),
        false => invalid_request(format!("Null value not supported for : {}", nulls.join(", "))),
    }
}

/// Checks each new value, and all that would be in force together.
fn check_changed(changes: &Changes, configs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let refused = |error: topic::ConfigError| (ErrorCode::INVALID_CONFIG, error.to_string());
    let mut all = configs.clone();
    for (name, value) in changes {
        match value {
            Some(value) => {
                topic::check(name, value).map_err(refused)?;
                all.insert(name.clone(), value.clone());
            }
            None => _ = all.remove(name),
        }
    }
    topic::check_together(&all).map_err(refused)
}

fn no_topic(name: &str) -> Refusal {
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist."))
}

/// What of a resource's configs is to change, if anything is, once it is checked.
///
/// What is wrong in itself is said first, also of a topic that is not there.
pub(crate) fn checked(
    broker: &Broker,
    resource: Resource<'_>,
    changes_of: impl FnOnce(&BTreeMap<String, String>) -> Result<Changes, Refusal>,
) -> Result<Option<ConfigAlteration>, Refusal> {
    let alteration = match resource {
        Resource::Topic(name) => {
            let topic = broker.node().image().topic(name).cloned();
            let none = BTreeMap::new();
            let configs = topic.as_ref().map_or(&none, |topic| &topic.configs);
            let changes = changes_of(configs)?;
            check_changed(&changes, configs)?;
            let topic = topic.ok_or_else(|| no_topic(name))?;
            (!changes.is_empty()).then_some(ConfigAlteration::Topic(topic.id, changes))
        }
        Resource::Other(kind, name) => {
            let changes = changes_of(broker.node().image().configs(kind, name))?;
            Resource::check_others(kind, name, broker, &changes)?;
            (!changes.is_empty()).then(|| ConfigAlteration::Other(kind, name.to_owned(), changes))
        }
    };
    Ok(alteration)
}

/// Makes the changes of a request's resources that were not refused, together: all of them or none, whatever happens. Comes
/// back when that is committed; in the order of `checked`.
pub(crate) async fn alter(
    broker: &Broker,
    checked: Vec<Result<Option<ConfigAlteration>, Refusal>>,
) -> Vec<Result<(), Refusal>> {
    let mut results = Vec::with_capacity(checked.len());
    let (mut places, mut alterations) = (Vec::new(), Vec::new());
    for checked in checked {
        results.push(checked.map(|alteration| {
            places.extend(alteration.is_some().then_some(results.len()));
            alterations.extend(alteration);
        }));
    }
    if alterations.is_empty() {
        return results;
    }
    match commit(broker, alterations).await {
        Ok(are_changed) => {
            for (place, _) in places.into_iter().zip(are_changed).filter(|(_, is_changed)| !is_changed) {
                let message = "The topic has been deleted meanwhile.".to_owned();
                results[place] = Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
            }
        }
        Err(refusal) => places.into_iter().for_each(|place| results[place] = Err(refusal.clone())),
    }
    results
}

/// One entry (ADR 16), as large as Kafka lets one be.
async fn commit(broker: &Broker, alterations: Vec<ConfigAlteration>) -> Result<Vec<bool>, Refusal> {
    let changes = alterations.iter().map(|alteration| match alteration {
        ConfigAlteration::Topic(_, changes) | ConfigAlteration::Other(_, _, changes) => changes.len(),
    });
    if changes.sum::<usize>() > CHANGES_MAX {
        return Err(too_many_changes());
    }
    let altered = broker.node().alter_configs(alterations).await;
    altered.map_err(|error| (error_map::propose(&error), error.to_string()))
}

/// Changes the levels of this broker's loggers, or only says whether it could.
pub(crate) fn change_levels(
    broker: &Broker,
    name: &str,
    validate_only: bool,
    changes: &[(&str, LevelChange<'_>)],
) -> Result<(), Refusal> {
    loggers::check_name(broker.node().broker_id(), name)?;
    let levels = &*broker.options.log_levels;
    loggers::check(levels, changes)?;
    if !validate_only {
        loggers::change(levels, changes);
    }
    Ok(())
}
