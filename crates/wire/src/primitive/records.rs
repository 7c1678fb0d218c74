//! The value of a `records` field: whole record batches that a message carries without looking into them.

use bytes::Bytes;

/// Record batches, one after the other.
///
/// Decoding gives [`Null`](Self::Null) or [`Slice`](Self::Slice); the other two are for what a broker sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Records<'a> {
    /// No value, which Kafka also takes for "no records".
    #[default]
    Null,
    /// Borrowed bytes, from the frame when decoded.
    Slice(&'a [u8]),
    /// Shared pieces, copied while encoding.
    Parts(Vec<Bytes>),
    /// So many bytes that are not copied: encoding writes their length and notes the place in
    /// [`Writer::splices`](super::Writer::splices).
    Spliced(usize),
}

impl<'a> Records<'a> {
    /// Length in bytes; 0 for null.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Slice(bytes) => bytes.len(),
            Self::Parts(parts) => parts.iter().map(Bytes::len).sum(),
            Self::Spliced(length) => *length,
        }
    }

    /// Whether there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The borrowed bytes, if this is a decoded value that is not null.
    #[must_use]
    pub const fn as_slice(&self) -> Option<&'a [u8]> {
        match self {
            Self::Slice(bytes) => Some(bytes),
            _ => None,
        }
    }
}
