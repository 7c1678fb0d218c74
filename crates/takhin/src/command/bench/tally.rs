//! What a run got done, counted as the answers come.

use std::{collections::BTreeMap, time::Duration};

use client::ClientError;
use wire::ErrorCode;

use super::histogram::Histogram;

/// Which part of a run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Before what is measured.
    #[default]
    WarmUp,
    /// What the figures are about.
    Measured,
    /// What was under way at the end.
    After,
}

/// What came with one answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Got {
    pub(crate) records: u64,
    /// Bytes of values.
    pub(crate) value_bytes: u64,
    /// Record batches.
    pub(crate) batches: u64,
    /// Bytes of record batches, as they are on the wire.
    pub(crate) wire_bytes: u64,
}

impl Got {
    pub(crate) fn add(&mut self, more: Got) {
        self.records += more.records;
        self.value_bytes += more.value_bytes;
        self.batches += more.batches;
        self.wire_bytes += more.wire_bytes;
    }
}

/// Counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    phase: Phase,
    /// In the measured part.
    pub(crate) measured: Got,
    pub(crate) requests: u64,
    pub(crate) latencies: Histogram,
    /// In all parts together.
    pub(crate) total: Got,
    /// Since the last progress line.
    pub(crate) lately: Got,
    pub(crate) lately_latencies: Histogram,
    /// Requests that came to nothing in all parts, by what was said about them.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Requests that were still unanswered at the end.
    pub(crate) unanswered: u64,
    /// Answers in all parts, good and bad: whether anything happens at all.
    pub(crate) answers: u64,
}

impl Tally {
    /// Goes on to another part.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// A request got what it was for.
    pub(crate) fn answered(&mut self, got: Got) {
        self.answers += 1;
        self.total.add(got);
        self.lately.add(got);
        if self.phase == Phase::Measured {
            self.measured.add(got);
            self.requests += 1;
        }
    }

    /// How long something took.
    pub(crate) fn took(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.lately_latencies.record(ns);
        if self.phase == Phase::Measured {
            self.latencies.record(ns);
        }
    }

    /// A request came to nothing.
    pub(crate) fn failed(&mut self, what: &str) {
        self.answers += 1;
        match self.errors.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(what.to_owned(), 1)),
        }
    }

    /// A connection is of no use any more.
    pub(crate) fn broke(&mut self, error: &ClientError) {
        self.failed(&error.to_string());
    }

    /// Counts another run of the same kind as part of this one.
    pub(crate) fn absorb(&mut self, other: &Tally) {
        self.measured.add(other.measured);
        self.requests += other.requests;
        self.latencies.add(&other.latencies);
        self.total.add(other.total);
        self.unanswered += other.unanswered;
        self.answers += other.answers;
        for (what, count) in &other.errors {
            *self.errors.entry(what.clone()).or_default() += count;
        }
    }

    /// Requests that came to nothing.
    pub(crate) fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Begins a new interval.
    pub(crate) fn forget_lately(&mut self) {
        self.lately = Got::default();
        self.lately_latencies.clear();
    }
}

/// Kafka's name of an error code.
pub(crate) fn name_of(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error code {code}"), |code| code.name().to_owned())
}
