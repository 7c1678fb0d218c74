//! Facts about which records a log forgets; the answers are those of Kafka 4.3.1 to the same logs.

use super::*;
use crate::log_config::CleanupPolicy;

/// A log of ten offsets a segment, each (bytes, largest timestamp).
fn log(log_start: i64, segments: &[(u64, i64)]) -> LogExtent {
    let segments: Vec<SegmentExtent> = segments
        .iter()
        .zip(0..)
        .map(|((bytes, max_timestamp), place)| SegmentExtent {
            base_offset: place * 10,
            end_offset: place * 10 + 10,
            bytes: *bytes,
            max_timestamp: *max_timestamp,
        })
        .collect();
    LogExtent { log_start, log_end: segments.last().map_or(0, |segment| segment.end_offset), segments }
}

fn config(ms: Option<i64>, bytes: Option<u64>) -> LogConfig {
    LogConfig { retention_ms: ms, retention_bytes: bytes, ..LogConfig::default() }
}

const FOUR: [(u64, i64); 4] = [(100, 10), (100, 20), (100, 30), (50, 40)];

#[test]
fn a_log_keeps_at_least_its_bytes_in_whole_segments() {
    for (bytes, log_start) in [
        (351, None),
        (350, None),
        (251, None),
        (250, Some(10)),
        (249, Some(10)),
        (150, Some(20)),
        (51, Some(20)),
        (50, Some(30)),
        (1, Some(30)),
        (0, Some(40)),
    ] {
        let verdict = decide(&log(0, &FOUR), &config(None, Some(bytes)), WallTime(1_000_000));
        assert_eq!(verdict, Verdict { log_start, next_at: None }, "{bytes} bytes");
    }
}

#[test]
fn a_segment_goes_when_its_youngest_record_is_older_than_the_time() {
    for (now, log_start, next_at) in [
        (110, None, Some(111)),
        (111, Some(10), Some(121)),
        (131, Some(30), Some(141)),
        (140, Some(30), Some(141)),
        (141, Some(40), None),
    ] {
        let verdict = decide(&log(0, &FOUR), &config(Some(100), None), WallTime(now));
        assert_eq!(verdict, Verdict { log_start, next_at: next_at.map(WallTime) }, "at {now}");
    }
}

// What is old behind something young stays: a log has no holes.
#[test]
fn a_young_segment_keeps_the_old_ones_behind_it() {
    let log = log(0, &[(100, 10), (100, 900), (100, 10)]);
    let verdict = decide(&log, &config(Some(100), None), WallTime(950));
    assert_eq!(verdict, Verdict { log_start: Some(10), next_at: Some(WallTime(1001)) });
}

#[test]
fn time_goes_on_where_size_has_stopped() {
    // Too large by the first, which is young; the second is old.
    let log = log(0, &[(100, 900), (100, 10), (100, 900)]);
    let verdict = decide(&log, &config(Some(100), Some(150)), WallTime(950));
    assert_eq!(verdict.log_start, Some(20));
}

#[test]
fn what_is_deleted_already_does_not_count() {
    // Two segments lie below the log start, their files are not gone yet.
    let verdict = decide(&log(25, &FOUR), &config(None, Some(150)), WallTime(0));
    assert_eq!(verdict, Verdict::default());
    let verdict = decide(&log(25, &FOUR), &config(None, Some(50)), WallTime(0));
    assert_eq!(verdict.log_start, Some(30));
    let verdict = decide(&log(40, &FOUR), &config(Some(0), Some(0)), WallTime(1_000_000));
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn records_of_the_future_and_without_time_do_not_expire() {
    let future = log(0, &[(100, i64::MAX)]);
    let verdict = decide(&future, &config(Some(100), None), WallTime(1000));
    assert_eq!(verdict, Verdict { log_start: None, next_at: Some(WallTime(i64::MAX)) });
    let timeless = log(0, &[(100, -1)]);
    assert_eq!(decide(&timeless, &config(Some(0), None), WallTime(1000)), Verdict::default());
}

#[test]
fn nothing_is_deleted_where_the_policy_does_not_say_delete() {
    for compact in [true, false] {
        let cleanup = CleanupPolicy { delete: false, compact };
        let config = LogConfig { cleanup, ..config(Some(0), Some(0)) };
        assert_eq!(decide(&log(0, &FOUR), &config, WallTime(1_000_000)), Verdict::default());
    }
}

#[test]
fn an_empty_log_has_nothing_to_forget() {
    let empty = LogExtent { log_start: 7, log_end: 7, segments: Vec::new() };
    assert_eq!(decide(&empty, &config(Some(0), Some(0)), WallTime(1000)), Verdict::default());
}
