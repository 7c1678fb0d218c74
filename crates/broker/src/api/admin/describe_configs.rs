//! DescribeConfigs: key 32, versions 1–4. Flexible since 4; types and documentation since 3.
//!
//! Topics only. Where it differs from Kafka 4.3.1: configs come in the order of their names; synonyms name a topic's own config and
//! the default under the topic's name; there is no documentation.

use std::rc::Rc;

use cluster::metadata::check_topic_name;
use wire::error::ErrorCode;
use wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use wire::primitive::Array;

use super::topic_config::{self, ConfigSource, Described, ResourceType};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Describes configs.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeConfigsRequest<'a>,
) -> DescribeConfigsResponse<'a> {
    let one = |resource: DescribeConfigsResource<'a>| {
        let described = describe(broker, &resource, request.include_synonyms);
        let (error, message, configs) = match described {
            // An empty text, as Kafka's, not none.
            Ok(configs) => (ErrorCode::NONE, Some("".into()), configs),
            Err((error, message)) => (error, Some(message.into()), Vec::new()),
        };
        DescribeConfigsResult {
            error_code: error.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: configs.into(),
        }
    };
    let results = request.resources.iter().take(NAMED_MAX).map(one).collect();
    DescribeConfigsResponse { throttle_time_ms: 0, results }
}

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource<'_>,
    with_synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult<'static>>, (ErrorCode, String)> {
    match ResourceType::of(resource.resource_type) {
        Some(ResourceType::Topic) => {}
        Some(other) => {
            return Err((ErrorCode::INVALID_REQUEST, format!("{other:?} configs are not described here.")));
        }
        None => {
            let message = format!("Unsupported resource type: {}", resource.resource_type);
            return Err((ErrorCode::INVALID_REQUEST, message));
        }
    }
    let name = &*resource.resource_name;
    check_topic_name(name).map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))?;
    let Some(topic) = broker.node().image().topic(name).cloned() else {
        // Kafka leaves the text to the client.
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
    };
    // No names, like null, stands for all.
    let wanted: Vec<_> = resource.configuration_keys.iter().flat_map(|keys| keys.iter()).collect();
    let is_wanted = |config: &Described| wanted.is_empty() || wanted.iter().any(|key| *key == config.name);
    let all = topic_config::describe(&broker.options.topic_defaults, &topic.configs);
    Ok(all.filter(is_wanted).map(|config| result(config, with_synonyms)).collect())
}

fn result(config: Described, with_synonyms: bool) -> DescribeConfigsResourceResult<'static> {
    let synonyms = match with_synonyms {
        true => synonyms(&config),
        false => Array::new(),
    };
    DescribeConfigsResourceResult {
        name: config.name.into(),
        value: Some(config.value.into_owned().into()),
        read_only: false,
        config_source: config.source as i8,
        is_sensitive: false,
        synonyms,
        config_type: topic_config::type_number(config.name),
        documentation: None,
    }
}

fn synonyms(config: &Described) -> Array<'static, DescribeConfigsSynonym<'static>> {
    let own = DescribeConfigsSynonym {
        name: config.name.into(),
        value: Some(config.value.clone().into_owned().into()),
        source: config.source as i8,
    };
    let default = DescribeConfigsSynonym {
        name: config.name.into(),
        value: topic_config::default_of(config.name).map(Into::into),
        source: ConfigSource::Default as i8,
    };
    match config.source {
        ConfigSource::Default => vec![own].into(),
        _ => vec![own, default].into(),
    }
}
