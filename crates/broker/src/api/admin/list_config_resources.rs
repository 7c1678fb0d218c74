//! ListConfigResources: key 74, versions 0–1, flexible. What has configs: client metrics in version 0, since 1 any type.
//!
//! A type that Kafka does not list is UNSUPPORTED_VERSION, for the whole request. Where it differs from Kafka 4.3.1: names come in
//! their order.

use std::rc::Rc;

use cluster::metadata::ConfigKind;
use wire::error::ErrorCode;
use wire::message::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use wire::primitive::Array;

use crate::configs::ResourceType;
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
        true => asked(&request.resource_types),
        false => Ok(vec![ResourceType::ClientMetrics]),
    };
    let Ok(asked) = asked else {
        let error_code = ErrorCode::UNSUPPORTED_VERSION.code();
        return ListConfigResourcesResponse { error_code, ..ListConfigResourcesResponse::default() };
    };
    let (image, this) = (broker.node().image(), broker.node().broker_id().to_string());
    let mut resources = Vec::new();
    for kind in asked {
        let names: Vec<String> = match kind {
            ResourceType::Topic => image.topics().map(|topic| topic.name.to_string()).collect(),
            ResourceType::Broker | ResourceType::BrokerLogger => vec![this.clone()],
            ResourceType::ClientMetrics => {
                image.configured(ConfigKind::ClientMetrics).map(ToOwned::to_owned).collect()
            }
            ResourceType::Group => image.configured(ConfigKind::Group).map(ToOwned::to_owned).collect(),
        };
        resources.extend(names.into_iter().map(|name| resource(kind, name)));
    }
    ListConfigResourcesResponse {
        config_resources: resources.into(),
        ..ListConfigResourcesResponse::default()
    }
}

/// There is no such type.
#[derive(Debug, PartialEq, Eq)]
struct UnknownType;

/// The types that are asked for, in the order in which they are answered.
fn asked(types: &Array<'_, i8>) -> Result<Vec<ResourceType>, UnknownType> {
    let mut asked = Vec::new();
    for number in types {
        asked.push(ResourceType::of(number).ok_or(UnknownType)?);
    }
    // No types stand for all.
    Ok(ResourceType::ALL.into_iter().rev().filter(|kind| types.is_empty() || asked.contains(kind)).collect())
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
        let asked = |types: &[i8]| asked(&types.to_vec().into());
        assert_eq!(asked(&[]).map(|all| all.len()), Ok(5));
        assert_eq!(asked(&[2, 2, 16]), Ok(vec![ResourceType::ClientMetrics, ResourceType::Topic]));
        for unknown in [0, 1, 3, 64, -1] {
            assert_eq!(asked(&[2, unknown]), Err(UnknownType));
        }
    }
}
