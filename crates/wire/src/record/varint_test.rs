//! Varints against their definition and their edges.

use proptest::prelude::*;

use super::varint::*;

fn written(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    write_i64(value, &mut out);
    out
}

#[test]
fn edges_have_their_known_bytes() {
    for (value, bytes) in [
        (0, vec![0]),
        (-1, vec![1]),
        (63, vec![0x7e]),
        (-64, vec![0x7f]),
        (64, vec![0x80, 1]),
        (i64::from(i32::MAX), vec![0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i64::from(i32::MIN), vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        (i64::MIN, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ] {
        assert_eq!(written(value), bytes, "{value}");
        assert_eq!(read_i64(&bytes), Ok((value, bytes.len())));
        assert_eq!(size(value), bytes.len());
    }
}

#[test]
fn bits_that_do_not_fit_are_dropped_as_in_kafka() {
    // Its batches are accepted with such lengths, so that they must mean the same here.
    assert_eq!(read_i32(&[0x90, 0x80, 0x80, 0x80, 0x70]), Ok((8, 5)));
    assert_eq!(read_i32(&[0x90, 0]), Ok((8, 2)));
}

#[test]
fn what_does_not_end_is_told_from_what_is_cut_off() {
    assert_eq!(read_i32(&[]), Err(VarintError::End));
    assert_eq!(read_i32(&[0x80; 4]), Err(VarintError::End));
    assert_eq!(read_i32(&[0x80; 5]), Err(VarintError::Overlong));
    assert_eq!(read_i64(&[0x80; 9]), Err(VarintError::End));
    assert_eq!(read_i64(&[0x80; 10]), Err(VarintError::Overlong));
}

proptest! {
    #[test]
    fn prop_varints_read_back(value in any::<i64>(), shift in 0u32..64, behind in any::<[u8; 3]>()) {
        let value = value >> shift;
        let mut bytes = written(value);
        prop_assert_eq!(size(value), bytes.len());
        let length = bytes.len();
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(read_i64(&bytes), Ok((value, length)));
        if let Ok(value) = i32::try_from(value) {
            prop_assert_eq!(read_i32(&bytes), Ok((value, length)));
        }
    }
}
