//! The tail: what was committed and is not stored yet, as slices of the entries it came in.
//!
//! The slices are shared with the WAL and are never written to: base offset and leader epoch, which the commit decided
//! after the bytes were fixed, stand beside them and are written by whoever copies a batch out. A slice keeps its whole
//! entry in memory, so memory is counted by entry, in [`PinnedBytes`], which all partitions of a node share.
//!
//! Invariant: batches lie in offset order without gaps; the first begins at the stored end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Bytes of entries that tails keep in memory, over all partitions of a node.
#[derive(Debug, Default)]
pub struct PinnedBytes(AtomicU64);

impl PinnedBytes {
    /// A counter at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts an entry's buffer of `bytes` until the last clone of the pin is gone.
    #[must_use]
    pub fn pin(self: &Arc<Self>, bytes: u64) -> Arc<EntryPin> {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(EntryPin { bytes, counter: Arc::clone(self) })
    }

    /// What is counted at this moment.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds an entry's bytes in the count for as long as a tail has a slice of it.
#[derive(Debug)]
pub struct EntryPin {
    bytes: u64,
    counter: Arc<PinnedBytes>,
}

impl EntryPin {
    /// Bytes of the entry's buffer.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for EntryPin {
    fn drop(&mut self) {
        self.counter.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A committed record batch in memory.
#[derive(Clone, Debug)]
pub struct TailBatch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The epoch of the leader that took it.
    pub leader_epoch: i32,
    /// The largest timestamp of its records, in milliseconds.
    pub max_timestamp: i64,
    /// The first offset that has it.
    pub offset_of_max_timestamp: i64,
    /// The shard's log index of its entry.
    pub index: u64,
    /// One batch of magic 2 as it came; its base offset and leader epoch are not to be read.
    pub bytes: Bytes,
    /// Counts the whole entry as pinned.
    pub pin: Arc<EntryPin>,
}

impl TailBatch {
    /// Bytes of the batch.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// A partition's batches that are in no segment yet, oldest first.
#[derive(Debug)]
pub(crate) struct Tail {
    batches: VecDeque<TailBatch>,
    bytes: u64,
    /// No batch has a larger timestamp; of those that were here since the tail was empty, one may have had this one.
    max_timestamp: i64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { batches: VecDeque::new(), bytes: 0, max_timestamp: i64::MIN }
    }
}

impl Tail {
    pub(crate) fn push(&mut self, batch: TailBatch) {
        self.bytes += batch.len();
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
        self.batches.push_back(batch);
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A timestamp that no batch exceeds, in milliseconds; `None` when there is no batch.
    pub(crate) fn timestamp_bound(&self) -> Option<i64> {
        (!self.batches.is_empty()).then_some(self.max_timestamp)
    }

    /// The batches from the one that contains `offset` on; all when it lies before the first.
    pub(crate) fn starting_at(&self, offset: i64) -> impl Iterator<Item = &TailBatch> {
        let first = self.batches.partition_point(|batch| batch.last_offset < offset);
        self.batches.range(first..)
    }

    /// Takes away what ends before `stored_end`. The caller drops it where dropping costs nobody.
    pub(crate) fn take_stored(&mut self, stored_end: i64) -> Vec<TailBatch> {
        let count = self.batches.partition_point(|batch| batch.last_offset < stored_end);
        let stored: Vec<TailBatch> = self.batches.drain(..count).collect();
        self.bytes -= stored.iter().map(TailBatch::len).sum::<u64>();
        if self.batches.is_empty() {
            // Thousands of partitions are idle most of the time: an empty tail keeps no room.
            *self = Self::default();
        }
        stored
    }
}
