//! What a topic's configs and the broker's settings say of its logs: when segments roll, how batches are merged, and what is
//! deleted when.
//!
//! Parsed here, because retention and rolling need it where topics are known by id; values were checked when they were
//! set. Texts and meanings are Kafka's.

use std::collections::BTreeMap;
use std::rc::Rc;

use batch::MergeOptions;
use batch::merge::CodecChoice;
use storage::id::TopicId;
use storage::partition_log::RollLimits;
use wire::record::{Codec, Compression};

use crate::metadata::machine::SharedImage;

/// The configs of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// When segments roll (`segment.bytes`, or `internal.segment.bytes` where that is set, and `segment.ms`).
    pub roll: RollLimits,
    /// How batches are merged when they are stored.
    pub merge: MergeConfig,
    /// How long records are kept, in milliseconds from their timestamps (`retention.ms`); `None`: for ever.
    pub retention_ms: Option<i64>,
    /// Bytes of a partition that are kept (`retention.bytes`); `None`: all.
    pub retention_bytes: Option<u64>,
    /// What happens to old records (`cleanup.policy`).
    pub cleanup: CleanupPolicy,
}

/// How the batches of a log are merged (`batch.merge.enable`, `compression.*` and `max.message.bytes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeConfig {
    /// Else they are stored as they were sent, byte for byte.
    pub is_enabled: bool,
    /// The bounds without the topic's own.
    pub options: MergeOptions,
    /// Bytes of the largest batch that the topic takes, and so of a merged one.
    pub max_message_bytes: usize,
}

impl Default for MergeConfig {
    /// Merged, within Kafka's default `max.message.bytes`.
    fn default() -> Self {
        Self { is_enabled: true, options: MergeOptions::default(), max_message_bytes: 1_048_588 }
    }
}

impl MergeConfig {
    /// What the store is told; `None`: nothing is merged.
    #[must_use]
    pub fn in_force(&self) -> Option<MergeOptions> {
        let encoded_bytes_max = self.options.encoded_bytes_max.min(self.max_message_bytes);
        self.is_enabled.then_some(MergeOptions { encoded_bytes_max, ..self.options })
    }

    fn set(&mut self, name: &str, value: &str) {
        let levels = &mut self.options.levels;
        match name {
            "batch.merge.enable" => self.is_enabled = value.eq_ignore_ascii_case("true"),
            "max.message.bytes" => self.max_message_bytes = value.parse().unwrap_or(self.max_message_bytes),
            // `producer` is what every topic begins with.
            "compression.type" => {
                let codec = if value == "uncompressed" { Some(Codec::None) } else { Codec::from_name(value) };
                self.options.codec = codec.map_or(self.options.codec, CodecChoice::Always);
            }
            "compression.gzip.level" => set_level(&mut levels.gzip, value),
            "compression.lz4.level" => set_level(&mut levels.lz4, value),
            "compression.zstd.level" => set_level(&mut levels.zstd, value),
            _ => {}
        }
    }
}

fn set_level(compression: &mut Compression, value: &str) {
    let level = value.parse().ok().and_then(|level| Compression::new(compression.codec(), level).ok());
    *compression = level.unwrap_or(*compression);
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
            merge: MergeConfig::default(),
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
            _ => self.merge.set(name, value),
        }
    }
}

/// The configs of every log of this node: the defaults, and what the metadata says at the moment.
pub(crate) struct LogConfigs {
    image: Rc<SharedImage>,
    broker_id: i32,
    /// What the broker was started with.
    defaults: LogConfig,
}

impl LogConfigs {
    pub(crate) fn new(image: Rc<SharedImage>, broker_id: i32, defaults: LogConfig) -> Rc<Self> {
        Rc::new(Self { image, broker_id, defaults })
    }

    /// A topic's; the defaults for one that the metadata has not, or not any more.
    pub(crate) fn of(&self, topic: TopicId) -> LogConfig {
        let image = self.image.image();
        let defaults = self.defaults.overridden_by(&image.topic_defaults(self.broker_id));
        match image.topic_by_id(topic) {
            Some(topic) => defaults.overridden_by(&topic.configs),
            None => defaults,
        }
    }
}

#[cfg(test)]
#[path = "log_config_test.rs"]
mod log_config_test;
