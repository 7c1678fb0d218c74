//! IncrementalAlterConfigs: key 44, versions 0–1. Flexible since 1.
//!
//! Topics only: what a broker itself is set to stands in its file. Each resource is answered when its change is committed;
//! of one that is refused nothing is changed. Checks are Kafka's: the whole request (a resource twice), then per resource
//! its names and values, what would be in force together, and last whether it is there.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use cluster::metadata::check_topic_name;
use wire::error::ErrorCode;
use wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::topic_config::{self, ResourceType};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// What is done to a config, by Kafka's numbers.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Refusal = (ErrorCode, String);

/// New values by name.
type Changes = BTreeMap<String, Option<String>>;

/// Changes configs.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: IncrementalAlterConfigsRequest<'a>,
) -> IncrementalAlterConfigsResponse<'a> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for resource in request.resources.iter().take(NAMED_MAX) {
        let key = (resource.resource_type, resource.resource_name.into_owned());
        if !seen.insert(key.clone()) {
            twice.insert(key);
        }
    }
    let mut responses = Vec::with_capacity(seen.len());
    for resource in request.resources.iter().take(NAMED_MAX) {
        let key = (resource.resource_type, resource.resource_name.clone().into_owned());
        let result = match twice.contains(&key) {
            true => invalid("Each resource must appear at most once."),
            false => alter(broker, &resource, request.validate_only).await,
        };
        let (error, message) = result.err().unwrap_or((ErrorCode::NONE, String::new()));
        responses.push(AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: (error != ErrorCode::NONE).then(|| message.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses: responses.into() }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

async fn alter(
    broker: &Rc<Broker>,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    check_names(resource)?;
    match ResourceType::of(resource.resource_type) {
        Some(ResourceType::Topic) => {}
        Some(other) => return invalid(format!("{other:?} configs can't be altered here.")),
        None => return invalid(format!("Unknown resource type {}", resource.resource_type)),
    }
    let name = &*resource.resource_name;
    if name.is_empty() {
        return invalid("Default topic resources are not allowed.");
    }
    check_topic_name(name).map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))?;
    // What is wrong in itself is said first, also of a topic that is not there.
    let topic = broker.node().image().topic(name).cloned();
    let none = BTreeMap::new();
    let configs = topic.as_ref().map_or(&none, |topic| &topic.configs);
    let changes = changes_of(resource, configs)?;
    check_changed(&changes, configs)?;
    let Some(topic) = topic else {
        let message = format!("The topic '{name}' does not exist.");
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
    };
    if validate_only || changes.is_empty() {
        return Ok(());
    }
    let altered = broker.node().alter_topic_configs(topic.id, changes).await;
    altered.map_err(|error| (error_map::alter_topic(&error), error.to_string()))
}

fn check_names(resource: &AlterConfigsResource<'_>) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    if !resource.configs.iter().all(|config| names.insert(config.name.into_owned())) {
        return invalid("Error due to duplicate config keys");
    }
    let is_null = |config: &AlterableConfig<'_>| config.config_operation != DELETE && config.value.is_none();
    let nulls: Vec<String> =
        resource.configs.iter().filter(is_null).map(|config| config.name.into_owned()).collect();
    match nulls.is_empty() {
        true => Ok(()),
        false => invalid(format!("Null value not supported for : {}", nulls.join(", "))),
    }
}

fn changes_of(
    resource: &AlterConfigsResource<'_>,
    configs: &BTreeMap<String, String>,
) -> Result<Changes, Refusal> {
    let mut changes = Changes::new();
    for config in &resource.configs {
        let name = config.name.into_owned();
        let value = config.value.unwrap_or_default();
        let change = match config.config_operation {
            SET => Some(value.into_owned()),
            DELETE => None,
            APPEND | SUBTRACT => Some(list_changed(&name, &value, config.config_operation, configs)?),
            other => return invalid(format!("Unknown operation type {other} for config {name}.")),
        };
        // Of what is not set nothing is to be deleted.
        if change.is_some() || configs.contains_key(&name) {
            changes.insert(name, change);
        }
    }
    Ok(changes)
}

/// A list's value with `elements` added or taken away.
fn list_changed(
    name: &str,
    elements: &str,
    operation: i8,
    configs: &BTreeMap<String, String>,
) -> Result<String, Refusal> {
    let operation_name = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
    let Some(default) = topic_config::list_default(name) else {
        let message = format!("Can't {operation_name} to key {name} because its type is not LIST.");
        return Err((ErrorCode::INVALID_CONFIG, message));
    };
    let now = configs.get(name).map_or(default, String::as_str);
    let mut list: Vec<&str> = topic_config::elements(now).collect();
    // An empty text is an empty element here, which the check of the whole list refuses.
    for element in elements.split(',').map(str::trim) {
        if operation == SUBTRACT {
            list.retain(|there| *there != element);
        } else if !list.contains(&element) {
            list.push(element);
        }
    }
    Ok(list.join(","))
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
