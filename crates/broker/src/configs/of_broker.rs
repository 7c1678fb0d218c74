//! Configs of the broker itself: what it was started with, and what it, or all brokers, were set to since.
//!
//! Only some may be set while it runs (KIP-226): topics' defaults under the broker's names, and a few more; others are
//! refused. Names that there are not are kept and not shown, as in Kafka, whose brokers may have plug-ins with configs of
//! their own.

use std::collections::{BTreeMap, BTreeSet};

use cluster::PRODUCER_EXPIRATION;
use cluster::metadata::{ConfigKind, Image, broker_name_of, topic_name_of};

use super::changes::Changes;
use super::connections_per_ip::{OF_ALL, OVERRIDES, may_be_together};
use super::known::{Kind, Known, known, type_number};
use super::{ConfigSource, Described, Refusal, Synonym, check_broker_id, invalid_request};
use super::{read_only, topic_table, without_use};

/// A config that the broker was started with.
#[derive(Clone, Debug)]
pub struct StartedWith {
    /// Kafka's name, or ours without its prefix.
    pub name: &'static str,
    /// `None`: it has none of its own.
    pub value: Option<String>,
    /// Its default, if it has one.
    pub default: Option<&'static str>,
    /// Somebody has set it.
    pub is_set: bool,
    /// Its values are numbers, `true` and `false`, texts, or lists of texts.
    pub values: Values,
    /// What it does.
    pub doc: &'static str,
}

/// What the values of a config are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// `true` and `false`.
    Flag,
    /// Numbers of 16 bits.
    Short,
    /// Numbers of 32 bits.
    Int,
    /// Numbers of 64 bits.
    Long,
    /// Texts.
    Text,
    /// Lists of texts.
    List,
}

impl Values {
    fn type_number(self) -> i8 {
        match self {
            Self::Flag => type_number::BOOLEAN,
            Self::Short => type_number::SHORT,
            Self::Int => type_number::INT,
            Self::Long => type_number::LONG,
            Self::Text => type_number::STRING,
            Self::List => type_number::LIST,
        }
    }
}

/// Other names for the same in coarser units, which hold where the first is not set.
const UNITS: [(&str, &[&str]); 4] = [
    ("log.retention.ms", &["log.retention.minutes", "log.retention.hours"]),
    ("log.roll.ms", &["log.roll.hours"]),
    ("log.roll.jitter.ms", &[]),
    ("log.flush.interval.ms", &[]),
];

/// What may be set while it runs beside the defaults of topics.
const DYNAMIC: [Known; 7] = [
    throttle("follower.replication.throttled.rate", "Bytes a second that throttled replicas follow with."),
    throttle(
        "leader.replication.throttled.rate",
        "Bytes a second that throttled replicas are followed with.",
    ),
    Known {
        name: "max.connections",
        kind: Kind::Int(0, i32::MAX),
        default: "10000",
        doc: "Connections at a time; one more is closed as soon as it is accepted.",
    },
    Known {
        name: OF_ALL,
        kind: Kind::Int(0, i32::MAX),
        default: "2147483647",
        doc: "Connections at a time from one address; one more is closed as soon as it is accepted.",
    },
    Known {
        name: OVERRIDES,
        kind: Kind::ConnectionOverrides,
        default: "",
        doc: "Connections at a time of hosts or addresses that have a number of their own, host:number with commas between.",
    },
    Known {
        name: PRODUCER_EXPIRATION,
        kind: Kind::Int(1, i32::MAX),
        default: "86400000",
        doc: "How long a partition remembers a producer that writes nothing, in milliseconds.",
    },
    throttle("replica.alter.log.dirs.io.max.bytes.per.second", "Bytes a second between directories."),
];

/// Rates are taken and change nothing yet: there are no other replicas and no other directories. Without a default, as in Kafka.
const fn throttle(name: &'static str, doc: &'static str) -> Known {
    known(name, Kind::Long(0), "", doc)
}

/// A config that may be set while the broker runs, under its name.
fn dynamic(name: &str) -> Option<Known> {
    let of_topic = || {
        let topic_name = topic_name_of(name)?;
        let known = topic_table::find(topic_name)?;
        // Of a broker's, Kafka takes any number.
        let kind = if topic_name == "retention.ms" { Kind::Long(i64::MIN) } else { known.kind };
        Some(Known { name: broker_name_of(topic_name)?, kind, ..*known })
    };
    let of_use = DYNAMIC.iter().find(|known| known.name == name).copied().or_else(of_topic);
    of_use.or_else(|| without_use::find(name))
}

