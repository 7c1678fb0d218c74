//! Configs of subscriptions of client metrics (KIP-714): kept and shown. Nothing is subscribed yet: Kafka without a plug-in that
//! receives metrics does not list the APIs either.

use std::collections::BTreeMap;

use super::changes::Changes;
use super::known::{Kind, Known, type_number};
use super::{ConfigSource, Described, Refusal, Synonym, invalid_config, invalid_request};

/// The shortest and the longest interval, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;
/// What clients may be told apart by.
const MATCHED: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";

/// All of them, names ascending. The lists are none for APPEND and SUBTRACT, as in Kafka.
const TABLE: [Known; 3] = [
    Known {
        name: INTERVAL,
        kind: Kind::Int(i32::MIN, i32::MAX),
        default: "300000",
        doc: "How often clients are to send metrics, in milliseconds.",
    },
    Known {
        name: MATCH,
        kind: Kind::OneOf(&[]),
        default: "",
        doc: "Which clients: pairs of what and an expression.",
    },
    Known {
        name: "metrics",
        kind: Kind::OneOf(&[]),
        default: "",
        doc: "Prefixes of the metrics' names; *: all.",
    },
];

/// All configs of a subscription, there or not, that is set to `configs`.
pub(super) fn describe(configs: &BTreeMap<String, String>, name: &str) -> Result<Vec<Described>, Refusal> {
    if name.is_empty() {
        return invalid_request("Client metrics subscription name must not be empty");
    }
    let describe = |known: &Known| {
        let own = configs.get(known.name);
        let synonyms =
            own.map(|value| Synonym::new(known.name, value.clone(), ConfigSource::ClientMetrics)).into_iter();
        let described = Described::changeable(known, known.default.into(), synonyms.collect());
        let type_number = if known.name == INTERVAL { type_number::INT } else { type_number::LIST };
        Described { type_number, ..described }
    };
    Ok(TABLE.iter().map(describe).collect())
}

/// Checks the name of a subscription whose configs are to be changed.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    match name {
        "" => invalid_request("Subscription name can't be empty"),
        _ => Ok(()),
    }
}

/// Checks new values.
pub(super) fn check(changes: &Changes) -> Result<(), Refusal> {
    for (name, value) in changes {
        let Some(known) = TABLE.iter().find(|known| known.name == name) else {
            return invalid_request(format!("Unknown client metrics configuration: {name}"));
        };
        match (known.name, value) {
            (INTERVAL, Some(value)) => check_interval(known, value)?,
            (MATCH, Some(value)) => check_match(value)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_interval(known: &Known, value: &str) -> Result<(), Refusal> {
    known.check(value).or_else(|error| invalid_config(error.to_string()))?;
    if value.trim().parse().is_ok_and(|ms| INTERVAL_MS.contains(&ms)) {
        return Ok(());
    }
    invalid_request(format!(
        "Invalid value {} for {INTERVAL}, interval must be between 100 and 3600000 (1 hour)",
        value.trim()
    ))
}

fn check_match(value: &str) -> Result<(), Refusal> {
    let is_pair = |pair: &str| {
        pair.split_once('=').is_some_and(|(what, expression)| {
            MATCHED.contains(&what.trim()) && regex::Regex::new(expression.trim()).is_ok()
        })
    };
    match value.split(',').map(str::trim).find(|pair| !pair.is_empty() && !is_pair(pair)) {
        Some(bad) => invalid_config(format!("Illegal client matching pattern: {bad}")),
        None => Ok(()),
    }
}
