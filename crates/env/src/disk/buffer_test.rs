use super::buffer::{AlignedBuffer, BLOCK_BYTES};

/// A direct write from memory that is not aligned fails with EINVAL, on some machines only.
#[test]
fn stays_aligned_and_whole_while_it_grows() {
    let mut buffer = AlignedBuffer::new();
    let mut expected = Vec::new();
    for step in 0..200_usize {
        let bytes = vec![u8::try_from(step % 251).unwrap(); step * 37 % 9000];
        buffer.extend_from_slice(&bytes);
        expected.extend_from_slice(&bytes);
        assert!(buffer.is_empty() || buffer.as_slice().as_ptr().addr().is_multiple_of(BLOCK_BYTES));
    }
    assert_eq!(buffer.as_slice(), expected);
}

/// Bytes of an earlier use must not come back as padding.
#[test]
fn padding_is_zero_after_reuse() {
    let mut buffer = AlignedBuffer::new();
    buffer.extend_from_slice(&[7; 5000]);
    buffer.clear();
    buffer.extend_from_slice(&[1; 10]);
    buffer.resize(BLOCK_BYTES);
    assert_eq!(&buffer.as_slice()[..10], &[1; 10]);
    assert!(buffer.as_slice()[10..].iter().all(|byte| *byte == 0));
}
