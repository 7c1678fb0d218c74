//! What chooses how many records a batch should have.

use std::time::Duration;

use crate::average::Average;
use crate::settings::{PolicyName, Settings};

/// Of the moving averages.
const ALPHA: f64 = 0.2;
/// Time between two changes of the target.
const PERIOD: Duration = Duration::from_secs(5);

/// The size that is aimed at, within the settings' bounds.
///
/// `throughput` is the contract's first controller: every 5 s the target grows by a tenth if throughput improved and shrinks
/// by a tenth if it fell, by one record at least. It begins at the lower bound.
#[derive(Clone, Debug)]
pub struct SizePolicy {
    /// What moves the target; `None`: nothing does.
    moves: Option<PolicyName>,
    min: usize,
    max: usize,
    target: usize,
    batch_size: Average,
    throughput: Average,
    throughput_before: Option<f64>,
    changed_at: Option<Duration>,
}

impl SizePolicy {
    /// Of settings that were checked.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let moves = settings.is_adaptive.then_some(settings.policy);
        let max = match moves {
            Some(_) => settings.max_size.min(settings.adaptive_max_size),
            None => settings.max_size,
        };
        let min = settings.adaptive_min_size.min(max);
        let target = if moves == Some(PolicyName::Throughput) { min } else { max };
        Self {
            moves,
            min,
            max,
            target,
            batch_size: Average::new(ALPHA),
            throughput: Average::new(ALPHA),
            throughput_before: None,
            changed_at: None,
        }
    }

    /// Records that a batch should have.
    #[must_use]
    pub fn target(&self) -> usize {
        self.target
    }

    /// Bytes a second of what was handed over, in MB/s (10⁶ bytes), a moving average; 0 before the first.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.throughput.get().unwrap_or(0.0)
    }

    /// Records of a batch that was handed over, a moving average; 0 before the first.
    #[must_use]
    pub fn batch_size(&self) -> f64 {
        self.batch_size.get().unwrap_or(0.0)
    }

    /// A batch of `records` and `bytes` was handed over with success, which took `elapsed` and ended at `now`.
    pub fn observe(&mut self, records: usize, bytes: usize, elapsed: Duration, now: Duration) {
        self.batch_size.take(count(records));
        let elapsed_s = elapsed.as_secs_f64().max(1e-9);
        self.throughput.take(count(bytes) / 1e6 / elapsed_s);
        let changed_at = *self.changed_at.get_or_insert(now);
        if self.moves == Some(PolicyName::Throughput) && now.saturating_sub(changed_at) >= PERIOD {
            self.changed_at = Some(now);
            self.step();
        }
    }

    fn step(&mut self) {
        let throughput = self.throughput();
        let before = self.throughput_before.replace(throughput);
        let tenth = (self.target / 10).max(1);
        match before {
            Some(before) if throughput < before => {
                self.target = self.target.saturating_sub(tenth).max(self.min);
            }
            Some(before) if throughput == before => {}
            // The first period has nothing to be compared with: it grows, or nothing would ever be learned.
            _ => self.target = self.target.saturating_add(tenth).min(self.max),
        }
    }
}

fn count(items: usize) -> f64 {
    u32::try_from(items).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
#[path = "policy_test.rs"]
mod policy_test;