/// Whether a config has a value only where somebody has set it.
fn is_unset_by_default(name: &str) -> bool {
    UNITS.iter().any(|(of, _)| *of == name)
}

/// Where the configs of a broker come from.
pub(crate) struct Origins<'a> {
    /// What this broker was set to while it ran.
    this: &'a BTreeMap<String, String>,
    /// What all brokers were set to while they ran.
    all: &'a BTreeMap<String, String>,
    started_with: &'a [StartedWith],
}

impl<'a> Origins<'a> {
    pub(crate) fn new(image: &'a Image, broker_id: i32, started_with: &'a [StartedWith]) -> Self {
        let of = |name: &str| image.configs(ConfigKind::Broker, name);
        Self { this: of(&broker_id.to_string()), all: of(""), started_with }
    }

    /// All values that `name` has or would have, the strongest first.
    pub(super) fn of(&self, name: &str) -> Vec<Synonym> {
        let Some(name) = self.known_name(name) else { return self.of_unknown(name) };
        let mut synonyms = Vec::new();
        for (configs, source) in self.dynamic_origins() {
            let set = configs.get(name).map(|value| Synonym::new(name, value.clone(), source));
            synonyms.extend(set);
        }
        let units = UNITS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, units)| *units);
        let names = || [name].into_iter().chain(units.iter().copied());
        synonyms.extend(names().filter_map(|name| self.started(name)));
        synonyms.extend(names().filter_map(|name| self.default(name)));
        synonyms
    }

    /// Kafka keeps what it does not know and does not show it.
    fn of_unknown(&self, name: &str) -> Vec<Synonym> {
        let set = |(configs, source): (&BTreeMap<String, String>, _)| {
            configs.get(name).map(|_| Synonym { name: name.to_owned().into(), value: None, source })
        };
        self.dynamic_origins().into_iter().filter_map(set).collect()
    }

    fn dynamic_origins(&self) -> [(&'a BTreeMap<String, String>, ConfigSource); 2] {
        [(self.this, ConfigSource::DynamicBroker), (self.all, ConfigSource::DynamicDefaultBroker)]
    }

    /// The value that will hold once `of` (this broker, or all with an empty name) is changed.
    fn in_force_after(&self, of: &str, changes: &Changes, name: &'static str) -> String {
        let set = |configs: &BTreeMap<String, String>, is_changed: bool| match changes.get(name) {
            Some(change) if is_changed => change.clone(),
            _ => configs.get(name).cloned(),
        };
        let dynamic = set(self.this, !of.is_empty()).or_else(|| set(self.all, of.is_empty()));
        let started = || self.started(name).or_else(|| self.default(name)).and_then(|synonym| synonym.value);
        dynamic.or_else(|| started().map(std::borrow::Cow::into_owned)).unwrap_or_default()
    }

    fn find_started(&self, name: &str) -> Option<&'a StartedWith> {
        self.started_with.iter().find(|config| config.name == name)
    }

    fn known_name(&self, name: &str) -> Option<&'static str> {
        let started = self.find_started(name).map(|config| config.name);
        started.or_else(|| dynamic(name).map(|known| known.name))
    }

    fn started(&self, name: &'static str) -> Option<Synonym> {
        let config = self.find_started(name).filter(|config| config.is_set)?;
        Some(Synonym::new(name, config.value.clone()?, ConfigSource::StaticBroker))
    }

    fn default(&self, name: &'static str) -> Option<Synonym> {
        let default = match self.find_started(name) {
            Some(config) => config.default?,
            None if is_unset_by_default(name) => return None,
            None => Some(dynamic(name)?.default).filter(|default| !default.is_empty())?,
        };
        Some(Synonym::new(name, default, ConfigSource::Default))
    }

    /// The names of everything that is shown of this broker.
    fn names(&self) -> BTreeSet<&'a str> {
        let topics = topic_table::TABLE.iter().filter_map(|known| broker_name_of(known.name));
        let set = self.this.keys().chain(self.all.keys()).map(String::as_str);
        self.started_with.iter().map(|config| config.name).chain(topics).chain(set).collect()
    }

    fn describe_one(&self, name: &str, synonyms: Vec<Synonym>) -> Described {
        let (dynamic, started) = (dynamic(name), self.find_started(name));
        // Values in other units are no values of this one.
        let holds = synonyms.first().filter(|synonym| synonym.name == name).cloned();
        let type_number = match (&dynamic, started) {
            (Some(known), _) => known.type_number(),
            (None, Some(config)) => config.values.type_number(),
            (None, None) => type_number::UNKNOWN,
        };
        Described {
            name: name.to_owned().into(),
            value: holds.as_ref().and_then(|synonym| Some(synonym.value.as_ref()?.trim().to_owned().into())),
            source: holds.as_ref().map_or(ConfigSource::Default, |synonym| synonym.source),
            is_read_only: dynamic.is_none(),
            is_sensitive: dynamic.is_none() && started.is_none(),
            type_number,
            doc: started.map(|config| config.doc).or(dynamic.map(|known| known.doc)),
            synonyms: if holds.is_some() { synonyms } else { Vec::new() },
        }
    }
}

