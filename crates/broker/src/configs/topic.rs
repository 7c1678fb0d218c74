//! A topic's configs: which there are, what values they take, and those that the broker acts on, parsed.
//!
//! Checking is Kafka's, down to the texts; see `topic_table`. Refused besides unknown names and bad values: tiered
//! storage, which is not there, and a compaction lag whose bounds contradict each other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use cluster::commit::TopicWait;
use cluster::log_config::LogConfig;
use cluster::metadata::broker_name_of;
use wire::record::TimestampType;

pub(crate) use super::known::elements;
use super::known::{Known, ValueError};
use super::topic_table::{self as table, TABLE};
use super::{ConfigSource, Described, Origins, Synonym};

/// Configs that a topic must not have; the texts are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Kafka has no such config.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// The config does not take this value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// No time would satisfy both.
    #[error("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})")]
    CompactionLag {
        /// `min.compaction.lag.ms`.
        min: i64,
        /// `max.compaction.lag.ms`.
        max: i64,
    },
    /// There is no tiered storage.
    #[error(
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
    )]
    TieredStorage,
}

/// How configs say that there is no bound.
const NO_BOUND: &str = "-1";

/// The configs of a topic that the broker acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Bytes of the largest record batch, compressed, header included (`max.message.bytes`).
    pub max_message_bytes: usize,
    /// Whose clock the records' timestamps show (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// How far a CreateTime may lie in the past, in milliseconds (`message.timestamp.before.max.ms`).
    pub timestamp_before_max_ms: i64,
    /// How far a CreateTime may lie ahead, in milliseconds (`message.timestamp.after.max.ms`).
    pub timestamp_after_max_ms: i64,
    /// How long its small record batches wait for company (`batch.linger.ms`, `batch.target.p99.ms`).
    pub wait: TopicWait,
    /// When segments roll, and what is deleted when.
    pub log: LogConfig,
}

impl Default for TopicConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            wait: TopicWait::default(),
            log: LogConfig::default(),
        }
    }
}

impl TopicConfig {
    /// This one with a topic's own configs, which have been checked, in place of what they name.
    #[must_use]
    pub fn overridden_by(&self, configs: &BTreeMap<String, String>) -> Self {
        let mut config = self.clone();
        for (name, value) in configs {
            config.set(name, value.trim());
        }
        config.log = self.log.overridden_by(configs);
        config
    }

    /// Sets one config. A value that is none was refused when the topic was created.
    fn set(&mut self, name: &str, value: &str) {
        match name {
            "max.message.bytes" => parse_into(&mut self.max_message_bytes, value),
            "message.timestamp.before.max.ms" => parse_into(&mut self.timestamp_before_max_ms, value),
            "message.timestamp.after.max.ms" => parse_into(&mut self.timestamp_after_max_ms, value),
            "message.timestamp.type" => {
                let is_append_time = value == "LogAppendTime";
                self.timestamp_type =
                    if is_append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
            }
            "batch.linger.ms" => self.wait.linger = value.parse().ok().map(Duration::from_millis),
            "batch.target.p99.ms" => {
                let target = value.parse().ok().filter(|ms| *ms > 0);
                self.wait.target_p99 = target.map(Duration::from_millis);
            }
            _ => {}
        }
    }

    /// The value of a config that the broker may have been started with in other units, in the topic's.
    fn in_milliseconds(&self, name: &str) -> Option<String> {
        match name {
            "retention.ms" => Some(self.log.retention_ms.map_or(NO_BOUND.to_owned(), |ms| ms.to_string())),
            "segment.ms" => Some(self.log.roll.segment_ms.to_string()),
            _ => None,
        }
    }
}

fn parse_into<T: std::str::FromStr>(place: &mut T, value: &str) {
    if let Ok(parsed) = value.parse() {
        *place = parsed;
    }
}

/// The default of a config that is a list; `None` when it is none.
pub(crate) fn list_default(name: &str) -> Option<&'static str> {
    table::find(name).filter(|known| known.is_list()).map(|known| known.default)
}

/// Checks one config.
///
/// # Errors
/// [`ConfigError`]: the name is unknown or does not take the value.
pub(crate) fn check(name: &str, value: &str) -> Result<(), ConfigError> {
    Ok(table::find(name).ok_or_else(|| ConfigError::Unknown(name.to_owned()))?.check(value)?)
}

/// Checks how configs go together, each of which has been checked.
///
/// # Errors
/// [`ConfigError::CompactionLag`] and [`ConfigError::TieredStorage`].
pub(crate) fn check_together(configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let number = |name: &str, default: i64| {
        configs.get(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
    };
    let (min, max) = (number("min.compaction.lag.ms", 0), number("max.compaction.lag.ms", i64::MAX));
    if min > max {
        return Err(ConfigError::CompactionLag { min, max });
    }
    let is_tiered =
        configs.get("remote.storage.enable").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    if is_tiered { Err(ConfigError::TieredStorage) } else { Ok(()) }
}

/// All configs of a topic that is set to `configs`, on a broker that was started with `defaults`; names ascending.
pub(crate) fn describe(
    defaults: &TopicConfig,
    origins: &Origins<'_>,
    configs: &BTreeMap<String, String>,
) -> Vec<Described> {
    let is_shown = |known: &&Known| table::is_shown(known) || configs.contains_key(known.name);
    let describe = |known: &Known| {
        let own = configs.get(known.name).map(|value| value.trim().to_owned());
        let mut synonyms: Vec<_> =
            own.into_iter().map(|value| Synonym::new(known.name, value, ConfigSource::Topic)).collect();
        let broker_name = broker_name_of(known.name);
        let of_broker = broker_name.map(|name| origins.of(name)).unwrap_or_default();
        let in_other_units = |synonym: &Synonym| Some(&*synonym.name) != broker_name;
        // Where the broker has it in other units only, by default, Kafka names none.
        let is_nothing = |s: &Synonym| s.source == ConfigSource::Default && in_other_units(s);
        if !of_broker.iter().all(is_nothing) {
            synonyms.extend(of_broker);
        }
        let is_in_other_units =
            synonyms.first().is_some_and(|s| s.source == ConfigSource::StaticBroker && in_other_units(s));
        let mut described = Described::changeable(known, known.default.into(), synonyms);
        if is_in_other_units {
            described.value = defaults.in_milliseconds(known.name).map(Cow::from);
        }
        described
    };
    TABLE.iter().filter(is_shown).map(describe).collect()
}

#[cfg(test)]
#[path = "topic_test.rs"]
mod topic_test;
