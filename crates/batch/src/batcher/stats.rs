//! What a batcher tells of itself.

use std::time::Duration;

use crate::average::Average;

/// Why a batch left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// It had `max.size` records, or the next item would have gone beyond.
    Size,
    /// The same of `max.bytes`.
    Bytes,
    /// It had as many records as are aimed at.
    Target,
    /// Its first item had waited long enough.
    Age,
    /// It was asked for.
    Asked,
    /// The batcher was closed.
    Closed,
}

/// How a batcher stands, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Batches that wait, whether they grow or are due.
    pub pending_batches: usize,
    /// Records in them.
    pub pending_records: usize,
    /// Bytes of their keys, values and headers.
    pub pending_bytes: usize,
    /// Records that a batch should have.
    pub target_batch_size: usize,
    /// MB/s (10⁶ bytes) while batches are appended, a moving average.
    pub avg_throughput: f64,
    /// How long the first item of a batch has waited, a moving average.
    pub effective_wait: Duration,
    /// Batches that left, by [`Flush`] in its order.
    pub flushes: [u64; 6],
    /// Records that left.
    pub records_flushed: u64,
    /// Bytes that were added.
    pub bytes_in: u64,
    /// Bytes that they took where they are stored, of batches that were appended.
    pub bytes_stored: u64,
}

impl Stats {
    /// Batches that left, of all reasons.
    #[must_use]
    pub fn flushes_total(&self) -> u64 {
        self.flushes.iter().sum()
    }

    /// Records of a batch that left, on average; 0 before the first.
    #[must_use]
    pub fn records_per_flush(&self) -> u64 {
        self.records_flushed.checked_div(self.flushes_total()).unwrap_or(0)
    }
}

/// Counts them.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) stats: Stats,
    wait_s: Average,
}

impl Default for Counters {
    fn default() -> Self {
        Self { stats: Stats::default(), wait_s: Average::new(0.2) }
    }
}

impl Counters {
    pub(super) fn added(&mut self, records: usize, bytes: usize) {
        self.stats.pending_records += records;
        self.stats.pending_bytes += bytes;
        self.stats.bytes_in += bytes as u64;
    }

    pub(super) fn left(&mut self, records: usize, bytes: usize, why: Flush, waited: Duration) {
        self.stats.pending_records -= records;
        self.stats.pending_bytes -= bytes;
        self.stats.records_flushed += records as u64;
        self.stats.flushes[why as usize] += 1;
        self.wait_s.take(waited.as_secs_f64());
        self.stats.effective_wait = Duration::from_secs_f64(self.wait_s.get().unwrap_or(0.0));
    }

    pub(super) fn stored(&mut self, bytes: usize) {
        self.stats.bytes_stored += bytes as u64;
    }
}
