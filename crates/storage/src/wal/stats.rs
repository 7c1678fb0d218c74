//! What the write-ahead log counts.

use std::time::Duration;

use env::disk::WriteMode;

/// Upper bounds of [`WalStats::sync_times`], in microseconds: from what a good disk takes to what only a sick one does.
pub const SYNC_TIME_BOUNDS_US: [u64; 14] =
    [50, 100, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000];

/// Counters since the log was opened, and how it stands now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Durable writes: one per group, and one per file opened.
    pub syncs: u64,
    /// Time spent in them.
    pub sync_time: Duration,
    /// The longest of them.
    pub sync_time_max: Duration,
    /// How many took at most each of [`SYNC_TIME_BOUNDS_US`] and more than the bound before; last, how many took longer.
    pub sync_times: [u64; SYNC_TIME_BOUNDS_US.len() + 1],
    /// Bytes in them, padding and headers included.
    pub bytes: u64,
    /// Groups written; `frames` / `groups` is what shared a write.
    pub groups: u64,
    /// Frames in them.
    pub frames: u64,
    /// Entries that were written a second time because their file was due.
    pub entries_copied: u64,
    /// Files that recovery would read.
    pub files_live: u64,
    /// Their bytes.
    pub files_live_bytes: u64,
    /// Files waiting to be used again, the prepared one included.
    pub files_free: u64,
    /// Their bytes.
    pub files_free_bytes: u64,
    /// Bytes of the file that is prepared to be the next; 0 while none is.
    pub file_prepared_bytes: u64,
    /// Files opened for writing.
    pub files_opened: u64,
    /// Of these, files that were not prepared in time.
    pub files_opened_unprepared: u64,
    /// Bytes queued or being written.
    pub queued_bytes: u64,
    /// How the file being written is written.
    pub write_mode: WriteMode,
    /// Entries are refused for want of space.
    pub is_short_of_space: bool,
}

impl WalStats {
    pub(super) fn synced(&mut self, spent: Duration, bytes: usize) {
        self.syncs += 1;
        self.sync_time += spent;
        self.sync_time_max = self.sync_time_max.max(spent);
        let spent_us = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        self.sync_times[SYNC_TIME_BOUNDS_US.partition_point(|bound| *bound < spent_us)] += 1;
        self.bytes += bytes as u64;
    }
}
