//! What all readers of a partition share with its two writers: the shard that appends, and the segment writer behind it.
//!
//! One short lock per partition guards one consistent view: segments with their readable lengths, stored end, tail, log
//! start and end. The stored part is immutable and replaced whole when something was stored, so that a reader of segments
//! leaves the lock with one reference; an append pushes one batch and rebuilds nothing.
//!
//! Invariant: stored end ≤ log end; the tail holds exactly the batches between the two.
//! Invariant: log start, stored end and log end never go back.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::epochs::LeaderEpochs;
use super::segment::Segment;
use super::tail::{Piece, Tail};
use crate::id::{PartitionId, ShardId};

/// A segment, and how much of it may be read.
#[derive(Clone)]
pub(crate) struct SegmentView {
    pub(crate) segment: Arc<Segment>,
    /// Bytes that are written.
    pub(crate) readable: u64,
    /// Offset after its last record.
    pub(crate) end_offset: i64,
    /// The largest timestamp in it and the first offset that has it.
    pub(crate) max_timestamp: i64,
    pub(crate) offset_of_max_timestamp: i64,
    /// The largest timestamp of its first batch, once known: what its age is counted from.
    pub(crate) first_timestamp: Option<i64>,
}

/// The part of a log that is in segments; never changed once published.
#[derive(Clone, Default)]
pub(crate) struct StoredPart {
    /// Full segments, oldest first.
    pub(crate) sealed: Arc<[SegmentView]>,
    /// The segment that is appended to.
    pub(crate) active: Option<SegmentView>,
    /// Offset after the last stored record; where the first one will be, when there is none.
    pub(crate) end: i64,
    /// What merging made of the cuts that were stored since the start.
    pub(crate) merged: MergeCounts,
}

/// Record batches as they were sent, and what became of them in segments, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    /// Batches as they were sent.
    pub sent_batches: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Batches that became of them, merged or as they were.
    pub stored_batches: u64,
    /// Their bytes.
    pub stored_bytes: u64,
}

impl AddAssign for MergeCounts {
    fn add_assign(&mut self, more: Self) {
        self.sent_batches += more.sent_batches;
        self.sent_bytes += more.sent_bytes;
        self.stored_batches += more.stored_batches;
        self.stored_bytes += more.stored_bytes;
    }
}

impl StoredPart {
    /// All segments, oldest first.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &SegmentView> {
        self.sealed.iter().chain(self.active.as_ref())
    }

    /// The segments from the one that may contain `offset` on.
    pub(super) fn segments_from(&self, offset: i64) -> impl Iterator<Item = &SegmentView> {
        let first = self.sealed.partition_point(|segment| segment.end_offset <= offset);
        self.sealed[first..].iter().chain(self.active.as_ref())
    }
}

/// See the module's head.
pub(crate) struct LogView {
    pub(crate) stored: Arc<StoredPart>,
    pub(crate) tail: Tail,
    pub(crate) log_start: i64,
    /// Log end offset and high watermark: what is committed is applied, what is applied is here.
    pub(crate) log_end: i64,
    pub(crate) epochs: LeaderEpochs,
    /// Cuts on their way to a segment.
    pub(crate) cuts: u32,
    pub(crate) is_deleted: bool,
}

/// The view's lock, and whose it is.
pub(crate) struct SharedLog {
    pub(crate) partition: PartitionId,
    pub(crate) shard: ShardId,
    /// Counts what was published for any log of the shard.
    published: Arc<AtomicU64>,
    view: Mutex<LogView>,
}

impl SharedLog {
    pub(crate) fn new(
        partition: PartitionId,
        shard: ShardId,
        published: &Arc<AtomicU64>,
        view: LogView,
    ) -> Arc<Self> {
        Arc::new(Self { partition, shard, published: Arc::clone(published), view: Mutex::new(view) })
    }

    /// Nothing is called under this lock that could wait: no disk, no other lock, no drop of what is large.
    pub(crate) fn view(&self) -> MutexGuard<'_, LogView> {
        // Every critical section leaves the view whole at each step, so a panic elsewhere does not spoil it.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stored(&self) -> Arc<StoredPart> {
        Arc::clone(&self.view().stored)
    }

    /// Replaces the stored part, and takes from the tail what it covers. The segment writer calls it after the write.
    pub(crate) fn publish(&self, stored: Arc<StoredPart>) -> Vec<Arc<Piece>> {
        let mut view = self.view();
        assert!(view.stored.end <= stored.end, "the stored end never goes back");
        assert!(stored.end <= view.log_end, "nothing is stored that was not appended");
        let taken = view.tail.take_stored(stored.end);
        let replaced = std::mem::replace(&mut view.stored, stored);
        view.cuts = view.cuts.saturating_sub(1);
        drop(view);
        self.published.fetch_add(1, Ordering::Release);
        drop(replaced);
        taken
    }
}
