//! Latencies, counted in buckets: a quantile is off by less than 1 %.
//!
//! Below 256 ns every nanosecond has a bucket of its own; above, each power of two is cut into 128. Nothing is
//! too large, no memory is asked for while counting, and two histograms add up.

/// Buckets of each power of two, as a power of two.
const CUTS_LOG: u32 = 7;
/// Values below this have buckets of their own.
const EXACT: u64 = 1 << (CUTS_LOG + 1);
/// For every `u64`.
const BUCKETS: usize = (1 << (CUTS_LOG + 1)) + (63 - 7) * (1 << CUTS_LOG);

/// Counts of durations in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(ns);
        self.max = self.max.max(ns);
    }

    /// Counts all that another one has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum, self.max) = (0, 0, 0);
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Their mean in nanoseconds; 0 when there is none.
    pub(crate) fn mean(&self) -> u64 {
        self.sum / self.count.max(1)
    }

    /// The largest, exactly; 0 when there is none.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The duration that `per_mille` of 1000 are not longer than, within 1 %; 0 when there is none.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let rank = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return (upper(bucket) - 1).min(self.max);
            }
        }
        0
    }

    /// How many lie below each power of two of 1 µs, 2 µs, …, without the empty ones at both ends:
    /// (lower bound, upper bound, count), in nanoseconds.
    pub(crate) fn by_powers_of_two(&self) -> Vec<(u64, u64, u64)> {
        let mut lines: Vec<(u64, u64, u64)> = Vec::new();
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let middle = (lower(index) + (upper(index) - lower(index)) / 2) / 1000;
            let power = middle.checked_ilog2().map_or(0, |log| log + 1);
            let bounds = (if power == 0 { 0 } else { 1000 << (power - 1) }, 1000_u64 << power);
            match lines.last_mut() {
                Some(last) if (last.0, last.1) == bounds => last.2 += count,
                Some(last) => {
                    let mut next = last.1;
                    while next < bounds.0 {
                        lines.push((next, next * 2, 0));
                        next *= 2;
                    }
                    lines.push((bounds.0, bounds.1, *count));
                }
                None => lines.push((bounds.0, bounds.1, *count)),
            }
        }
        lines
    }
}

fn bucket(ns: u64) -> usize {
    let index = if ns < EXACT {
        ns
    } else {
        let shift = ns.ilog2() - CUTS_LOG;
        EXACT + (u64::from(shift - 1) << CUTS_LOG) + ((ns >> shift) - (1 << CUTS_LOG))
    };
    usize::try_from(index).expect("there are some thousand buckets")
}

/// The smallest value of a bucket.
fn lower(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (shift, cut) = (((bucket - EXACT) >> CUTS_LOG) + 1, (bucket - EXACT) & ((1 << CUTS_LOG) - 1));
    ((1 << CUTS_LOG) + cut) << shift
}

/// The smallest value above a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket + 1 < BUCKETS { lower(bucket + 1) } else { u64::MAX }
}

#[cfg(test)]
#[path = "histogram_test.rs"]
mod histogram_test;
