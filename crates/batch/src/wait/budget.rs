//! A topic's latency budget (`batch.target.p99.ms`) instead of a knob: the longest wait that keeps the measured p99 under it.

use std::time::Duration;

/// What of the budget is aimed at: the rest is for what changes faster than it is measured.
const AIM: f64 = 0.8;
/// Below this share of the budget the wait may grow.
const ROOM: f64 = 0.7;
/// By this share of the budget it grows.
const STEP: f64 = 1.0 / 32.0;
/// By this factor it shrinks.
const SHRINK: f64 = 0.7;
/// A window has at least so many latencies and lasts at least so long: a p99 of fewer says nothing.
const WINDOW_ITEMS: u32 = 200;
const WINDOW: Duration = Duration::from_millis(100);
/// Buckets of a window, each so many times as wide as the one before: from 10 µs to 20 s.
const BUCKETS: usize = 64;
const FIRST_BUCKET_S: f64 = 10e-6;
const WIDER: f64 = 1.26;

/// Chooses how long the items of a topic may wait for company.
#[derive(Clone, Debug)]
pub struct LatencyBudget {
    budget: Duration,
    linger: Duration,
    wait: Duration,
    window_at: Duration,
    items: u32,
    buckets: [u32; BUCKETS],
    p99: Option<Duration>,
}

impl LatencyBudget {
    /// Of a topic whose p99 shall stay under `budget` and whose items never wait longer than `linger`. It begins without any
    /// wait.
    #[must_use]
    pub fn new(budget: Duration, linger: Duration, now: Duration) -> Self {
        let wait = Duration::ZERO;
        Self { budget, linger, wait, window_at: now, items: 0, buckets: [0; BUCKETS], p99: None }
    }

    /// How long an item may wait.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The p99 of the last whole window; none before the first one.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.p99
    }

    /// An item was answered now, `latency` after it came.
    pub fn answered(&mut self, now: Duration, latency: Duration) {
        let mut edge_s = FIRST_BUCKET_S;
        let mut bucket = 0;
        while latency.as_secs_f64() > edge_s && bucket + 1 < BUCKETS {
            edge_s *= WIDER;
            bucket += 1;
        }
        self.buckets[bucket] += 1;
        self.items += 1;
        if self.items >= WINDOW_ITEMS && now.saturating_sub(self.window_at) >= WINDOW {
            self.end_window(now);
        }
    }

    fn end_window(&mut self, now: Duration) {
        let p99_s = self.upper_edge_of_p99();
        let budget_s = self.budget.as_secs_f64();
        if p99_s > AIM * budget_s {
            self.wait = self.wait.mul_f64(SHRINK);
        } else if p99_s < ROOM * budget_s {
            let longer = self.wait + self.budget.mul_f64(STEP);
            self.wait = longer.min(self.linger).min(self.budget);
        }
        self.p99 = Some(Duration::from_secs_f64(p99_s));
        (self.window_at, self.items, self.buckets) = (now, 0, [0; BUCKETS]);
    }

    /// In seconds: the edge below which 99 of 100 latencies lie.
    fn upper_edge_of_p99(&self) -> f64 {
        let above_max = self.items / 100;
        let mut above = self.items;
        let mut edge_s = FIRST_BUCKET_S;
        for count in self.buckets {
            above -= count;
            if above <= above_max {
                break;
            }
            edge_s *= WIDER;
        }
        edge_s
    }
}

#[cfg(test)]
#[path = "budget_test.rs"]
mod budget_test;
