//! What a checkpoint says, before it is bytes.
//!
//! A partition's record is a change to what earlier records said, or the whole; folding changes into a whole and changes
//! into a longer change are the same operation, [`PartitionRecord::absorb`].

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::id::{PartitionId, ShardId};
use crate::partition_log::EpochStart;
use crate::partition_log::producers::{ProducerEntry, ProducersDelta};

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
}

impl PartitionRecord {
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
    }

    /// Adds what a cut says of producers to a record that has none yet.
    pub(crate) fn set_producers(&mut self, delta: ProducersDelta) {
        self.producers_removed =
            if self.is_whole { BTreeSet::new() } else { delta.removed.into_iter().collect() };
        self.producers = delta.changed.into_iter().collect();
    }
}
