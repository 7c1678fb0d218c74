//! ListConfigResources: key 74, versions 0–1, flexible. What has configs: client metrics in version 0, since 1 any type.
//!
//! Client metrics and groups have no configs here, and there are no loggers whose level a client could set. Types are answered
//! in Kafka's order; one that Kafka does not list is UNSUPPORTED_VERSION, for the whole request.
//!
//! Where it differs from Kafka 4.3.1: topics come in the order of their names, and the broker has no loggers.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use wire::primitive::Array;

use super::topic_config::ResourceType;
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version that asks for types.
const TYPES_SINCE: i16 = 1;

/// Lists what has configs.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: ListConfigResourcesRequest<'_>,
) -> ListConfigResourcesResponse<'a> {
    let asked = match caller.version >= TYPES_SINCE {
        true => Asked::of(&request.resource_types),
        false => Ok(Asked::default()),
    };
    let Ok(asked) = asked else {
        let error_code = ErrorCode::UNSUPPORTED_VERSION.code();
        return ListConfigResourcesResponse { error_code, ..ListConfigResourcesResponse::default() };
    };
    let mut resources = Vec::new();
    if asked.brokers {
        resources.push(resource(ResourceType::Broker, broker.node().broker_id().to_string()));
    }
    if asked.topics {
        let image = broker.node().image();
        resources.extend(image.topics().map(|topic| resource(ResourceType::Topic, topic.name.to_string())));
    }
    ListConfigResourcesResponse {
        config_resources: resources.into(),
        ..ListConfigResourcesResponse::default()
    }
}

/// The types that are asked for and of which there may be any.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    brokers: bool,
    topics: bool,
}

/// There is no such type.
#[derive(Debug, PartialEq, Eq)]
struct UnknownType;

impl Asked {
    fn of(types: &Array<'_, i8>) -> Result<Self, UnknownType> {
        // No types stand for all.
        let mut asked = Self { brokers: types.is_empty(), topics: types.is_empty() };
        for number in types {
            match ResourceType::of(number).ok_or(UnknownType)? {
                ResourceType::Broker => asked.brokers = true,
                ResourceType::Topic => asked.topics = true,
                ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => {}
            }
        }
        Ok(asked)
    }
}

fn resource(resource_type: ResourceType, name: String) -> ConfigResource<'static> {
    ConfigResource { resource_name: name.into(), resource_type: resource_type.number() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_types_stand_for_all_and_an_unknown_one_spoils_the_question() {
        // Tried against a running Kafka 4.3.1.
        let asked = |types: &[i8]| Asked::of(&types.to_vec().into());
        assert_eq!(asked(&[]), Ok(Asked { brokers: true, topics: true }));
        assert_eq!(asked(&[2, 2, 16]), Ok(Asked { brokers: false, topics: true }));
        assert_eq!(asked(&[32, 8, 4]), Ok(Asked { brokers: true, topics: false }));
        for unknown in [0, 1, 3, 64, -1] {
            assert_eq!(asked(&[2, unknown]), Err(UnknownType));
        }
    }
}
