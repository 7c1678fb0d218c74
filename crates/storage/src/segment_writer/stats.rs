//! What the segment writer counts.

use std::time::Duration;

use env::Instant;

/// Counters since the start, and how it stands after the last step.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreStats {
    /// Cuts stored.
    pub cuts: u64,
    /// Batches in them that were not deleted yet, as they were sent.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Batches that became of them, merged or as they were.
    pub batches_stored: u64,
    /// Their bytes.
    pub bytes_stored: u64,
    /// Batches stored as they were sent because they or their codec failed when they were to be merged.
    pub merge_failures: u64,
    /// Records that a merged batch is to have, where a policy moves that.
    pub target_records: Option<u64>,
    /// Writes into segments that this took.
    pub writes: u64,
    /// Segment files created.
    pub segments_created: u64,
    /// Segment files removed.
    pub segments_removed: u64,
    /// Checkpoints taken.
    pub checkpoints: u64,
    /// Time that they took, syncing the segments included.
    pub checkpoint_time: Duration,
    /// The longest.
    pub checkpoint_time_max: Duration,
    /// Bytes of their records.
    pub checkpoint_bytes: u64,
    /// Length of the checkpoint log.
    pub checkpoint_log_bytes: u64,
    /// What is stored and in no checkpoint yet.
    pub lag: CheckpointLag,
    /// Works that wait, those in the mailbox included.
    pub queued_works: u64,
    /// Segment files open.
    pub files_open: u64,
    /// Bytes that are to stay free on the file system.
    pub free_bytes_min: u64,
    /// There is too little space.
    pub is_short_of_space: bool,
    /// A write or sync failed: nothing is stored any more.
    pub is_poisoned: bool,
}

/// What a restart would replay of stored cuts: stored since the last checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckpointLag {
    /// Partitions.
    pub partitions: u64,
    /// Batches of them.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest change that is in no checkpoint came.
    pub since: Option<Instant>,
}

impl StoreStats {
    pub(super) fn checkpointed(&mut self, spent: Duration, bytes: u64) {
        self.checkpoints += 1;
        self.checkpoint_time += spent;
        self.checkpoint_time_max = self.checkpoint_time_max.max(spent);
        self.checkpoint_bytes += bytes;
    }
}
