//! AlterClientQuotas: key 49, versions 0–1. Flexible since 1.
//!
//! Quotas are checked, kept and shown; nothing enforces them yet. As in Kafka: an entity that is refused hinders no other one; what is
//! not refused is changed whole or not at all (ADR 16), `CHANGES_MAX` quotas at the most. An entity that is named twice is refused,
//! though what was said of it first holds.
//!
//! Where it differs from Kafka 4.3.1: order of the answers; of several things wrong with one entity another may be told; of more than
//! `NAMED_MAX` entities the rest is not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use cluster::metadata::{Quota, QuotaChanges, QuotaEntity, QuotaEntityType};
use env::Instant;
use wire::error::ErrorCode;
use wire::message::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, OpData, RequestEntryData, ResponseEntityData,
    ResponseEntryData,
};

use crate::api::{CHANGES_MAX, NAMED_MAX};
use crate::configs::{Refusal, invalid_request, too_many_changes};
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// An entity as the request has it: names by type. Kafka, too, takes the last of a type.
type Named = BTreeMap<String, Option<String>>;

/// What numbers a quota takes.
#[derive(Clone, Copy)]
enum Kind {
    Double,
    /// Whole, up to [`i32::MAX`].
    Int,
    /// Whole, up to [`i64::MAX`].
    Long,
}

/// Quotas of users and clients.
const OF_CLIENTS: [(&str, Kind); 4] = [
    ("producer_byte_rate", Kind::Long),
    ("consumer_byte_rate", Kind::Long),
    ("request_percentage", Kind::Double),
    ("controller_mutation_rate", Kind::Double),
];
/// Quotas of addresses.
const OF_IPS: [(&str, Kind); 1] = [("connection_creation_rate", Kind::Int)];

/// What is left of a whole number's value may be this much.
const FRACTION_MAX: f64 = 1e-6;

/// Looking up the names of addresses may take a request so long; what was not found by then is taken for unknown.
const LOOKUPS_MAX: Duration = Duration::from_secs(5);

/// Changes quotas.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: AlterClientQuotasRequest<'_>,
) -> AlterClientQuotasResponse<'a> {
    let began = Instant::now();
    let mut verdicts: BTreeMap<Named, Result<(), Refusal>> = BTreeMap::new();
    let mut alterations = Vec::new();
    for entry in request.entries.iter().take(NAMED_MAX) {
        let named = named(&entry);
        let verdict = match verdicts.contains_key(&named) || has_key_twice(&entry) {
            true => invalid_request(format!("Ignoring duplicate entity {}", shown(&named))),
            false => check(&named, &entry, began).await.map(|alteration| alterations.push(alteration)),
        };
        verdicts.insert(named, verdict);
    }
    if !request.validate_only
        && let Err(refusal) = alter(broker, alterations).await
    {
        verdicts.values_mut().for_each(|verdict| *verdict = Err(refusal.clone()));
    }
    let entries: Vec<_> = verdicts.into_iter().map(|(named, verdict)| answer(named, verdict)).collect();
    AlterClientQuotasResponse { throttle_time_ms: 0, entries: entries.into() }
}

fn named(entry: &RequestEntryData<'_>) -> Named {
    let part = |part: wire::message::alter_client_quotas::RequestEntityData<'_>| {
        (part.entity_type.into_owned(), part.entity_name.map(std::borrow::Cow::into_owned))
    };
    entry.entity.iter().map(part).collect()
}

fn has_key_twice(entry: &RequestEntryData<'_>) -> bool {
    let mut seen = BTreeSet::new();
    entry.ops.iter().any(|op| !seen.insert(op.key))
}

/// As Kafka's texts name an entity.
fn shown(named: &Named) -> String {
    let parts = named.iter().map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null")));
    format!("ClientQuotaEntity(entries={{{}}})", parts.collect::<Vec<_>>().join(", "))
}

