//! Stands in for the crate of this name, which openraft uses for statistics that Takhin does not read.
//!
//! The original makes tables of 16 MB at the first histogram, whether or not anything is ever read, which is more than
//! all else that an idle broker holds (docs/adr/0005). This one has the same face as far as openraft uses it, and
//! counts nothing. A bump of openraft that uses more of it fails to compile here, and that is the moment to look again.

use std::fmt;
use std::marker::PhantomData;

/// A histogram that forgets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram<T = ()>(PhantomData<T>);

impl<T> Histogram<T> {
    /// An empty one, as it will stay.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// Does nothing.
    pub fn record(&mut self, _value: u64) {}

    /// Does nothing.
    pub fn record_n(&mut self, _value: u64, _count: u64) {}

    /// Of no values.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats::default()
    }
}

/// Percentiles of no values.
#[allow(missing_docs)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}

/// A chart of nothing.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart;

impl AsciiChart {
    /// An empty one, as it will stay.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Does nothing.
    #[must_use]
    pub fn add<T>(self, _name: &str, _histogram: Histogram<T>) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}
