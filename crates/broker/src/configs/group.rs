//! Configs of groups (KIP-848): of those of the consumer protocol, within what the broker allows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use cluster::metadata::{ConfigKind, Image};

use super::changes::Changes;
use super::known::{Kind, Known};
use super::{ConfigSource, Described, Origins, Refusal, Synonym, invalid_config, invalid_request};

/// What the broker lets groups be set to, in milliseconds.
#[derive(Clone, Debug)]
pub struct GroupConfigBounds {
    /// `group.consumer.min.session.timeout.ms` and `group.consumer.max.session.timeout.ms`.
    pub session_timeout_ms: RangeInclusive<u64>,
    /// `group.consumer.min.heartbeat.interval.ms` and `group.consumer.max.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: RangeInclusive<u64>,
}

impl GroupConfigBounds {
    /// How long a member of a group may be silent, if that is set for the group.
    pub(crate) fn session_timeout(&self, image: &Image, group: &str) -> Option<Duration> {
        in_force(image, group, SESSION_TIMEOUT, &self.session_timeout_ms)
    }

    /// How often a member of a group is to be heard of, if that is set for the group.
    pub(crate) fn heartbeat_interval(&self, image: &Image, group: &str) -> Option<Duration> {
        in_force(image, group, HEARTBEAT_INTERVAL, &self.heartbeat_interval_ms)
    }
}

/// What a group is set to. The broker may have been started with narrower bounds since: these hold, as in Kafka.
fn in_force(image: &Image, group: &str, name: &str, bounds: &RangeInclusive<u64>) -> Option<Duration> {
    let set: u64 = image.configs(ConfigKind::Group, group).get(name)?.trim().parse().ok()?;
    Some(Duration::from_millis(set.max(*bounds.start()).min(*bounds.end())))
}

const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";

/// All of them, names ascending.
const TABLE: [Known; 2] = [
    Known {
        name: HEARTBEAT_INTERVAL,
        kind: Kind::Int(1, i32::MAX),
        default: "5000",
        doc: "How often a member is told to be heard of, in milliseconds.",
    },
    Known {
        name: SESSION_TIMEOUT,
        kind: Kind::Int(1, i32::MAX),
        default: "45000",
        doc: "How long a member may be silent, in milliseconds.",
    },
];

fn find(name: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.name == name)
}

/// All configs of a group, there or not, that is set to `configs`.
pub(super) fn describe(
    origins: &Origins<'_>,
    configs: &BTreeMap<String, String>,
    name: &str,
) -> Result<Vec<Described>, Refusal> {
    if name.is_empty() {
        return invalid_request("Group name must not be empty");
    }
    let describe = |known: &Known| {
        let own = configs.get(known.name);
        let mut synonyms: Vec<_> = own
            .map(|value| Synonym::new(known.name, value.clone(), ConfigSource::Group))
            .into_iter()
            .collect();
        synonyms.extend(origins.of(&format!("group.{}", known.name)));
        Described::changeable(known, known.default.into(), synonyms)
    };
    Ok(TABLE.iter().map(describe).collect())
}

/// Checks the name of a group whose configs are to be changed.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    match name {
        "" => invalid_request("Default group resources are not allowed."),
        _ => Ok(()),
    }
}

/// Checks new values.
pub(super) fn check(bounds: &GroupConfigBounds, changes: &Changes) -> Result<(), Refusal> {
    for (name, value) in changes {
        let Some(value) = value else { continue };
        let Some(known) = find(name) else {
            return invalid_config(format!("Unknown group config name: {name}"));
        };
        known.check(value).or_else(|error| invalid_config(error.to_string()))?;
        let (short, bounds) = match known.name {
            SESSION_TIMEOUT => ("session.timeout.ms", &bounds.session_timeout_ms),
            _ => ("heartbeat.interval.ms", &bounds.heartbeat_interval_ms),
        };
        let number: u64 = value.trim().parse().unwrap_or_default();
        if number < *bounds.start() {
            return invalid_config(format!(
                "{name} must be greater than or equal to group.consumer.min.{short}"
            ));
        }
        if number > *bounds.end() {
            return invalid_config(format!(
                "{name} must be less than or equal to group.consumer.max.{short}"
            ));
        }
    }
    Ok(())
}
