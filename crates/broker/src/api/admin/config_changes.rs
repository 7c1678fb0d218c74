//! What AlterConfigs and IncrementalAlterConfigs have in common: which resources may be altered, and Kafka's checks of names and
//! values, in Kafka's words.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use cluster::metadata::check_topic_name;
use wire::error::ErrorCode;

use super::topic_config::{self, ResourceType};
use crate::api::NAMED_MAX;
use crate::error_map;
use crate::server::Broker;

/// Why configs are not changed, as the client is told.
pub(super) type Refusal = (ErrorCode, String);

/// New values by name; `None` for the default.
pub(super) type Changes = BTreeMap<String, Option<String>>;

/// Said of a resource that [`named_twice`] has.
pub(super) const NAMED_TWICE: &str = "Each resource must appear at most once.";

pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

/// The resources, by type and name, that are in a request more than once.
pub(super) fn named_twice<'a>(
    resources: impl Iterator<Item = (i8, Cow<'a, str>)>,
) -> HashSet<(i8, Cow<'a, str>)> {
    let mut seen = HashSet::new();
    resources.take(NAMED_MAX).filter(|resource| !seen.insert(resource.clone())).collect()
}

/// Checks the names of a resource's configs, each with whether a value is missing that it needs.
pub(super) fn check_names<'a>(configs: impl Iterator<Item = (bool, Cow<'a, str>)>) -> Result<(), Refusal> {
    let (mut names, mut nulls) = (HashSet::new(), Vec::new());
    for (is_null, name) in configs {
        if is_null {
            nulls.push(name.clone().into_owned());
        }
        if !names.insert(name) {
            return invalid("Error due to duplicate config keys");
        }
    }
    match nulls.is_empty() {
        true => Ok(()),
        false => invalid(format!("Null value not supported for : {}", nulls.join(", "))),
    }
}

/// The name of the topic that a resource is, there or not.
pub(super) fn check_topic(resource_type: i8, name: &str) -> Result<&str, Refusal> {
    match ResourceType::of(resource_type) {
        Some(ResourceType::Topic) => {}
        Some(other) => return invalid(format!("{other:?} configs can't be altered here.")),
        None => return invalid(format!("Unknown resource type {resource_type}")),
    }
    if name.is_empty() {
        return invalid("Default topic resources are not allowed.");
    }
    check_topic_name(name).map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))?;
    Ok(name)
}

/// Checks each new value, and all that would be in force together.
fn check_changed(changes: &Changes, configs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let refused = |error: topic_config::ConfigError| (ErrorCode::INVALID_CONFIG, error.to_string());
    let mut all = configs.clone();
    for (name, value) in changes {
        match value {
            Some(value) => {
                topic_config::check(name, value).map_err(refused)?;
                all.insert(name.clone(), value.clone());
            }
            None => _ = all.remove(name),
        }
    }
    topic_config::check_together(&all).map_err(refused)
}

fn no_topic(name: &str) -> Refusal {
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist."))
}

/// Changes a topic's configs, or only says whether it could; comes back when that is committed.
///
/// What is wrong in itself is said first, also of a topic that is not there.
pub(super) async fn change(
    broker: &Broker,
    name: &str,
    validate_only: bool,
    changes_of: impl FnOnce(&BTreeMap<String, String>) -> Result<Changes, Refusal>,
) -> Result<(), Refusal> {
    let topic = broker.node().image().topic(name).cloned();
    let none = BTreeMap::new();
    let configs = topic.as_ref().map_or(&none, |topic| &topic.configs);
    let changes = changes_of(configs)?;
    check_changed(&changes, configs)?;
    let topic = topic.ok_or_else(|| no_topic(name))?;
    if validate_only || changes.is_empty() {
        return Ok(());
    }
    let altered = broker.node().alter_topic_configs(topic.id, changes).await;
    altered.map_err(|error| (error_map::alter_topic(&error), error.to_string()))
}