/// Everything about this broker, or, with an empty name, what all brokers were set to.
pub(super) fn describe(origins: &Origins<'_>, broker_id: i32, name: &str) -> Result<Vec<Described>, Refusal> {
    if name.is_empty() {
        let of_all = |name: &String| {
            let only = |synonym: &Synonym| synonym.source == ConfigSource::DynamicDefaultBroker;
            let mut described =
                origins.describe_one(name, origins.of(name).into_iter().filter(only).collect());
            // As it was set: nothing here is in force.
            described.value = described.synonyms.first().and_then(|synonym| synonym.value.clone());
            described
        };
        return Ok(origins.all.keys().map(of_all).collect());
    }
    check_broker_id(broker_id, name, "Broker id", |other| {
        format!("Unexpected broker id, expected {broker_id} or empty string, but received {other}")
    })?;
    Ok(origins.names().into_iter().map(|name| origins.describe_one(name, origins.of(name))).collect())
}

/// Checks the name of a broker whose configs are to be changed: this one's number, or none for all.
pub(super) fn check_name(broker_id: i32, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Ok(());
    }
    check_broker_id(broker_id, name, "Node id", |other| {
        format!("Unexpected broker id, expected {broker_id}, but received {other}")
    })
}

/// The default of a config that is a list.
pub(super) fn list_default(name: &str) -> Option<&'static str> {
    dynamic(name).filter(Known::is_list).map(|known| known.default)
}

/// Checks new values of this broker, or, with an empty name, of all, and last what would be in force together.
pub(super) fn check(origins: &Origins<'_>, of: &str, changes: &Changes) -> Result<(), Refusal> {
    let is_read_only = |name: &&str| {
        let is_known = origins.find_started(name).is_some() || read_only::is_read_only(name);
        is_known && dynamic(name).is_none()
    };
    let read_only: Vec<_> = changes.keys().map(String::as_str).filter(is_read_only).collect();
    if !read_only.is_empty() {
        return invalid_request(format!(
            "Cannot update these configs dynamically: [{}]",
            read_only.join(", ")
        ));
    }
    for (name, value) in changes {
        if let (Some(known), Some(value)) = (dynamic(name), value) {
            known.check(value).or_else(|error| invalid_request(error.to_string()))?;
            if matches!(known.kind, Kind::Threads) {
                let current =
                    origins.of(name).into_iter().find_map(|synonym| synonym.value).unwrap_or_default();
                without_use::check_threads(name, value, &current).map_or(Ok(()), invalid_request)?;
            }
        }
    }
    let set: Vec<&str> =
        changes.iter().filter(|(_, to)| to.is_some()).map(|(name, _)| name.as_str()).collect();
    without_use::refusal(of, &set).map_or(Ok(()), invalid_request)?;
    let [of_all, overrides] = [OF_ALL, OVERRIDES].map(|name| origins.in_force_after(of, changes, name));
    match may_be_together(&of_all, &overrides) {
        true => Ok(()),
        false => invalid_request(format!(
            "requirement failed: {OF_ALL} can be set to zero only if {OVERRIDES} property is set."
        )),
    }
}

#[cfg(test)]
#[path = "of_broker_test.rs"]
mod of_broker_test;
