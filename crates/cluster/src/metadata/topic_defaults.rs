//! Topic configs that a broker has defaults for, under names of its own.
//!
//! What a broker, or all of them, are set to while they run (source: KIP-226) is kept under the broker's names; whoever needs a
//! topic's configs asks for them under the topic's.

use std::collections::BTreeMap;

use super::{ConfigKind, Image};

/// The broker's name and the topic's, of those that may be set while brokers run; names of topics ascending.
const NAMES: &[(&str, &str)] = &[
    ("log.cleanup.policy", "cleanup.policy"),
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.type", "compression.type"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    ("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    ("log.flush.interval.messages", "flush.messages"),
    ("log.flush.interval.ms", "flush.ms"),
    ("log.index.interval.bytes", "index.interval.bytes"),
    ("log.local.retention.bytes", "local.retention.bytes"),
    ("log.local.retention.ms", "local.retention.ms"),
    ("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    ("message.max.bytes", "max.message.bytes"),
    ("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"),
    ("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"),
    ("log.message.timestamp.type", "message.timestamp.type"),
    ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
    ("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    ("min.insync.replicas", "min.insync.replicas"),
    ("log.preallocate", "preallocate"),
    ("log.retention.bytes", "retention.bytes"),
    ("log.retention.ms", "retention.ms"),
    ("log.segment.bytes", "segment.bytes"),
    ("log.index.size.max.bytes", "segment.index.bytes"),
    ("log.roll.jitter.ms", "segment.jitter.ms"),
    ("log.roll.ms", "segment.ms"),
    ("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

/// The broker's name of a topic config.
#[must_use]
pub fn broker_name_of(topic_config: &str) -> Option<&'static str> {
    NAMES.iter().find(|(_, of_topic)| *of_topic == topic_config).map(|(of_broker, _)| *of_broker)
}

/// The topic config that a broker's config is the default of.
#[must_use]
pub fn topic_name_of(broker_config: &str) -> Option<&'static str> {
    NAMES.iter().find(|(of_broker, _)| *of_broker == broker_config).map(|(_, of_topic)| *of_topic)
}

impl Image {
    /// Topic configs, under their own names, that brokers were set to while they ran: what all of them are set to, unless this
    /// one is set to something else.
    #[must_use]
    pub fn topic_defaults(&self, broker_id: i32) -> BTreeMap<String, String> {
        let (all, this) =
            (self.configs(ConfigKind::Broker, ""), self.configs(ConfigKind::Broker, &broker_id.to_string()));
        let under_topics_name = |(name, value): (&String, &String)| {
            topic_name_of(name).map(|of_topic| (of_topic.to_owned(), value.clone()))
        };
        all.iter().chain(this).filter_map(under_topics_name).collect()
    }
}
