//! DescribeConfigs: key 32, versions 1–4. Flexible since 4; types and documentation since 3.
//!
//! Where it differs from Kafka 4.3.1: configs come in the order of their names; of the broker and of groups those only that mean
//! something here; documentation is ours; a topic's `retention.ms` and `segment.ms` name the broker's hours where these were set.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::api::NAMED_MAX;
use crate::configs::{self, Described, Synonym};
use crate::dispatch::Caller;
use crate::server::Broker;

/// Describes configs.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeConfigsRequest<'a>,
) -> DescribeConfigsResponse<'a> {
    let shown = Shown { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let one = |resource: DescribeConfigsResource<'a>| {
        // No names, like null, stands for all.
        let wanted: Vec<_> = resource.configuration_keys.iter().flat_map(|keys| keys.iter()).collect();
        let is_wanted = |config: &Described| wanted.is_empty() || wanted.contains(&config.name);
        let described = configs::describe(broker, resource.resource_type, &resource.resource_name);
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
            configs: configs.into_iter().filter(is_wanted).map(|config| result(config, shown)).collect(),
        }
    };
    let results = request.resources.iter().take(NAMED_MAX).map(one).collect();
    DescribeConfigsResponse { throttle_time_ms: 0, results }
}

/// What a client wants to see beside names and values.
#[derive(Clone, Copy, Debug)]
struct Shown {
    synonyms: bool,
    documentation: bool,
}

fn result(config: Described, shown: Shown) -> DescribeConfigsResourceResult<'static> {
    let synonyms = if shown.synonyms { config.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: config.name,
        value: config.value,
        read_only: config.is_read_only,
        config_source: config.source as i8,
        is_sensitive: config.is_sensitive,
        synonyms: synonyms.into_iter().map(synonym).collect(),
        config_type: config.type_number,
        documentation: config.doc.filter(|_| shown.documentation).map(Into::into),
    }
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym<'static> {
    DescribeConfigsSynonym { name: synonym.name, value: synonym.value, source: synonym.source as i8 }
}
