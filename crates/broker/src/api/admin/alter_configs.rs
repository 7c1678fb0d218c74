//! AlterConfigs: key 33, versions 0–2. Flexible since 2. The older form: what has configs has those of the request, all others
//! take their defaults again. Loggers have only the newer form.
//!
//! Answered when all changes are committed, together; of a resource that is refused nothing is changed. Checks are Kafka's: the
//! whole request (a resource twice), then per resource its names and values, what would be in force together, and last whether
//! it is there.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::node::ConfigAlteration;
use wire::error::ErrorCode;
use wire::message::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::api::NAMED_MAX;
use crate::configs::changes::{Changes, NAMED_TWICE, alter, check_names, checked, named_twice};
use crate::configs::{Refusal, Resource, invalid_request};
use crate::dispatch::Caller;
use crate::server::Broker;

/// Sets configs.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: AlterConfigsRequest<'a>,
) -> AlterConfigsResponse<'a> {
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
    AlterConfigsResponse { throttle_time_ms: 0, responses: responses.into() }
}

/// What is to be changed of a resource, if anything is.
fn check(
    broker: &Rc<Broker>,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<Option<ConfigAlteration>, Refusal> {
    check_names(resource.configs.iter().map(|config| (config.value.is_none(), config.name)))?;
    let broker_id = broker.node().broker_id();
    let target = Resource::of(broker_id, resource.resource_type, &resource.resource_name)?;
    let changed = checked(broker, target, |configs| Ok(changes_of(resource, configs)))?;
    Ok(changed.filter(|_| !validate_only))
}

/// What is to change of `configs`, so that they are those of the request; null was refused before.
fn changes_of(resource: &AlterConfigsResource<'_>, configs: &BTreeMap<String, String>) -> Changes {
    let mut changes: Changes = configs.keys().map(|name| (name.clone(), None)).collect();
    for config in &resource.configs {
        changes.insert(config.name.into_owned(), config.value.map(std::borrow::Cow::into_owned));
    }
    changes.retain(|name, value| configs.get(name) != value.as_ref());
    changes
}

#[cfg(test)]
mod tests {
    use wire::message::alter_configs::AlterableConfig;

    use super::*;

    #[test]
    fn what_is_not_named_takes_its_default_again() {
        // Could break: a config that stays as it was, since the record names changes only.
        let configs = BTreeMap::from([("a", "1"), ("b", "2"), ("c", "3")].map(|(k, v)| (k.into(), v.into())));
        let config = |name: &'static str, value: &'static str| AlterableConfig {
            name: name.into(),
            value: Some(value.into()),
        };
        let resource = AlterConfigsResource {
            configs: vec![config("a", "1"), config("b", "9"), config("d", "4")].into(),
            ..AlterConfigsResource::default()
        };
        let expected = [("b", Some("9")), ("c", None), ("d", Some("4"))];
        let expected: Changes =
            expected.into_iter().map(|(name, value)| (name.into(), value.map(Into::into))).collect();
        assert_eq!(changes_of(&resource, &configs), expected);
    }
}
