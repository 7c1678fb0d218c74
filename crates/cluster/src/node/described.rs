//! What administrators are told of a node.

use storage::id::PartitionId;
use storage::partition_log::producers::ProducerEntry;

use super::Node;

/// How far the metadata's log goes; the first index of a log is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLog {
    /// The term in which it is led.
    pub term: u64,
    /// The index behind its last entry.
    pub end: u64,
    /// The index behind the last entry that is applied, and so committed.
    pub applied_end: u64,
}

impl<W: 'static> Node<W> {
    /// What `describe` makes of each idempotent producer that a partition remembers, ids ascending; `None` when this node does
    /// not lead the partition. Bound: `PRODUCERS_MAX` of them.
    #[must_use]
    pub fn producers<T>(
        &self,
        partition: &PartitionId,
        describe: impl Fn(i64, &ProducerEntry) -> T,
    ) -> Option<Vec<T>> {
        let logs = self.data_logs.borrow();
        let producers = logs.log(partition)?.producers();
        Some(producers.entries().map(|(id, entry)| describe(id, entry)).collect())
    }

    /// The log of the metadata, whose leader and only voter this node is.
    #[must_use]
    pub fn metadata_log(&self) -> MetadataLog {
        MetadataLog {
            term: self.metadata.term(),
            end: self.metadata.log_end(),
            applied_end: self.metadata.applied_end(),
        }
    }
}
