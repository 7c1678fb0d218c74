//! The zig-zag varints inside records (protobuf's `sint32` and `sint64`).
//!
//! At most 5 bytes for 32 bits and 10 for 64. Overlong forms of a value are read, as Kafka does, which
//! also drops the bits of a last byte that do not fit; they are never written.

/// Bytes of the longest 32-bit varint.
const VARINT_BYTES_MAX: usize = 5;
/// Bytes of the longest 64-bit varint.
const VARLONG_BYTES_MAX: usize = 10;

/// Why no varint could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VarintError {
    /// The bytes end inside it.
    End,
    /// It has more bytes than the type can need.
    Overlong,
}

/// Reads a 32-bit varint from the front of `bytes`: its value and its length.
#[inline]
pub(super) fn read_i32(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    // One byte holds −64 to 63, which is most lengths of keys, headers and deltas.
    if let Some(&first) = bytes.first()
        && first < 0x80
    {
        return Ok((i32::from(first >> 1) ^ -i32::from(first & 1), 1));
    }
    let (raw, length) = read_raw(bytes, VARINT_BYTES_MAX)?;
    let low = raw & u64::from(u32::MAX);
    let raw = u32::try_from(low).unwrap_or(u32::MAX);
    Ok(((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed(), length))
}

/// Reads a 64-bit varint from the front of `bytes`: its value and its length.
#[inline]
pub(super) fn read_i64(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    if let Some(&first) = bytes.first()
        && first < 0x80
    {
        return Ok((i64::from(first >> 1) ^ -i64::from(first & 1), 1));
    }
    let (raw, length) = read_raw(bytes, VARLONG_BYTES_MAX)?;
    Ok(((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed(), length))
}

fn read_raw(bytes: &[u8], bytes_max: usize) -> Result<(u64, usize), VarintError> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().take(bytes_max).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < bytes_max { VarintError::End } else { VarintError::Overlong })
}

/// Appends a 32-bit varint.
pub(super) fn write_i32(value: i32, out: &mut Vec<u8>) {
    write_i64(i64::from(value), out);
}

/// Appends a 64-bit varint.
pub(super) fn write_i64(value: i64, out: &mut Vec<u8>) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        out.push(low_byte(raw) | 0x80);
        raw >>= 7;
    }
    out.push(low_byte(raw));
}

/// Bytes that [`write_i64`] appends, and [`write_i32`] for a value that fits.
pub(super) fn size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(VARLONG_BYTES_MAX)
}

fn zigzag(value: i64) -> u64 {
    (value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned()
}

fn low_byte(raw: u64) -> u8 {
    raw.to_le_bytes()[0] & 0x7f
}
