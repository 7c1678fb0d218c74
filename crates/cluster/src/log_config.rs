//! What a topic's configs and the broker's settings say of its logs: when segments roll, and what is deleted when.
//!
//! Parsed here, because retention and rolling need it where topics are known by id; values were checked when they were
//! set. Texts and meanings are Kafka's.

use std::collections::BTreeMap;
use std::rc::Rc;

use storage::id::TopicId;
use storage::partition_log::RollLimits;

use crate::metadata::machine::SharedImage;

/// The configs of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// When segments roll (`segment.bytes`, or `internal.segment.bytes` where that is set, and `segment.ms`).
    pub roll: RollLimits,
    /// How long records are kept, in milliseconds from their timestamps (`retention.ms`); `None`: for ever.
    pub retention_ms: Option<i64>,
    /// Bytes of a partition that are kept (`retention.bytes`); `None`: all.
    pub retention_bytes: Option<u64>,
    /// What happens to old records (`cleanup.policy`).
    pub cleanup: CleanupPolicy,
}

/// What happens to old records; with neither, nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Segments are deleted, by their age and the log's size.
    pub delete: bool,
    /// The last record of each key stays.
    pub compact: bool,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        const WEEK_MS: i64 = 7 * 24 * 3_600_000;
        Self {
            roll: RollLimits { segment_bytes: 1 << 30, segment_ms: WEEK_MS },
            retention_ms: Some(WEEK_MS),
            retention_bytes: None,
            cleanup: CleanupPolicy { delete: true, compact: false },
        }
    }
}

impl LogConfig {
    /// This one with a topic's own configs in place of what they name.
    #[must_use]
    pub fn overridden_by(&self, configs: &BTreeMap<String, String>) -> Self {
        let mut config = self.clone();
        for (name, value) in configs {
            config.set(name, value.trim());
        }
        // Whatever the other one says, as in Kafka.
        if let Some(bytes) = configs.get("internal.segment.bytes") {
            config.set("segment.bytes", bytes.trim());
        }
        config
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = value.parse::<i64>().ok();
        match (name, number) {
            ("segment.bytes", Some(bytes)) => self.roll.segment_bytes = u64::try_from(bytes).unwrap_or(0),
            ("segment.ms", Some(ms)) => self.roll.segment_ms = ms,
            ("retention.ms", Some(ms)) => self.retention_ms = (ms >= 0).then_some(ms),
            ("retention.bytes", Some(bytes)) => self.retention_bytes = u64::try_from(bytes).ok(),
            ("cleanup.policy", _) => {
                let has = |policy: &str| value.split(',').any(|element| element.trim() == policy);
                self.cleanup = CleanupPolicy { delete: has("delete"), compact: has("compact") };
            }
            _ => {}
        }
    }
}

/// The configs of every log of this node: the defaults, and what the metadata says at the moment.
pub(crate) struct LogConfigs {
    image: Rc<SharedImage>,
    defaults: LogConfig,
}

impl LogConfigs {
    pub(crate) fn new(image: Rc<SharedImage>, defaults: LogConfig) -> Rc<Self> {
        Rc::new(Self { image, defaults })
    }

    /// A topic's; the defaults for one that the metadata has not, or not any more.
    pub(crate) fn of(&self, topic: TopicId) -> LogConfig {
        let image = self.image.image();
        image
            .topic_by_id(topic)
            .map_or_else(|| self.defaults.clone(), |topic| self.defaults.overridden_by(&topic.configs))
    }
}

#[cfg(test)]
#[path = "log_config_test.rs"]
mod log_config_test;
