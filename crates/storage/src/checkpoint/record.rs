//! What a checkpoint says, before it is bytes.
//!
//! A partition's record is a change to what earlier records said, or the whole; folding changes into a whole and changes
//! into a longer change are the same operation, [`PartitionRecord::absorb`].

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::id::{PartitionId, ShardId};
use crate::partition_log::producers::{ProducerEntry, ProducersDelta};
use crate::partition_log::{EpochStart, IndexMark};

/// One record of the checkpoint log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointRecord {
    /// A partition changed.
    Partition(PartitionRecord),
    /// A partition is gone.
    Deleted { partition: PartitionId, shard: ShardId },
    /// Everything that entries of the shard up to `index` did is in this and earlier records.
    Shard { shard: ShardId, index: u64, state: Option<Bytes> },
}

/// A segment's synced bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRecord {
    pub(crate) synced: u64,
    /// Offset after its last record.
    pub(crate) end_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) offset_of_max_timestamp: i64,
    /// What of its index file is about synced bytes.
    pub(crate) index: IndexMark,
}

/// A transaction that has begun in a partition and has no marker yet (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenTransaction {
    pub(crate) producer_id: i64,
    /// Offset of its first record.
    pub(crate) first_offset: i64,
}

/// A transaction that was aborted: readers of committed records leave out its producer's between the two offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: i64,
    /// Offset of its first record.
    pub(crate) first_offset: i64,
    /// Offset of its marker.
    pub(crate) last_offset: i64,
    /// The last stable offset when the marker was appended: no open transaction began before it.
    pub(crate) last_stable_offset: i64,
}

/// A partition at the index of its last cut: the whole, or what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRecord {
    pub(crate) partition: PartitionId,
    pub(crate) shard: ShardId,
    /// Nothing that earlier records said of the partition holds.
    pub(crate) is_whole: bool,
    pub(crate) epoch_base: i32,
    pub(crate) index: u64,
    pub(crate) log_start: i64,
    pub(crate) stored_end: i64,
    /// The whole table, if it changed.
    pub(crate) epochs: Option<Vec<EpochStart>>,
    /// By base offset.
    pub(crate) segments: BTreeMap<i64, SegmentRecord>,
    pub(crate) segments_removed: BTreeSet<i64>,
    pub(crate) producers: BTreeMap<i64, ProducerEntry>,
    pub(crate) producers_removed: BTreeSet<i64>,
    /// All open transactions by first offset, if they changed.
    pub(crate) open_transactions: Option<Vec<OpenTransaction>>,
    /// Aborted since the last record, by last offset.
    pub(crate) aborted_transactions: Vec<AbortedTransaction>,
}

impl PartitionRecord {
    /// A change that says nothing yet but where the partition is at `index`; without records, sections or segments.
    pub(crate) fn change(partition: PartitionId, shard: ShardId, index: u64) -> Self {
        Self {
            partition,
            shard,
            is_whole: false,
            epoch_base: 0,
            index,
            log_start: 0,
            stored_end: 0,
            epochs: None,
            segments: BTreeMap::new(),
            segments_removed: BTreeSet::new(),
            producers: BTreeMap::new(),
            producers_removed: BTreeSet::new(),
            open_transactions: None,
            aborted_transactions: Vec::new(),
        }
    }

    /// Folds a later record into this one.
    pub(crate) fn absorb(&mut self, later: PartitionRecord) {
        assert_eq!(self.partition, later.partition, "a record is folded into its own partition's");
        if later.is_whole {
            *self = later;
            return;
        }
        self.epoch_base = later.epoch_base;
        self.index = later.index;
        self.log_start = later.log_start;
        self.stored_end = later.stored_end;
        if later.epochs.is_some() {
            self.epochs = later.epochs;
        }
        for base_offset in later.segments_removed {
            self.segments.remove(&base_offset);
            if !self.is_whole {
                self.segments_removed.insert(base_offset);
            }
        }
        self.segments.extend(later.segments);
        for id in later.producers_removed {
            self.producers.remove(&id);
            if !self.is_whole {
                self.producers_removed.insert(id);
            }
        }
        self.producers.extend(later.producers);
        if later.open_transactions.is_some() {
            self.open_transactions = later.open_transactions;
        }
        self.aborted_transactions.extend(later.aborted_transactions);
        // Nobody reads below the log start, so nobody asks what was aborted there.
        self.aborted_transactions.retain(|aborted| aborted.last_offset >= self.log_start);
    }

    /// Adds what a cut says of producers to a record that has none yet.
    pub(crate) fn set_producers(&mut self, delta: ProducersDelta) {
        self.producers_removed =
            if self.is_whole { BTreeSet::new() } else { delta.removed.into_iter().collect() };
        self.producers = delta.changed.into_iter().collect();
    }
}
