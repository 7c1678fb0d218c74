//! What the write-ahead log counts.

use std::time::Duration;

/// Counters since the log was opened, and how it stands now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Durable writes: one per group, and one per file opened.
    pub syncs: u64,
    /// Time spent in them.
    pub sync_time: Duration,
    /// The longest of them.
    pub sync_time_max: Duration,
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
    /// Files opened for writing.
    pub files_opened: u64,
    /// Of these, files that were not prepared in time.
    pub files_opened_unprepared: u64,
    /// Bytes queued or being written.
    pub queued_bytes: u64,
}
