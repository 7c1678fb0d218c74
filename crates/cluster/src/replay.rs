//! How much a restart would replay: what was applied since the oldest entry that no checkpoint covers, over all shards.
//!
//! The WAL is one, so a silent shard with one old entry makes a restart read all that the others wrote behind it. Counted
//! here is therefore one clock of the node, in bytes and batches, and where on it each shard's oldest uncovered entry was.
//! Pure.

use std::collections::{BTreeMap, VecDeque};

use storage::id::ShardId;

/// Marks are so many bytes or batches apart at least: what is pending is too large by one step at most.
const STEP: Replay = Replay { bytes: 1 << 18, batches: 4096 };

/// An amount of log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Bytes of entries.
    pub(crate) bytes: u64,
    /// Record batches in them.
    pub(crate) batches: u64,
}

impl Replay {
    /// True when it is as much as `bound` in bytes or in batches.
    pub(crate) fn reaches(self, bound: Self) -> bool {
        self.bytes >= bound.bytes || self.batches >= bound.batches
    }

    pub(crate) fn quarter(self) -> Self {
        Self { bytes: self.bytes / 4, batches: self.batches / 4 }
    }

    pub(crate) fn three_quarters(self) -> Self {
        Self { bytes: self.bytes / 4 * 3, batches: self.batches / 4 * 3 }
    }

    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, batches: self.batches + other.batches }
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, batches: self.batches - other.batches }
    }
}

/// The clock when the entry at `index` was applied, itself not counted.
#[derive(Clone, Copy, Debug)]
struct Mark {
    index: u64,
    clock: Replay,
}

#[derive(Debug, Default)]
struct ShardMarks {
    /// Of the oldest uncovered entry or one before it, and of later ones, at least a step apart.
    marks: VecDeque<Mark>,
    applied: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct ReplayMeter {
    clock: Replay,
    shards: BTreeMap<ShardId, ShardMarks>,
}

impl ReplayMeter {
    /// The next entry of a shard was applied.
    pub(crate) fn applied(&mut self, shard: ShardId, index: u64, entry: Replay) {
        let (clock, shard) = (self.clock, self.shards.entry(shard).or_default());
        shard.applied = index;
        if shard.marks.back().is_none_or(|last| clock.minus(last.clock).reaches(STEP)) {
            shard.marks.push_back(Mark { index, clock });
        }
        self.clock = clock.plus(entry);
    }

    /// The shard's entries up to `index` need not be replayed any more.
    pub(crate) fn covered(&mut self, shard: ShardId, index: u64) {
        let Some(shard) = self.shards.get_mut(&shard) else { return };
        while shard.marks.get(1).is_some_and(|next| next.index <= index + 1) {
            shard.marks.pop_front();
        }
        if index >= shard.applied {
            shard.marks.clear();
        }
    }

    /// What a restart would replay now.
    pub(crate) fn pending(&self) -> Replay {
        let oldest = self.shards.values().filter_map(|shard| shard.marks.front()).map(|mark| mark.clock);
        let oldest = oldest.min_by_key(|clock| clock.bytes);
        oldest.map_or(Replay::default(), |oldest| self.clock.minus(oldest))
    }

    /// The newest marked index of the shard behind which `amount` or more was applied since; `None` when there is none.
    pub(crate) fn index_before(&self, shard: ShardId, amount: Replay) -> Option<u64> {
        let marks = &self.shards.get(&shard)?.marks;
        let count = marks.partition_point(|mark| self.clock.minus(mark.clock).reaches(amount));
        count.checked_sub(1).map(|at| marks[at].index)
    }
}
