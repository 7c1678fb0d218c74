//! Kafka's primitive types, read from and written to bytes: numbers, strings, arrays, tagged fields.
//!
//! Everything is big-endian. Lengths come in two forms, see [`Form`]. Reading borrows from the frame and
//! allocates nothing: strings are borrowed if they are UTF-8, arrays are [`Array`]s that are decoded while they are iterated.
//! Writing is infallible and appends to a `Vec<u8>`.
//!
//! Invariant: what was decoded never holds more than four times the memory of the frame that it came from, and none of
//! its own unless a string is not UTF-8.
//! Invariant: no input makes a [`Reader`] panic, and none costs more steps than a small multiple of its bytes.

mod array;
mod decode_error;
mod message;
mod reader;
mod records;
mod writer;

pub use array::{Array, Iter};
pub use decode_error::DecodeError;
pub use message::{Element, Message, Request};
pub use reader::Reader;
pub use records::Records;
pub use writer::{Splice, Writer};

use std::fmt;

/// How a message version writes lengths, and whether its structs end with tagged fields (KIP-482).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lengths are signed integers, 16 bits for strings and 32 bits for the rest, and -1 is null.
    Classic,
    /// Lengths are unsigned varints of length + 1, and 0 is null. Every struct ends with tagged fields.
    Compact,
}

impl Form {
    /// The form of `version` in a message that is flexible from version `first` on.
    #[must_use]
    pub const fn compact_since(first: i16, version: i16) -> Self {
        if version >= first { Self::Compact } else { Self::Classic }
    }
}

/// A topic id, directory id or member id: 16 opaque bytes (KIP-516).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The all-zero id, which stands for "none".
    pub const ZERO: Self = Self([0; 16]);
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Unpadded base64url, as Kafka prints ids.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for chunk in self.0.chunks(3) {
            let mut group = [0_u8; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for index in 0..=chunk.len() {
                let six = (bits >> (18 - 6 * index)) & 0x3f;
                write!(f, "{}", char::from(ALPHABET[widen(six)]))?;
            }
        }
        Ok(())
    }
}

/// A `u32` as an index or length. Lossless: the crate is built for targets of 32 bits and more.
pub(crate) fn widen(n: u32) -> usize {
    usize::try_from(n).expect("usize has at least 32 bits")
}

#[cfg(test)]
mod primitive_test;
