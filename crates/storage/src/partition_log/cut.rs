//! What leaves a shard for the segment writer: cuts of tails, deletions, and how far a shard's log is covered by them.
//!
//! Invariant: works of a shard are handed over in the order of their indexes, and only up to the index that the local WAL
//! has flushed: consensus may apply what a majority has before this node's own flush returns, and nothing that a crash
//! could take out of the WAL may be in a segment or a checkpoint.

use std::sync::Arc;

use batch::MergeOptions;
use bytes::Bytes;

use super::epochs::EpochStart;
use super::producers::ProducersDelta;
use super::tail::{Piece, TailBatch};
use super::view::SharedLog;
use crate::id::{PartitionId, ShardId};

/// When a log's active segment is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollLimits {
    /// Bytes beyond which a segment does not grow (`segment.bytes`).
    pub segment_bytes: u64,
    /// How much later than its first batch, by their largest timestamps in milliseconds, a segment's batches may be
    /// (`segment.ms`).
    pub segment_ms: i64,
}

/// The frozen end of a partition's tail, with what its batches and other entries did to the partition's state.
pub struct Cut {
    pub(crate) log: Arc<SharedLog>,
    /// No checkpoint knows the partition yet.
    pub(crate) is_new: bool,
    pub(crate) epoch_base: i32,
    /// The shard's index up to which everything of the partition is in this cut or an earlier one.
    pub(crate) index: u64,
    /// Log end offset at that index.
    pub(crate) log_end: i64,
    /// Log start offset at that index.
    pub(crate) log_start: i64,
    /// The whole leader epoch table, when it changed.
    pub(crate) epochs: Option<Vec<EpochStart>>,
    pub(crate) producers: ProducersDelta,
    /// In offset order, the first at the stored end; none when only state changed.
    pub(crate) pieces: Vec<Arc<Piece>>,
    /// When segments roll, if not as the store's options say; no matter of the shard's log, each node may have its own.
    pub roll: Option<RollLimits>,
    /// How its batches are merged; `None`: they are stored as they were sent. No matter of the shard's log either.
    pub merge: Option<MergeOptions>,
}

impl Cut {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.log.partition
    }

    /// Bytes of its batches.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes()).sum()
    }

    /// How many batches it has.
    pub(crate) fn batch_count(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.batches().len() as u64).sum()
    }

    /// The batches that can still be read: those that end before the log start are not worth storing.
    pub(crate) fn readable(&self) -> Vec<&TailBatch> {
        let batches = self.pieces.iter().flat_map(|piece| piece.batches());
        batches.skip_while(|batch| batch.last_offset < self.log_start).collect()
    }
}

/// One thing for the segment writer to do.
pub enum Work {
    /// Store the cut.
    Store(Cut),
    /// Forget the partition and remove its files.
    Delete {
        /// The shard's index of the entry that deleted it.
        index: u64,
        /// Which.
        partition: PartitionId,
        /// The partition's log as it was.
        log: DeletedLog,
    },
    /// Everything that entries up to `index` did is in works handed over before.
    Covered {
        /// Whose log.
        shard: ShardId,
        /// The last covered index.
        index: u64,
        /// What the shard's owner wants to find again after a restart, as of `index` or later.
        state: Option<Bytes>,
    },
}

impl Work {
    /// The index that must be flushed in the local WAL before this may leave the shard.
    #[must_use]
    pub fn index(&self) -> u64 {
        match self {
            Self::Store(cut) => cut.index,
            Self::Delete { index, .. } | Self::Covered { index, .. } => *index,
        }
    }

    /// The shard it comes from.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        match self {
            Self::Store(cut) => cut.log.shard,
            Self::Delete { log, .. } => log.0.shard,
            Self::Covered { shard, .. } => *shard,
        }
    }
}

/// A log that takes no more batches and that no new read finds.
pub struct DeletedLog(pub(crate) Arc<SharedLog>);
