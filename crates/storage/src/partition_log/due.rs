//! When a tail is due to be cut. Pure: time and memory come in as arguments.

use std::time::Duration;

use env::Instant;

use super::log::Uncut;

/// When a tail is cut.
#[derive(Clone, Copy, Debug)]
pub struct DueLimits {
    /// Bytes that make a good write: a tail with as many is cut at once.
    pub good_bytes: u64,
    /// No record stays in memory alone for longer (`kafka.batch.tail.max.ms`).
    pub age_max: Duration,
    /// Pinned bytes of the node above which everything is due, oldest first.
    pub pinned_bytes_soft: u64,
}

impl Default for DueLimits {
    fn default() -> Self {
        Self { good_bytes: 1 << 20, age_max: Duration::from_secs(1), pinned_bytes_soft: 32 << 20 }
    }
}

impl DueLimits {
    /// True when a tail is large enough by itself.
    pub(super) fn is_good_size(&self, uncut: &Uncut) -> bool {
        uncut.bytes >= self.good_bytes
    }

    /// True when what has waited since `since` must go, by its age or because memory is short.
    pub(super) fn is_time(&self, since: Instant, now: Instant, pinned_bytes: u64) -> bool {
        pinned_bytes >= self.pinned_bytes_soft || now >= self.due_at(since)
    }

    /// When what has waited since `since` is due by age.
    pub(super) fn due_at(&self, since: Instant) -> Instant {
        since + self.age_max
    }
}
