//! What brings another replica of a partition to the same state: its state, and the batches that it has not.
//!
//! Replicas hold the same records at the same offsets, so the receiver keeps what it has. A partition is taken over whole or
//! not at all: its state goes into one cut with the batches, at the index that the sender had applied, and a replica that is
//! ahead of that index (it has a checkpoint from before a restart) skips it, as it skips entries on replay.

use batch::merge::{Unreadable, records_between};
use wire::record::{self, BatchError, BatchHeader, Limits};

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

    /// Its records from `offset` on, which lies in it.
    fn starting_at(self, offset: i64) -> Result<Self, InstallError> {
        let header = BatchHeader::parse(&self.batch.bytes)?;
        let first = header.base_offset + offset - self.base_offset;
        let bytes = records_between(&self.batch.bytes, first..header.last_offset() + 1)?;
        let mut batch = NewBatch {
            last_offset_delta: header.last_offset_delta
                - i32::try_from(offset - self.base_offset).unwrap_or(0),
            max_timestamp: i64::MIN,
            max_timestamp_delta: 0,
            ..self.batch
        };
        let records = record::read(&bytes, &Limits::default())?;
        for (delta, record) in (0..).zip(&records) {
            let timestamp = record?.timestamp;
            if timestamp > batch.max_timestamp {
                (batch.max_timestamp, batch.max_timestamp_delta) = (timestamp, delta);
            }
        }
        batch.bytes = bytes.into();
        Ok(Self { base_offset: offset, batch })
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
    /// A batch of which only the end is missing can't be taken apart.
    #[error(transparent)]
    TakeApart(#[from] Unreadable),
    /// As above.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl PartitionState {
    /// Those of `batches` that reach from `begin` to the log end; the first may have been merged with what is here already.
    pub(super) fn missing_from(
        &self,
        begin: i64,
        batches: Vec<StoredBatch>,
    ) -> Result<Vec<StoredBatch>, InstallError> {
        let mut missing: Vec<_> = batches.into_iter().filter(|batch| batch.end() > begin).collect();
        if let Some(first) = missing.first_mut().filter(|first| first.base_offset < begin) {
            *first = first.clone().starting_at(begin)?;
        }
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
