//! DescribeClientQuotas: key 48, versions 0–1. Flexible since 1. Quotas that are set, of the entities that a filter lets through.
//!
//! A filter names types of entities, each with an exact name, the default, or any; an entity has to have them all, and where it is
//! strict no others. A filter that is none is refused as a whole, in Kafka's words.
//!
//! Where it differs from Kafka 4.3.1: order of the entities.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::metadata::{Quota, QuotaEntity, QuotaEntityType};
use wire::error::ErrorCode;
use wire::message::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
    ValueData,
};

use crate::configs::{Refusal, invalid_request};
use crate::dispatch::Caller;
use crate::server::Broker;

/// How a component names entities, by Kafka's numbers.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

/// By type the name that an entity has to have, `None` for any.
type Filter = BTreeMap<QuotaEntityType, Option<Option<String>>>;

/// Describes quotas.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeClientQuotasRequest<'_>,
) -> DescribeClientQuotasResponse<'a> {
    let filter = match filter(request.components.iter()) {
        Ok(filter) => filter,
        Err((error, message)) => {
            return DescribeClientQuotasResponse {
                throttle_time_ms: 0,
                error_code: error.code(),
                error_message: Some(message.into()),
                entries: None,
            };
        }
    };
    let image = broker.node().image();
    let found = image.quotas().iter().filter(|(entity, _)| matches(entity, &filter, request.strict));
    let entries: Vec<_> = found.map(|(entity, quotas)| described(entity, quotas)).collect();
    DescribeClientQuotasResponse { entries: Some(entries.into()), ..DescribeClientQuotasResponse::default() }
}

fn filter<'a>(components: impl Iterator<Item = ComponentData<'a>>) -> Result<Filter, Refusal> {
    let mut filter = Filter::new();
    for component in components {
        let name = &*component.entity_type;
        if name.is_empty() {
            return invalid_request("Invalid empty entity type.");
        }
        let Some(kind) = QuotaEntityType::named(name) else {
            return Err((ErrorCode::UNSUPPORTED_VERSION, format!("Unsupported entity type {name}")));
        };
        if filter.contains_key(&kind) {
            return invalid_request(format!(
                "Entity type {name} cannot appear more than once in the filter."
            ));
        }
        filter.insert(kind, wanted(component)?);
    }
    if filter.contains_key(&QuotaEntityType::Ip) && filter.len() > 1 {
        return invalid_request(
            "Invalid entity filter component combination. IP filter component should not be used with user or \
             clientId filter component.",
        );
    }
    Ok(filter)
}

fn wanted(component: ComponentData<'_>) -> Result<Option<Option<String>>, Refusal> {
    let also = |matching| {
        invalid_request(format!(
            "Request specified MATCH_TYPE_{matching}, but also specified a match string."
        ))
    };
    match (component.match_type, component.r#match) {
        (EXACT, Some(name)) => Ok(Some(Some(name.into_owned()))),
        (EXACT, None) => invalid_request("Request specified MATCH_TYPE_EXACT, but set match string to null."),
        (DEFAULT, None) => Ok(Some(None)),
        (DEFAULT, Some(_)) => also("DEFAULT"),
        (SPECIFIED, None) => Ok(None),
        (SPECIFIED, Some(_)) => also("SPECIFIED"),
        (other, _) => invalid_request(format!("Unknown match type {other}")),
    }
}

fn matches(entity: &QuotaEntity, filter: &Filter, is_strict: bool) -> bool {
    let has = |(kind, wanted): (_, &Option<Option<String>>)| {
        entity.get(kind).is_some_and(|name| wanted.as_ref().is_none_or(|wanted| wanted == name))
    };
    (!is_strict || entity.len() == filter.len()) && filter.iter().all(has)
}

fn described(entity: &QuotaEntity, quotas: &BTreeMap<String, Quota>) -> EntryData<'static> {
    let part = |(kind, name): (&QuotaEntityType, &Option<String>)| EntityData {
        entity_type: kind.name().into(),
        entity_name: name.clone().map(Into::into),
    };
    let value =
        |(key, quota): (&String, &Quota)| ValueData { key: key.clone().into(), value: (*quota).into() };
    EntryData {
        entity: entity.iter().map(part).collect::<Vec<_>>().into(),
        values: quotas.iter().map(value).collect::<Vec<_>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(kind: &'static str, match_type: i8, name: Option<&'static str>) -> ComponentData<'static> {
        ComponentData { entity_type: kind.into(), match_type, r#match: name.map(Into::into) }
    }

    #[test]
    fn a_filter_wants_all_its_types_and_where_it_is_strict_no_others() {
        let named = |name: &str| Some(name.to_owned());
        let both =
            QuotaEntity::from([(QuotaEntityType::User, named("u")), (QuotaEntityType::ClientId, None)]);
        let passes = |components: Vec<ComponentData<'static>>, is_strict| {
            matches(&both, &filter(components.into_iter()).unwrap(), is_strict)
        };
        assert!(passes(vec![], false) && !passes(vec![], true));
        let exact = |name| component("user", EXACT, Some(name));
        assert!(passes(vec![exact("u")], false) && !passes(vec![exact("u")], true));
        assert!(!passes(vec![exact("v")], false));
        let of_default = component("client-id", DEFAULT, None);
        assert!(passes(vec![exact("u"), of_default.clone()], true));
        assert!(!passes(vec![component("user", DEFAULT, None), of_default], true));
        assert!(passes(vec![component("client-id", SPECIFIED, None)], false));
        assert!(!passes(vec![component("ip", SPECIFIED, None)], false));
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        // Tried against a running Kafka 4.3.1.
        for components in [
            vec![component("", SPECIFIED, None)],
            vec![component("user", EXACT, None)],
            vec![component("user", DEFAULT, Some("u"))],
            vec![component("user", SPECIFIED, Some("u"))],
            vec![component("user", 3, None)],
            vec![component("user", SPECIFIED, None), component("user", DEFAULT, None)],
            vec![component("user", SPECIFIED, None), component("ip", SPECIFIED, None)],
        ] {
            let refused = filter(components.into_iter());
            assert!(matches!(refused, Err((ErrorCode::INVALID_REQUEST, _))), "{refused:?}");
        }
        let unknown = filter([component("group", SPECIFIED, None)].into_iter());
        assert!(matches!(unknown, Err((ErrorCode::UNSUPPORTED_VERSION, _))), "{unknown:?}");
    }
}
