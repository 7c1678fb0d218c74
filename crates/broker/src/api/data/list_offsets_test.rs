//! Facts about offsets by time.

use wire::record::{Builder, Codec, Compression};

use super::*;

fn batch(codec: Codec, timestamps: &[i64]) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(codec)).base_offset(10).partition_leader_epoch(4);
    for timestamp in timestamps {
        builder.append(*timestamp, None, Some(b"v"), &[]).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn the_first_record_in_offset_order_counts_not_the_nearest_in_time() {
    // Timestamps are not sorted, and a batch's header knows only the first and the largest.
    for codec in Codec::ALL {
        let batch = batch(codec, &[100, 50, 300, 300, 150]);
        let find = |time, log_start| first_at(&batch, time, log_start).unwrap();
        let found = |timestamp, offset| Ok(Found { timestamp, offset, leader_epoch: 4 });
        assert_eq!(find(0, 0), found(100, 10));
        assert_eq!(find(101, 0), found(300, 12));
        assert_eq!(find(300, 13), found(300, 13));
        assert_eq!(find(200, 14), Err(15), "what lies before the log start is gone");
        assert_eq!(find(301, 0), Err(15));
    }
}

#[test]
fn special_times_exist_from_one_version_on() {
    for (time, since) in [(0, 1), (-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
        for version in 1..=11 {
            let wanted = if version < since { Err(ErrorCode::UNSUPPORTED_VERSION) } else { Ok(()) };
            assert_eq!(check_version(time, version), wanted, "time {time} in version {version}");
        }
    }
    assert_eq!(check_version(-7, 11), Err(ErrorCode::UNSUPPORTED_VERSION));
}
