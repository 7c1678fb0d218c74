//! How many records a merged batch should have, where a policy moves that (`kafka.batch.adaptive.policy=throughput`).

use batch::{MergeOptions, Settings, SizePolicy};
use env::Instant;

use crate::partition_log::TailBatch;

/// The policy, which learns from how fast cuts are stored.
pub(super) struct MergedSize {
    policy: SizePolicy,
    origin: Instant,
}

impl MergedSize {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { policy: SizePolicy::new(settings), origin: Instant::now() }
    }

    /// A cut of these batches was stored since `begin`.
    pub(super) fn stored(&mut self, batches: &[&TailBatch], begin: Instant) {
        let records =
            |batch: &&TailBatch| usize::try_from(batch.last_offset - batch.base_offset + 1).unwrap_or(0);
        let now = Instant::now();
        self.policy.observe(
            batches.iter().map(records).sum(),
            batches.iter().map(|batch| batch.bytes.len()).sum(),
            now.since(begin),
            now.since(self.origin),
        );
    }

    /// The records that are aimed at now.
    pub(super) fn target(&self) -> u64 {
        self.policy.target() as u64
    }

    /// The options with no more records than are aimed at now.
    pub(super) fn within(&self, options: MergeOptions) -> MergeOptions {
        let target = i32::try_from(self.policy.target()).unwrap_or(i32::MAX);
        MergeOptions { records_max: options.records_max.min(target), ..options }
    }
}
