//! What brings another replica of a partition to the same state: its state, and the batches that it has not.
//!
//! Replicas hold the same records at the same offsets, so the receiver keeps what it has. A partition is taken over whole or
//! not at all: its state goes into one cut with the batches, at the index that the sender had applied, and a replica that is
//! ahead of that index (it has a checkpoint from before a restart) skips it, as it skips entries on replay.

use super::epochs::EpochStart;
use super::log::NewBatch;
use super::producers::ProducerEntry;
use crate::id::PartitionId;

/// A partition's state at an index of its shard's log, but for its batches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionState {
    /// Which partition.
    pub partition: PartitionId,
    /// What the shard's term is added to for the leader epoch.
    pub epoch_base: i32,
    /// Entries up to here have taken effect.
    pub index: u64,
    /// The first offset that may be read.
    pub log_start: i64,
    /// The offset that the next record gets.
    pub log_end: i64,
    /// The leader epochs in force.
    pub epochs: Vec<EpochStart>,
    /// The idempotent producers, in order of their ids.
    pub producers: Vec<(i64, ProducerEntry)>,
}

/// A batch that has its place.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The batch; its producer's marks are in the state.
    pub batch: NewBatch,
}

impl StoredBatch {
    fn end(&self) -> i64 {
        self.base_offset + i64::from(self.batch.last_offset_delta) + 1
    }
}

/// Another replica's state could not be taken over; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Ask again, with the offset that the log has reached by now.
    #[error("a batch of {partition:?} begins at offset {found}, not at {expected}")]
    Gap {
        /// The partition.
        partition: PartitionId,
        /// Where the next batch should begin, or the last one end.
        expected: i64,
        /// Where it does.
        found: i64,
    },
}

impl PartitionState {
    /// Those of `batches` that reach from `begin` to the log end.
    pub(super) fn missing_from(
        &self,
        begin: i64,
        batches: Vec<StoredBatch>,
    ) -> Result<Vec<StoredBatch>, InstallError> {
        let missing: Vec<_> = batches.into_iter().filter(|batch| batch.end() > begin).collect();
        let partition = self.partition;
        let mut expected = begin;
        for batch in &missing {
            if batch.base_offset != expected {
                return Err(InstallError::Gap { partition, expected, found: batch.base_offset });
            }
            expected = batch.end();
        }
        if expected != self.log_end {
            return Err(InstallError::Gap { partition, expected: self.log_end, found: expected });
        }
        Ok(missing)
    }
}
