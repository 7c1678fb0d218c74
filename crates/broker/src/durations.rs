//! How long requests took: plain cells by bounds that never change. One costs a search over a few numbers and two additions.

use std::cell::Cell;
use std::time::Duration;

/// Bounds in microseconds, ascending: from what memory answers to what nobody waits for.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// How many took how long, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    counts: [u64; BOUNDS_US.len()],
    longer: u64,
    /// All together.
    pub sum: Duration,
}

impl Durations {
    /// Each bound in seconds, and how many took at most this long and more than the one before; the last has no end.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let seconds = |us: u64| Duration::from_micros(us).as_secs_f64();
        let bounded = BOUNDS_US.into_iter().zip(self.counts);
        bounded.map(move |(us, count)| (seconds(us), count)).chain([(f64::INFINITY, self.longer)])
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.longer
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct DurationCells {
    counts: [Cell<u64>; BOUNDS_US.len()],
    longer: Cell<u64>,
    sum_ns: Cell<u64>,
}

impl DurationCells {
    /// One more.
    pub(crate) fn add(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = BOUNDS_US.partition_point(|bound_us| bound_us * 1000 < ns);
        let count = self.counts.get(at).unwrap_or(&self.longer);
        count.set(count.get() + 1);
        self.sum_ns.set(self.sum_ns.get().saturating_add(ns));
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Durations {
        Durations {
            counts: std::array::from_fn(|at| self.counts[at].get()),
            longer: self.longer.get(),
            sum: Duration::from_nanos(self.sum_ns.get()),
        }
    }
}

#[cfg(test)]
#[path = "durations_test.rs"]
mod durations_test;
