//! Records that break a rule of their topic, in a batch that is sound by itself.
//!
//! As in Kafka the batch is looked at to its end, so that a client hears of all of them (KIP-467). Kafka names every one; here
//! only the first [`Limits::record_errors_max`](super::Limits) are named and the others counted, as a small compressed batch may
//! hold millions.

use std::fmt;

use crate::ErrorCode;

/// A record that is at fault, for `record_errors` of a produce response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {batch_index}: {rule}")]
pub struct RecordError {
    /// The record's place in the batch.
    pub batch_index: i32,
    /// What it breaks.
    pub rule: BrokenRule,
}

/// What a topic asks of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRule {
    /// A compacted topic needs a key to keep the last record of.
    #[error("a compacted topic cannot accept a record without key")]
    NoKey,
    /// Too old or too far ahead.
    #[error("timestamp {timestamp} is out of range [{oldest}, {newest}]")]
    Timestamp {
        /// Milliseconds.
        timestamp: i64,
        /// Oldest timestamp taken.
        oldest: i64,
        /// Newest timestamp taken.
        newest: i64,
    },
}

/// All that are at fault in a batch: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordErrors {
    named: Vec<RecordError>,
    total: usize,
    has_timestamp: bool,
}

impl RecordErrors {
    /// Notes one more; the first `named_max` are named.
    #[cold]
    pub(super) fn note(errors: &mut Option<Box<RecordErrors>>, error: RecordError, named_max: usize) {
        let errors = errors.get_or_insert_with(|| {
            Box::new(RecordErrors { named: Vec::new(), total: 0, has_timestamp: false })
        });
        errors.total += 1;
        errors.has_timestamp |= matches!(error.rule, BrokenRule::Timestamp { .. });
        if errors.named.len() < named_max {
            errors.named.push(error);
        }
    }

    /// Names no more than `named_max` of them; the others are only counted from now on.
    pub fn truncate(&mut self, named_max: usize) {
        self.named.truncate(named_max);
    }

    /// Those that are named, in their order in the batch.
    pub fn named(&self) -> &[RecordError] {
        &self.named
    }

    /// What the whole batch is answered with: a timestamp's code, where one is at fault.
    pub fn code(&self) -> ErrorCode {
        if self.has_timestamp { ErrorCode::INVALID_TIMESTAMP } else { ErrorCode::INVALID_RECORD }
    }
}

impl fmt::Display for RecordErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = if self.total == 1 { "one record is" } else { &format!("{} records are", self.total) };
        write!(f, "the batch is refused because {count} at fault")?;
        match self.named.first() {
            Some(first) if self.total == 1 => write!(f, ": {first}"),
            Some(first) => write!(f, ", the first is {first}"),
            None => Ok(()),
        }
    }
}
