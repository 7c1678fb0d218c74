//! The names storage goes by: shards, partitions, and a shard's log index.

use std::fmt;

/// A Raft group of this node. 0 is the metadata shard, 1.. are data shards (design: at most a few).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's id: 16 bytes as on the wire, printed as Kafka prints them elsewhere; a re-created name gets a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

/// A partition, by its topic's id: below dispatch nothing is keyed by a topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number within the topic, 0 and up.
    pub partition: i32,
}
