//! Retention: which records a log forgets by their age and by its size.
//!
//! The leader decides, and its decision is an entry like any other ([`crate::shard::entry::log_starts_advanced`]), so that
//! all replicas forget the same records; files follow where they are. Deleted is by whole segments, the oldest first, with
//! the tail in memory counted to the last one. The rule is Kafka's, tried with 4.3.1: first what the log has too much by
//! `retention.bytes`, then what is older than `retention.ms`, up to the first segment that is to stay, whatever comes
//! behind it; the segment that is appended to goes too.
//!
//! Refused: asking the clock here ([`keeper`] does), and ages of records without timestamps, which stay until the size or a
//! client removes them (Kafka goes by the time of the file's last change).

mod keeper;
#[cfg(test)]
mod retention_test;

use env::WallTime;
use storage::partition_log::{LogExtent, SegmentExtent};

pub(crate) use self::keeper::{RetentionKeeper, Stir, advance_log_starts};
use crate::log_config::LogConfig;

/// What is to become of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Where it begins from now on, if later than before.
    log_start: Option<i64>,
    /// When the next segment is too old; `None` when time alone deletes nothing.
    next_at: Option<WallTime>,
}

/// Decides about one log.
fn decide(log: &LogExtent, config: &LogConfig, now: WallTime) -> Verdict {
    if !config.cleanup.delete {
        return Verdict::default();
    }
    // What lies below the log start is deleted already, the files are on their way.
    let first = log.segments.partition_point(|segment| segment.end_offset <= log.log_start);
    let live = &log.segments[first..];
    let left = drop_too_old(drop_too_much(live, config.retention_bytes), config.retention_ms, now);
    let is_shorter = left.len() < live.len();
    Verdict {
        log_start: is_shorter.then(|| left.first().map_or(log.log_end, |segment| segment.base_offset)),
        next_at: left.first().and_then(|segment| expires_at(segment, config.retention_ms)),
    }
}

/// Without the oldest segments, as long as at least `bytes_kept` remain.
fn drop_too_much(segments: &[SegmentExtent], bytes_kept: Option<u64>) -> &[SegmentExtent] {
    let Some(bytes_kept) = bytes_kept else { return segments };
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut surplus = bytes.saturating_sub(bytes_kept);
    let is_kept = |segment: &SegmentExtent| match surplus.checked_sub(segment.bytes) {
        Some(left) => {
            surplus = left;
            false
        }
        None => true,
    };
    let first = segments.iter().position(is_kept).unwrap_or(segments.len());
    &segments[first..]
}

/// Without the segments before the first one that is young enough.
fn drop_too_old(segments: &[SegmentExtent], ms: Option<i64>, now: WallTime) -> &[SegmentExtent] {
    let is_kept = |segment: &SegmentExtent| expires_at(segment, ms).is_none_or(|at| now < at);
    let first = segments.iter().position(is_kept).unwrap_or(segments.len());
    &segments[first..]
}

/// When a segment has been kept for long enough: its last moment is `ms` after its largest timestamp.
fn expires_at(segment: &SegmentExtent, ms: Option<i64>) -> Option<WallTime> {
    let kept_until = segment.max_timestamp.saturating_add(ms?);
    (segment.max_timestamp >= 0).then(|| WallTime(kept_until.saturating_add(1)))
}
