//! A topic's configs: which there are, what values they take, and those that the broker acts on, parsed.
//!
//! Checking is Kafka's, down to the texts; see `topic_config_table`. Refused besides unknown names and bad values: tiered
//! storage, which is not there, and a compaction lag whose bounds contradict each other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use cluster::commit::TopicWait;
use cluster::log_config::LogConfig;
use wire::record::TimestampType;

pub(crate) use super::topic_config_table::elements;
use super::topic_config_table::{self as table, TABLE};

/// Configs that a topic must not have; the texts are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Kafka has no such config.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// The config does not take this value.
    #[error("Invalid value {value} for configuration {name}: {why}")]
    Value {
        /// The config's name.
        name: &'static str,
        /// The value, or the part of it that is wrong.
        value: String,
        /// What is allowed.
        why: String,
    },
    /// A comma too many.
    #[error("Configuration '{name}' values must not be empty.")]
    EmptyElement {
        /// The config's name.
        name: &'static str,
    },
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

    /// The value of a config that the broker acts on, as a text.
    fn value_of(&self, name: &str) -> Option<String> {
        Some(match name {
            "max.message.bytes" => self.max_message_bytes.to_string(),
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms.to_string(),
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms.to_string(),
            "message.timestamp.type" if self.timestamp_type == TimestampType::LogAppendTime => {
                "LogAppendTime".to_owned()
            }
            "segment.bytes" => self.log.roll.segment_bytes.to_string(),
            "retention.ms" => self.log.retention_ms.map_or(NO_BOUND.to_owned(), |ms| ms.to_string()),
            "retention.bytes" => {
                self.log.retention_bytes.map_or(NO_BOUND.to_owned(), |bytes| bytes.to_string())
            }
            _ => return None,
        })
    }
}

fn parse_into<T: std::str::FromStr>(place: &mut T, value: &str) {
    if let Ok(parsed) = value.parse() {
        *place = parsed;
    }
}

/// What configs may be of, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ResourceType {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceType {
    const ALL: [Self; 5] = [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    /// The type of this number.
    pub(crate) fn of(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    pub(crate) fn number(self) -> i8 {
        self as i8
    }
}

/// The default of a config that is a list; `None` when it is none.
pub(crate) fn list_default(name: &str) -> Option<&'static str> {
    table::find(name).filter(|known| known.is_list()).map(|known| known.default)
}

/// Kafka's default of a config.
pub(crate) fn default_of(name: &str) -> Option<&'static str> {
    table::find(name).map(|known| known.default)
}

/// Kafka's number for the type of a config's values; 0 where there is no such config.
pub(crate) fn type_number(name: &str) -> i8 {
    table::find(name).map_or(0, table::Known::type_number)
}

/// Checks one config.
///
/// # Errors
/// [`ConfigError`]: the name is unknown or does not take the value.
pub(crate) fn check(name: &str, value: &str) -> Result<(), ConfigError> {
    table::find(name).ok_or_else(|| ConfigError::Unknown(name.to_owned()))?.check(value)
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

/// Where a config's value comes from, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// The broker's configuration.
    Broker = 4,
    /// Kafka's default.
    Default = 5,
}

/// A config as tools are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) value: Cow<'static, str>,
    pub(crate) source: ConfigSource,
}

/// All configs of a topic, names ascending.
pub(crate) fn describe<'a>(
    defaults: &'a TopicConfig,
    configs: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Described> + 'a {
    let is_shown = |known: &&table::Known| known.is_shown() || configs.contains_key(known.name);
    TABLE.iter().filter(is_shown).map(|known| {
        let name = known.name;
        if let Some(value) = configs.get(name) {
            return Described { name, value: value.trim().to_owned().into(), source: ConfigSource::Topic };
        }
        match defaults.value_of(name) {
            Some(value) if value != known.default => {
                Described { name, value: value.into(), source: ConfigSource::Broker }
            }
            _ => Described { name, value: known.default.into(), source: ConfigSource::Default },
        }
    })
}

#[cfg(test)]
#[path = "topic_config_test.rs"]
mod topic_config_test;