async fn check(
    named: &Named,
    entry: &RequestEntryData<'_>,
    began: Instant,
) -> Result<(QuotaEntity, QuotaChanges), Refusal> {
    let entity = check_entity(named)?;
    if let Some(Some(ip)) = entity.get(&QuotaEntityType::Ip)
        && !resolves(ip, began).await
    {
        return invalid_request(format!("{ip} is not a valid IP or resolvable host."));
    }
    let changes = check_changes(&entity, entry)?;
    Ok((entity, changes))
}

/// Changes all or nothing. What is set already is left out here, in one step with the proposal: the checks may have waited.
async fn alter(broker: &Broker, mut alterations: Vec<(QuotaEntity, QuotaChanges)>) -> Result<(), Refusal> {
    leave_out_what_is_set(&mut alterations, broker.node().image().quotas());
    let count: usize = alterations.iter().map(|(_, changes)| changes.len()).sum();
    if count > CHANGES_MAX {
        return Err(too_many_changes());
    }
    if count == 0 {
        return Ok(());
    }
    let altered = broker.node().alter_quotas(alterations).await;
    altered.map_err(|error| (error_map::propose(&error), error.to_string()))
}

fn leave_out_what_is_set(
    alterations: &mut Vec<(QuotaEntity, QuotaChanges)>,
    set: &BTreeMap<QuotaEntity, BTreeMap<String, Quota>>,
) {
    alterations.retain_mut(|(entity, changes)| {
        let set = set.get(entity);
        changes.retain(|key, value| set.and_then(|set| set.get(key)) != value.as_ref());
        !changes.is_empty()
    });
}

/// Whether an address, or a name that has one, is found in time.
async fn resolves(host: &str, began: Instant) -> bool {
    let left = LOOKUPS_MAX.saturating_sub(began.elapsed());
    let found =
        async || env::timeout(left, env::net::addresses_of(host)).await.is_some_and(|all| !all.is_empty());
    host.parse::<IpAddr>().is_ok() || found().await
}

fn check_entity(named: &Named) -> Result<QuotaEntity, Refusal> {
    let mut entity = QuotaEntity::new();
    for (kind, name) in named {
        let Some(known) = QuotaEntityType::named(kind) else {
            return invalid_request(format!("Unhandled client quota entity type: {kind}"));
        };
        if name.as_ref().is_some_and(String::is_empty) {
            return invalid_request(format!("Empty {kind} not supported"));
        }
        entity.insert(known, name.clone());
    }
    if entity.is_empty() {
        return invalid_request("Invalid empty client quota entity");
    }
    if entity.contains_key(&QuotaEntityType::Ip) && entity.len() > 1 {
        return invalid_request(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        );
    }
    Ok(entity)
}

fn check_changes(entity: &QuotaEntity, entry: &RequestEntryData<'_>) -> Result<QuotaChanges, Refusal> {
    let keys: &[_] = if entity.contains_key(&QuotaEntityType::Ip) { &OF_IPS } else { &OF_CLIENTS };
    let check = |op: OpData<'_>| {
        let value = if op.remove { None } else { Some(check_value(keys, &op)?) };
        Ok((op.key.into_owned(), value))
    };
    entry.ops.iter().map(check).collect()
}

/// Kafka's checks, which NaN passes: no comparison with it holds.
fn check_value(keys: &[(&str, Kind)], op: &OpData<'_>) -> Result<Quota, Refusal> {
    let (key, value) = (&*op.key, op.value);
    let Some((_, kind)) = keys.iter().find(|(known, _)| *known == key) else {
        return invalid_request(format!("Invalid configuration key {key}"));
    };
    if value <= 0.0 {
        return invalid_request(format!("Quota {key} must be greater than 0"));
    }
    let (max, kind) = match kind {
        Kind::Double => return Ok(value.into()),
        Kind::Int => (f64::from(i32::MAX), "an INT"),
        // As a double it is 2^63.
        Kind::Long => (9_223_372_036_854_775_808.0, "a LONG"),
    };
    if value > max {
        return invalid_request(format!("Proposed value for {key} is too large for {kind}."));
    }
    if (value % 1.0).abs() > FRACTION_MAX {
        return invalid_request(format!("{key} cannot be a fractional value."));
    }
    Ok(value.into())
}

