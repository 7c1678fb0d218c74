//! When requests are due: an open loop sends by the clock, whatever the broker does.
//!
//! Times count from the run's start. They are computed from a request's number, not added up, so that a run of hours
//! does not drift.

use std::time::Duration;

/// Requests in even steps, dealt out to `lanes` in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    requests_per_s: f64,
    lanes: u64,
}

impl Schedule {
    /// `records_per_s` in requests of `batch` records, over `lanes` connections.
    pub(crate) fn new(records_per_s: f64, batch: u64, lanes: u64) -> Self {
        Self { requests_per_s: records_per_s / float(batch), lanes: lanes.max(1) }
    }

    /// When request `number` of all is due.
    pub(crate) fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(float(number) / self.requests_per_s)
    }

    /// When request `turn` of one lane is due.
    pub(crate) fn due_in_lane(&self, lane: u64, turn: u64) -> Duration {
        self.due(turn * self.lanes + lane)
    }

    /// Which lane sends request `number`.
    pub(crate) fn lane_of(&self, number: u64) -> u64 {
        number % self.lanes
    }
}

/// Exact up to 2^53.
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "schedule_test.rs"]
mod schedule_test;
