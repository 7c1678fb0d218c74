//! IncrementalAlterConfigs: key 44, versions 0–1. Flexible since 1.
//!
//! Topics only: what a broker itself is set to stands in its file. Each resource is answered when its change is committed;
//! of one that is refused nothing is changed. Checks are Kafka's: the whole request (a resource twice), then per resource
//! its names and values, what would be in force together, and last whether it is there.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::config_changes::{
    Changes, NAMED_TWICE, Refusal, change, check_names, check_topic, invalid, named_twice,
};
use super::topic_config;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// What is done to a config, by Kafka's numbers.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Changes configs.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: IncrementalAlterConfigsRequest<'a>,
) -> IncrementalAlterConfigsResponse<'a> {
    let key = |resource: &AlterConfigsResource<'a>| (resource.resource_type, resource.resource_name.clone());
    let twice = named_twice(request.resources.iter().map(|resource| key(&resource)));
    let mut responses = Vec::new();
    for resource in request.resources.iter().take(NAMED_MAX) {
        let result = match twice.contains(&key(&resource)) {
            true => invalid(NAMED_TWICE),
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

async fn alter(
    broker: &Rc<Broker>,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let is_null = |config: &AlterableConfig<'_>| config.config_operation != DELETE && config.value.is_none();
    check_names(resource.configs.iter().map(|config| (is_null(&config), config.name)))?;
    let name = check_topic(resource.resource_type, &resource.resource_name)?;
    change(broker, name, validate_only, |configs| changes_of(resource, configs)).await
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
