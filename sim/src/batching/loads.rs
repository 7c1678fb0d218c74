//! The twelve loads that every setting is judged by, and the settings.

use std::time::Duration;

use batch::WaitSettings;

/// Who sends what.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its name, as in the table.
    pub name: &'static str,
    /// Connections, each with one request of one record in flight in a closed loop.
    pub producers: usize,
    /// Bytes of a record.
    pub record_bytes: usize,
    /// Partitions, which producers take in turn.
    pub partitions: usize,
    /// Records a second of all producers in an open loop, whatever the answers; 0 in a closed one.
    pub rate: u32,
}

const fn closed(name: &'static str, producers: usize, record_bytes: usize, partitions: usize) -> Load {
    Load { name, producers, record_bytes, partitions, rate: 0 }
}

const fn open(name: &'static str, rate: u32, record_bytes: usize, partitions: usize) -> Load {
    Load { name, producers: 256, record_bytes, partitions, rate }
}

/// All of them.
pub const LOADS: [Load; 12] = [
    closed("closed-1-100b", 1, 100, 1),
    closed("closed-2-100b", 2, 100, 1),
    closed("closed-4-1k", 4, 1 << 10, 4),
    closed("closed-8-10k", 8, 10 << 10, 8),
    closed("closed-8-64k", 8, 64 << 10, 8),
    closed("closed-64-100b", 64, 100, 16),
    closed("closed-256-100b", 256, 100, 16),
    closed("closed-256-100b-1000p", 256, 100, 1000),
    open("open-500-100b", 500, 100, 1),
    open("open-5000-1k", 5_000, 1 << 10, 16),
    open("open-40000-100b", 40_000, 100, 16),
    open("open-90000-100b-1000p", 90_000, 100, 1000),
];

/// How commits are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Each record is a commit of its own.
    NoGroupCommit,
    /// Groups, and what waits for them.
    Grouped(WaitSettings),
}

impl Setting {
    /// Adaptive, with the contract's defaults.
    #[must_use]
    pub fn adaptive() -> Self {
        Self::Grouped(WaitSettings::default())
    }

    /// Every setting without adaptation: no groups, no wait, and each linger with each size.
    #[must_use]
    pub fn fixed() -> Vec<Self> {
        let grouped = |linger_ms, items_max| {
            let linger = Duration::from_millis(linger_ms);
            Self::Grouped(WaitSettings { linger, is_adaptive: false, items_max })
        };
        let mut settings = vec![Self::NoGroupCommit, grouped(0, 1000)];
        for linger_ms in [1, 5, 10, 50] {
            settings.extend([10, 100, 1000].map(|items_max| grouped(linger_ms, items_max)));
        }
        settings
    }

    /// The most records that it lets a merged batch hold.
    #[must_use]
    pub fn merged_records_max(&self) -> usize {
        match self {
            Self::NoGroupCommit => 1000,
            Self::Grouped(wait) if wait.is_adaptive || wait.linger.is_zero() => 1000,
            Self::Grouped(wait) => wait.items_max,
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoGroupCommit => f.write_str("no group commit"),
            Self::Grouped(wait) if wait.is_adaptive => f.write_str("adaptive"),
            Self::Grouped(wait) if wait.linger.is_zero() => f.write_str("no wait"),
            Self::Grouped(wait) => write!(f, "{} ms or {}", wait.linger.as_millis(), wait.items_max),
        }
    }
}
