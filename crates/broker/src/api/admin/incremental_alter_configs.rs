//! IncrementalAlterConfigs: key 44, versions 0–1. Flexible since 1.
//!
//! Answered when all changes are committed, together; of a resource that is refused nothing is changed. Checks are Kafka's: the
//! whole request (a resource twice), then per resource its names and values, what would be in force together, and last whether
//! it is there. Levels of loggers are forgotten when the broker stops, as in Kafka.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::node::ConfigAlteration;
use wire::error::ErrorCode;
use wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use crate::api::NAMED_MAX;
use crate::configs::changes::{
    Changes, NAMED_TWICE, alter, change_levels, check_names, checked, named_twice,
};
use crate::configs::{LevelChange, Refusal, Resource, ResourceType, invalid_request};
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
    let checked =
        request.resources.iter().take(NAMED_MAX).map(|resource| match twice.contains(&key(&resource)) {
            true => invalid_request(NAMED_TWICE),
            false => check(broker, &resource, request.validate_only),
        });
    let results = alter(broker, checked.collect()).await;
    let answer = |(resource, result): (AlterConfigsResource<'a>, Result<(), Refusal>)| {
        let (error, message) = result.err().unwrap_or((ErrorCode::NONE, String::new()));
        AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: (error != ErrorCode::NONE).then(|| message.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        }
    };
    let responses: Vec<_> = request.resources.iter().zip(results).map(answer).collect();
    IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses: responses.into() }
}

/// What is to be changed of a resource, if anything is.
fn check(
    broker: &Rc<Broker>,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<Option<ConfigAlteration>, Refusal> {
    let is_null = |config: &AlterableConfig<'_>| config.config_operation != DELETE && config.value.is_none();
    check_names(resource.configs.iter().map(|config| (is_null(&config), config.name)))?;
    let name = &*resource.resource_name;
    if ResourceType::of(resource.resource_type) == Some(ResourceType::BrokerLogger) {
        return set_levels(broker, resource, validate_only).map(|()| None);
    }
    let target = Resource::of(broker.node().broker_id(), resource.resource_type, name)?;
    let changed = checked(broker, target, |configs| changes_of(resource, target, configs))?;
    Ok(changed.filter(|_| !validate_only))
}

fn changes_of(
    resource: &AlterConfigsResource<'_>,
    target: Resource<'_>,
    configs: &BTreeMap<String, String>,
) -> Result<Changes, Refusal> {
    let mut changes = Changes::new();
    for config in &resource.configs {
        let name = config.name.into_owned();
        let value = config.value.unwrap_or_default();
        let change = match config.config_operation {
            SET => Some(value.into_owned()),
            DELETE => None,
            APPEND => Some(target.list_changed(&name, &value, true, configs)?),
            SUBTRACT => Some(target.list_changed(&name, &value, false, configs)?),
            other => return invalid_request(format!("Unknown operations type {other}")),
        };
        // Of what is not set nothing is to be deleted.
        if change.is_some() || configs.contains_key(&name) {
            changes.insert(name, change);
        }
    }
    Ok(changes)
}

fn set_levels(
    broker: &Broker,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let configs: Vec<_> = resource.configs.iter().collect();
    let mut changes = Vec::with_capacity(configs.len());
    for config in &configs {
        let change = match config.config_operation {
            SET => LevelChange::Set(config.value.as_deref().unwrap_or_default()),
            DELETE => LevelChange::Reset,
            APPEND => LevelChange::Other("APPEND"),
            SUBTRACT => LevelChange::Other("SUBTRACT"),
            other => return invalid_request(format!("Unknown operations type {other}")),
        };
        changes.push((&*config.name, change));
    }
    change_levels(broker, &resource.resource_name, validate_only, &changes)
}
