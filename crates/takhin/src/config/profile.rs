//! Profiles: ready files for `--profile`, the same as those in the repository.

use clap::ValueEnum;

/// What a broker is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Large merged batches, and up to 50 ms of waiting where company pays
    HighThroughput,
    /// Small merged batches, and a fixed wait of at most 1 ms
    LowLatency,
    /// What the broker does without a profile
    Balanced,
}

impl Profile {
    /// Its name, as it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HighThroughput => "high-throughput",
            Self::LowLatency => "low-latency",
            Self::Balanced => "balanced",
        }
    }

    /// The file.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::HighThroughput => include_str!("../../../../profiles/high-throughput.yaml"),
            Self::LowLatency => include_str!("../../../../profiles/low-latency.yaml"),
            Self::Balanced => include_str!("../../../../profiles/balanced.yaml"),
        }
    }
}
