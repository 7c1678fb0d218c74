//! What a node tells of itself: plain numbers, collected in no time on the node's thread.

use std::time::Duration;

use storage::id::ShardId;
use storage::segment_writer::StoreStats;
use storage::wal::WalStats;

/// Upper bounds of [`CommitStats::records_per_group`].
pub const RECORDS_PER_GROUP_BOUNDS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 25_000];

/// What went through group commit since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommitStats {
    /// Groups proposed, each with one WAL write for all its records.
    pub groups: u64,
    /// Record batches in them.
    pub batches: u64,
    /// Records in those.
    pub records: u64,
    /// How many groups had at most each of [`RECORDS_PER_GROUP_BOUNDS`] records and more than the bound before; last, how
    /// many had more.
    pub records_per_group: [u64; RECORDS_PER_GROUP_BOUNDS.len() + 1],
    /// Bytes forming and in flight.
    pub queued_bytes: u64,
    /// How long the first record batch of a group waits before its commit begins, a moving average.
    pub effective_wait: Duration,
}

impl CommitStats {
    pub(crate) fn proposed(&mut self, batches: u64, records: u64) {
        self.groups += 1;
        self.batches += batches;
        self.records += records;
        self.records_per_group[RECORDS_PER_GROUP_BOUNDS.partition_point(|bound| *bound < records)] += 1;
    }
}

/// How far a shard's log is applied, and covered by a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct ShardStats {
    /// Which.
    pub shard: ShardId,
    /// The last applied index.
    pub applied: u64,
    /// The last index that a restart need not replay.
    pub covered: u64,
    /// Partitions with something in their tail that is not cut yet.
    pub uncut_partitions: u64,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct NodeStats {
    /// The write-ahead log.
    pub wal: WalStats,
    /// Nothing is written to the write-ahead log any more.
    pub is_wal_poisoned: bool,
    /// The segment writer.
    pub store: StoreStats,
    /// Group commit.
    pub commit: CommitStats,
    /// Each shard.
    pub shards: Vec<ShardStats>,
    /// Bytes of entries that tails pin, and their bound.
    pub tail_pinned_bytes: u64,
    /// The bound.
    pub tail_pinned_bytes_max: u64,
    /// Why nothing is accepted at present, if so.
    pub writes_refused: Option<String>,
}
