//! Why bytes could not be decoded.

/// Why bytes are not what they claim to be; `at` is a position in the reader's bytes.
///
/// All variants mean the same next step for a broker, to close the connection, except
/// [`UnsupportedVersion`](Self::UnsupportedVersion), which has a Kafka error of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A value goes on beyond the last byte.
    #[error("at byte {at}: {needed} bytes wanted, {left} left")]
    Truncated {
        /// Position of the value.
        at: usize,
        /// What the value needs.
        needed: usize,
        /// What the input still has.
        left: usize,
    },
    /// A string is longer than Kafka lets strings be, whatever its form.
    #[error("at byte {at}: string of {length} bytes, more than {length_max}")]
    StringTooLong {
        /// Position of the string's first byte.
        at: usize,
        /// Length in bytes.
        length: usize,
        /// The limit in bytes.
        length_max: usize,
    },
    /// An array claims more elements than the remaining bytes can hold.
    #[error("at byte {at}: array of {count} elements in {left} bytes")]
    ArrayTooLong {
        /// Position of the first element.
        at: usize,
        /// Elements claimed.
        count: usize,
        /// What the input still has.
        left: usize,
    },
    /// Null where this version has no null.
    #[error("at byte {at}: null where a value must be")]
    Null {
        /// Position after the null.
        at: usize,
    },
    /// A varint that does not end within its width.
    #[error("at byte {at}: varint is longer than {bits} bits")]
    VarintTooLong {
        /// Position of the varint.
        at: usize,
        /// Its width.
        bits: u32,
    },
    /// A tagged field that is longer than its value.
    #[error("at byte {at}: {left} bytes left over in tagged field {tag}")]
    TaggedFieldTooLong {
        /// Position of the field's end.
        at: usize,
        /// The field's tag.
        tag: u32,
        /// Bytes that its value did not take.
        left: usize,
    },
    /// Bytes after the end of the message.
    #[error("{left} bytes after the end of the message")]
    TrailingBytes {
        /// How many.
        left: usize,
    },
    /// A version that this message does not have.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A key that is no API of a Kafka 4.3 broker.
    #[error("API key {key} is not known")]
    UnknownApiKey {
        /// The key as it was sent.
        key: i16,
    },
}
