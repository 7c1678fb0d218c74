//! The contract's settings (`kafka.batch.*`), their bounds and the three profiles.

use std::time::Duration;

/// How batches are formed. The defaults are those of [`Profile::Balanced`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Records of a batch at most (`max.size`).
    pub max_size: usize,
    /// Bytes of keys, values and headers of a batch at most (`max.bytes`); an item that is larger by itself is a batch alone.
    pub max_bytes: usize,
    /// Longest that an item waits for company (`linger.ms`); zero: it never does on purpose.
    pub linger: Duration,
    /// Whether a policy chooses the size that is aimed at (`adaptive.enabled`); else that is `max_size`.
    pub is_adaptive: bool,
    /// The least that is aimed at, in records (`adaptive.min.size`).
    pub adaptive_min_size: usize,
    /// The most (`adaptive.max.size`); of this and `max_size` the smaller one holds.
    pub adaptive_max_size: usize,
    /// What chooses (`adaptive.policy`).
    pub policy: PolicyName,
}

/// What chooses the size that is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyName {
    /// As much as is at hand: company is free, so the target is the upper bound, at any load.
    Company,
    /// By whether throughput improved, as first specified.
    Throughput,
}

/// A setting that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kafka.batch.{key}: \"{value}\": allowed is {range}")]
pub struct SettingError {
    /// The key, without `kafka.batch.`.
    pub key: &'static str,
    /// Its value.
    pub value: usize,
    /// What it may be.
    pub range: String,
}

impl Default for Settings {
    fn default() -> Self {
        Profile::Balanced.settings()
    }
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SettingError`]: the first setting that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let sizes = [
            ("max.size", self.max_size),
            ("max.bytes", self.max_bytes),
            ("adaptive.min.size", self.adaptive_min_size),
            ("adaptive.max.size", self.adaptive_max_size),
        ];
        if let Some((key, value)) = sizes.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingError { key, value, range: "at least 1".to_owned() });
        }
        if self.adaptive_min_size > self.adaptive_max_size {
            let range = format!("at most kafka.batch.adaptive.max.size, {}", self.adaptive_max_size);
            return Err(SettingError { key: "adaptive.min.size", value: self.adaptive_min_size, range });
        }
        Ok(())
    }
}

/// What a broker, or a user of this library, is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Large batches, and up to 50 ms of waiting.
    HighThroughput,
    /// Small batches, at most 1 ms of waiting, nothing adapts.
    LowLatency,
    /// In between; the default.
    Balanced,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HighThroughput, Self::LowLatency, Self::Balanced];

    /// Its name in files and arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HighThroughput => "high-throughput",
            Self::LowLatency => "low-latency",
            Self::Balanced => "balanced",
        }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(self) -> Settings {
        let (max_size, max_bytes, linger_ms, is_adaptive) = match self {
            Self::HighThroughput => (5000, 10_485_760, 50, true),
            Self::LowLatency => (10, 102_400, 1, false),
            Self::Balanced => (1000, 1_048_576, 10, true),
        };
        Settings {
            max_size,
            max_bytes,
            linger: Duration::from_millis(linger_ms),
            is_adaptive,
            adaptive_min_size: 16,
            adaptive_max_size: 10_000,
            policy: PolicyName::Company,
        }
    }
}

#[cfg(test)]
#[path = "settings_test.rs"]
mod settings_test;
