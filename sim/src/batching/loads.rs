//! The loads that every setting is judged by, and the settings.

use std::time::Duration;

use batch::WaitSettings;

/// Who sends what: one of `batch::loads`, in the units of the model.
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

/// The twelve.
#[must_use]
pub fn loads() -> [Load; 12] {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    batch::loads::LOADS.map(|load| Load {
        name: load.name,
        producers: size(load.producers),
        record_bytes: size(load.record_bytes),
        partitions: size(load.partitions),
        rate: load.records_per_s.unwrap_or(0),
    })
}

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
