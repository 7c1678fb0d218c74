//! How often a group's targets are computed: as often as anything changes in a small one, and in a large one only so often that
//! thousands who join at once do not keep the node from its work (Kafka: once a second, KIP-1263).

use std::time::Duration;

/// What a computation is charged for each member and partition: more than ten times what it takes and what is written of it, so
/// that computing takes less than a tenth of the time when there is always something to compute.
const CHARGE: Duration = Duration::from_micros(10);

/// Computations that are charged no more than this are done one behind the other.
const BURST: Duration = Duration::from_secs(1);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all computations until now will have been paid for, on the clock of [`Now::monotonic`](crate::group::Now).
    paid: Duration,
}

impl Pace {
    /// Whether a computation may be done at `now`.
    pub(super) fn allows(&self, now: Duration) -> bool {
        self.paid <= now + BURST
    }

    /// One is done, for `things` members and partitions together.
    pub(super) fn charge(&mut self, now: Duration, things: usize) {
        let things = u32::try_from(things).unwrap_or(u32::MAX);
        self.paid = self.paid.max(now) + CHARGE.saturating_mul(things);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_groups_are_computed_less_often() {
        // Could break: thousands join at once, and nobody else is served for as long as that takes.
        let began = Duration::from_secs(100);
        let computed = |things: usize, span: Duration| {
            let (mut pace, mut count) = (Pace::default(), 0);
            for at in 0..10_000 {
                let now = began + span * at / 10_000;
                if pace.allows(now) {
                    pace.charge(now, things);
                    count += 1;
                }
            }
            count
        };
        assert_eq!(computed(10, Duration::from_secs(1)), 10_000);
        assert!((20..=40).contains(&computed(10_000, Duration::from_secs(2))));
        // What is charged is forgotten while nothing is computed.
        let mut pace = Pace::default();
        pace.charge(began, 1_000_000);
        assert!(!pace.allows(began + Duration::from_secs(8)));
        assert!(pace.allows(began + Duration::from_secs(9)));
    }
}