fn answer(named: Named, verdict: Result<(), Refusal>) -> ResponseEntryData<'static> {
    let (error, message) = match verdict {
        Ok(()) => (ErrorCode::NONE, None),
        Err((error, message)) => (error, Some(message.into())),
    };
    let part = |(kind, name): (String, Option<String>)| ResponseEntityData {
        entity_type: kind.into(),
        entity_name: name.map(Into::into),
    };
    let entity: Vec<_> = named.into_iter().map(part).collect();
    ResponseEntryData { error_code: error.code(), error_message: message, entity: entity.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(parts: &[(&str, Option<&str>)]) -> Named {
        parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(ToOwned::to_owned))).collect()
    }

    #[test]
    fn an_entity_is_a_user_a_client_both_or_an_address() {
        // Tried against a running Kafka 4.3.1.
        let legal =
            [&[("user", None)][..], &[("client-id", Some("c")), ("user", Some("u"))], &[("ip", None)]];
        assert!(legal.iter().all(|parts| check_entity(&named(parts)).is_ok()));
        let refused = [
            &[][..],
            &[("user", Some(""))],
            &[("group", None)],
            &[("ip", None), ("user", None)],
            &[("client-id", None), ("ip", None)],
        ];
        assert!(refused.iter().all(|parts| check_entity(&named(parts)).is_err()));
    }

    #[test]
    fn a_value_is_judged_by_the_kind_of_its_key() {
        let judged = |keys, key: &'static str, value| {
            let op = OpData { key: key.into(), value, remove: false };
            check_value(keys, &op).map(f64::from).map_err(|(_, text)| text)
        };
        assert_eq!(judged(&OF_CLIENTS, "request_percentage", 0.5), Ok(0.5));
        assert_eq!(judged(&OF_CLIENTS, "producer_byte_rate", 7.0), Ok(7.0));
        assert!(judged(&OF_CLIENTS, "producer_byte_rate", f64::NAN).is_ok_and(f64::is_nan));
        for (key, value) in [
            ("producer_byte_rate", 0.5),
            ("producer_byte_rate", 1e19),
            ("consumer_byte_rate", 0.0),
            ("request_percentage", -1.0),
            ("connection_creation_rate", 1.0),
        ] {
            assert!(judged(&OF_CLIENTS, key, value).is_err(), "{key} {value}");
        }
        let too_large = "Proposed value for connection_creation_rate is too large for an INT.";
        assert_eq!(judged(&OF_IPS, "connection_creation_rate", 2_147_483_648.0), Err(too_large.into()));
        assert_eq!(judged(&OF_IPS, "connection_creation_rate", 2_147_483_647.0), Ok(2_147_483_647.0));
    }

    #[test]
    fn what_is_set_already_is_no_change() {
        let user =
            |name: Option<&str>| QuotaEntity::from([(QuotaEntityType::User, name.map(ToOwned::to_owned))]);
        let changes = |changes: &[(&str, Option<f64>)]| -> QuotaChanges {
            changes.iter().map(|(key, value)| ((*key).to_owned(), value.map(Quota::from))).collect()
        };
        let asked = changes(&[
            ("producer_byte_rate", Some(1.0)),
            ("consumer_byte_rate", Some(3.0)),
            ("no_such", None),
            ("request_percentage", None),
        ]);
        let set =
            [("producer_byte_rate".to_owned(), 1.0.into()), ("request_percentage".to_owned(), 1.0.into())];
        let set = BTreeMap::from([(user(None), BTreeMap::from(set))]);
        let mut alterations = vec![
            (user(None), asked.clone()),
            (user(Some("u")), changes(&[("no_such", None)])),
            (user(Some("v")), asked),
        ];
        leave_out_what_is_set(&mut alterations, &set);
        let of_all = changes(&[("consumer_byte_rate", Some(3.0)), ("request_percentage", None)]);
        let of_v = changes(&[("producer_byte_rate", Some(1.0)), ("consumer_byte_rate", Some(3.0))]);
        assert_eq!(alterations, [(user(None), of_all), (user(Some("v")), of_v)]);
    }
}
