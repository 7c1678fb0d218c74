//! The topics that there are, as whoever hosts a coordinator knows them.

use std::sync::Arc;

use wire::primitive::Uuid;

/// Names, ids and partitions of topics.
pub trait Topics {
    /// Another number whenever a topic has come, gone or grown, or a replica stands in another rack.
    fn version(&self) -> u64;
    /// Id and number of partitions of a topic.
    fn by_name(&self, name: &str) -> Option<(Uuid, i32)>;
    /// The racks of a partition's replicas, ascending; replicas that stand in none are left out.
    fn racks(&self, topic: Uuid, partition: i32) -> Vec<Arc<str>>;
    /// The name of a topic.
    fn name_of(&self, id: Uuid) -> Option<Arc<str>>;
    /// All names.
    fn names(&self) -> Vec<Arc<str>>;
}
