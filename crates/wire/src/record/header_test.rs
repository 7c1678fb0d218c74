//! The header's bytes and arithmetic.

use super::header::*;
use super::{BatchError, Codec};

fn header() -> BatchHeader {
    BatchHeader {
        base_offset: 0x0102_0304_0506_0708,
        batch_length: 0x090a_0b0c,
        partition_leader_epoch: 0x0d0e_0f10,
        magic: 2,
        crc: 0x1112_1314,
        attributes: 0x1516,
        last_offset_delta: 0x1718_191a,
        base_timestamp: 0x1b1c_1d1e_1f20_2122,
        max_timestamp: 0x2324_2526_2728_292a,
        producer_id: 0x2b2c_2d2e_2f30_3132,
        producer_epoch: 0x3334,
        base_sequence: 0x3536_3738,
        record_count: 0x393a_3b3c,
    }
}

#[test]
fn every_field_has_its_place() {
    // Two fields swapped would still read back; the bytes counting up show the order.
    let mut bytes = [0; HEADER_BYTES];
    header().write(&mut bytes).unwrap();
    let mut expected: Vec<u8> = (1..=0x3c).collect();
    expected.insert(MAGIC_AT, 2);
    assert_eq!(bytes.as_slice(), expected);
    assert_eq!(BatchHeader::parse(&bytes), Ok(header()));
}

#[test]
fn another_magic_has_another_layout() {
    let mut bytes = [0; HEADER_BYTES];
    assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::OldMagic { magic: 0 }));
    bytes[MAGIC_AT] = 3;
    assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::Magic { magic: 3 }));
    assert_eq!(
        BatchHeader::parse(&bytes[..60]),
        Err(BatchError::Truncated { present: 60, needed: HEADER_BYTES })
    );
}

#[test]
fn attributes_are_told_apart() {
    let with = |attributes| BatchHeader { attributes, ..header() };
    assert_eq!(with(4).codec(), Ok(Codec::Zstd));
    assert_eq!(with(5).codec(), Err(BatchError::UnknownCodec { id: 5 }));
    assert_eq!(with(0x08).timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(with(!0x08).timestamp_type(), TimestampType::CreateTime);
    for (bit, is) in [
        (0x10, BatchHeader::is_transactional as fn(&BatchHeader) -> bool),
        (0x20, BatchHeader::is_control),
        (0x40, BatchHeader::has_delete_horizon),
    ] {
        assert!(is(&with(bit)) && !is(&with(!bit)), "{bit:x}");
    }
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(sequence_after(0, 1), 1);
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 5), 3);
    assert_eq!(sequence_after(i32::MAX, i32::MAX), i32::MAX - 1);
    let batch = BatchHeader { base_sequence: i32::MAX - 1, last_offset_delta: 2, ..header() };
    assert_eq!((batch.last_sequence(), batch.next_sequence()), (0, 1));
    let plain = BatchHeader { base_sequence: -1, ..batch };
    assert_eq!((plain.last_sequence(), plain.next_sequence()), (-1, -1));
}

#[test]
fn an_offset_is_assigned_without_touching_the_crc() {
    let mut bytes = [7; HEADER_BYTES + 3];
    seal(&mut bytes).unwrap();
    assign_offset(&mut bytes, 99, 5).unwrap();
    assert_eq!(check_crc(&bytes), Ok(()));
    bytes[MAGIC_AT] = 2;
    let parsed = BatchHeader::parse(&bytes).unwrap();
    assert_eq!((parsed.base_offset, parsed.partition_leader_epoch), (99, 5));
}

#[test]
fn a_timestamp_that_holds_already_is_left_alone() {
    // A wrong CRC must not be made right by a stamp that changes nothing.
    let mut bytes = [0; HEADER_BYTES];
    BatchHeader { attributes: 0, max_timestamp: 5, ..header() }.write(&mut bytes).unwrap();
    let before = bytes;
    set_max_timestamp(&mut bytes, TimestampType::CreateTime, 5).unwrap();
    assert_eq!(bytes, before);
    set_max_timestamp(&mut bytes, TimestampType::CreateTime, 6).unwrap();
    assert_eq!(check_crc(&bytes), Ok(()));
}

#[test]
fn what_is_too_short_is_refused_everywhere() {
    let mut short = [0; HEADER_BYTES - 1];
    let truncated = Err(BatchError::Truncated { present: HEADER_BYTES - 1, needed: HEADER_BYTES });
    assert_eq!(header().write(&mut short), truncated);
    assert_eq!(assign_offset(&mut short, 0, 0), truncated);
    assert_eq!(set_log_append_time(&mut short, 0), truncated);
    assert_eq!(seal(&mut short), truncated);
    assert_eq!(check_crc(&short), truncated);
}
