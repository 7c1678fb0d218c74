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

/// So many batches and a piece is full.
const PIECE_BATCHES: usize = 256;

/// Batches that follow each other, never changed again: a cut shares them with readers instead of copying them, however many
/// there are.
#[derive(Debug)]
pub(crate) struct Piece {
    batches: Vec<TailBatch>,
    bytes: u64,
}

impl Piece {
    /// What it is made of; at least one.
    pub(crate) fn batches(&self) -> &[TailBatch] {
        &self.batches
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn last_offset(&self) -> i64 {
        self.batches[self.batches.len() - 1].last_offset
    }
}

/// A partition's batches that are in no segment yet, oldest first: full or frozen pieces, then what still grows.
#[derive(Debug)]
pub(crate) struct Tail {
    pieces: VecDeque<Arc<Piece>>,
    open: Vec<TailBatch>,
    /// Of all batches, and of those in `open`.
    bytes: u64,
    open_bytes: u64,
    /// No batch has a larger timestamp; of those that were here since the tail was empty, one may have had this one.
    max_timestamp: i64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), open: Vec::new(), bytes: 0, open_bytes: 0, max_timestamp: i64::MIN }
    }
}

impl Tail {
    pub(crate) fn push(&mut self, batch: TailBatch) {
        if self.open.len() >= PIECE_BATCHES {
            self.freeze();
            self.open.reserve_exact(PIECE_BATCHES);
        }
        self.bytes += batch.len();
        self.open_bytes += batch.len();
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
        self.open.push(batch);
    }

    /// Ends what grows: what comes next is in another piece.
    fn freeze(&mut self) {
        if !self.open.is_empty() {
            let (batches, bytes) = (std::mem::take(&mut self.open), std::mem::take(&mut self.open_bytes));
            self.pieces.push_back(Arc::new(Piece { batches, bytes }));
        }
    }

    /// All batches from `offset`, where an earlier cut ended, in pieces.
    pub(crate) fn cut(&mut self, offset: i64) -> Vec<Arc<Piece>> {
        self.freeze();
        let first = self.pieces.partition_point(|piece| piece.last_offset() < offset);
        self.pieces.range(first..).cloned().collect()
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.open.is_empty()
    }

    /// A timestamp that no batch exceeds, in milliseconds; `None` when there is no batch.
    pub(crate) fn timestamp_bound(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.max_timestamp)
    }

    /// The batches from the one that contains `offset` on; all when it lies before the first.
    pub(crate) fn starting_at(&self, offset: i64) -> impl Iterator<Item = &TailBatch> {
        let first = self.pieces.partition_point(|piece| piece.last_offset() < offset);
        let frozen = self.pieces.range(first..).map(|piece| piece.batches());
        let from = move |batches: &[TailBatch]| batches.partition_point(|batch| batch.last_offset < offset);
        frozen.chain(std::iter::once(&self.open[..])).flat_map(move |batches| &batches[from(batches)..])
    }

    /// Takes away what ends before `stored_end`, where a cut ended. The caller drops it where dropping costs nobody.
    pub(crate) fn take_stored(&mut self, stored_end: i64) -> Vec<Arc<Piece>> {
        let count = self.pieces.partition_point(|piece| piece.last_offset() < stored_end);
        let stored: Vec<Arc<Piece>> = self.pieces.drain(..count).collect();
        self.bytes -= stored.iter().map(|piece| piece.bytes()).sum::<u64>();
        if self.is_empty() {
            // Thousands of partitions are idle most of the time: an empty tail keeps no room.
            *self = Self::default();
        }
        stored
    }
}
