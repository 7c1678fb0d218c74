//! What a checkpoint log says in the end.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::record::{CheckpointRecord, PartitionRecord};
use crate::id::{PartitionId, ShardId};

/// A shard's record, folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShardState {
    /// Everything that entries up to here did is in the checkpoint.
    pub(crate) index: u64,
    /// What the shard's owner gave last.
    pub(crate) state: Option<Bytes>,
}

/// All records of a checkpoint log, folded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckpointState {
    pub(crate) partitions: BTreeMap<PartitionId, PartitionRecord>,
    pub(crate) shards: BTreeMap<ShardId, ShardState>,
}

impl CheckpointState {
    /// Folds the next record in.
    ///
    /// # Errors
    /// What is wrong with the record, given those before it.
    pub(crate) fn apply(&mut self, record: CheckpointRecord) -> Result<(), &'static str> {
        match record {
            CheckpointRecord::Partition(record) => self.apply_partition(record),
            CheckpointRecord::Deleted { partition, .. } => {
                // One that came and went between two checkpoints was never there.
                self.partitions.remove(&partition);
                Ok(())
            }
            CheckpointRecord::Shard { shard, index, state } => {
                let known = self.shards.entry(shard).or_default();
                if index < known.index {
                    return Err("a shard's covered index goes back");
                }
                known.index = index;
                if state.is_some() {
                    known.state = state;
                }
                Ok(())
            }
        }
    }

    fn apply_partition(&mut self, record: PartitionRecord) -> Result<(), &'static str> {
        let partition = record.partition;
        match self.partitions.get_mut(&partition) {
            Some(known) if record.index < known.index => return Err("a partition's index goes back"),
            Some(known) => known.absorb(record),
            None if record.is_whole => {
                self.partitions.insert(partition, record);
            }
            None => return Err("a change to a partition that is not there"),
        }
        let end = |record: &PartitionRecord| record.segments.values().next_back().map(|last| last.end_offset);
        match self.partitions.get(&partition) {
            Some(known) if end(known).is_some_and(|end| end != known.stored_end) => {
                Err("the last segment does not end at the stored end")
            }
            _ => Ok(()),
        }
    }

    /// The records that say the same, one per partition and shard.
    pub(crate) fn into_records(self) -> impl Iterator<Item = CheckpointRecord> {
        let shards = self.shards.into_iter().map(|(shard, known)| CheckpointRecord::Shard {
            shard,
            index: known.index,
            state: known.state,
        });
        self.partitions.into_values().map(CheckpointRecord::Partition).chain(shards)
    }
}
