//! What can be wrong with a record batch, and the Kafka code that answers it.
//!
//! The codes are those that Apache Kafka 4.3.1 gave to the same bytes, except where it fails with an
//! exception of its own (UNKNOWN_SERVER_ERROR) or believes the lie.
//!
//! - It fails on data that does not decompress, on varints that do not end, on compressed records whose offset
//!   deltas do not count up (all INVALID_RECORD here), and on codecs 5 to 7 (UNSUPPORTED_COMPRESSION_TYPE).
//! - It takes, and readers would trip over, offset deltas that do not count up in an uncompressed batch, record
//!   lengths inside a compressed one that do not fit the fields, lengths below −1, bytes behind the batch or the
//!   compressed stream, a delete horizon from a client, a transactional batch without producer id
//!   (INVALID_RECORD), a producer id with epoch −1 (INVALID_PRODUCER_EPOCH), LogAppendTime from a client in
//!   a topic with CreateTime (INVALID_TIMESTAMP).

use super::codec::Codec;
use super::record_error::RecordErrors;
use crate::ErrorCode;

/// Why a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does. A fetch response may end so; a produce request may not.
    #[error("{present} bytes are not a whole record batch, which needs {needed}")]
    Truncated {
        /// Bytes there are.
        present: usize,
        /// Bytes that the header promises, or that a header takes.
        needed: usize,
    },
    /// Another batch, or anything else, follows the batch.
    #[error("{bytes} bytes follow the record batch, exactly one batch is allowed")]
    Trailing {
        /// Bytes behind the batch.
        bytes: usize,
    },
    /// The batch length is below what a header takes, or negative.
    #[error("batch length {length} is below the minimum of 49")]
    Length {
        /// The length field.
        length: i32,
    },
    /// No format version has this magic.
    #[error("unknown magic {magic}")]
    Magic {
        /// The magic byte.
        magic: i8,
    },
    /// Message formats 0 and 1 are not taken from a producer since KIP-724.
    #[error("message format {magic} is no longer supported, only 2 is")]
    OldMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The bytes are not those that the CRC was made of.
    #[error("record batch is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc {
        /// CRC in the header.
        stored: u32,
        /// CRC of the bytes.
        computed: u32,
    },
    /// The batch is larger than the topic takes.
    #[error("record batch of {bytes} bytes exceeds the maximum of {bytes_max}")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
        /// `max.message.bytes`.
        bytes_max: usize,
    },
    /// The records decompress to more than is worth the work.
    #[error("record batch decompresses to more than {bytes_max} bytes")]
    DecompressedTooLarge {
        /// The bound in [`super::Limits`].
        bytes_max: usize,
    },
    /// The attributes name a codec that does not exist.
    #[error("unknown compression codec {id}")]
    UnknownCodec {
        /// Codec id, 5 to 7.
        id: i16,
    },
    /// The codec could not make anything of the data.
    #[error("{codec} data can't be decompressed: {reason}")]
    Undecodable {
        /// The codec in the attributes.
        codec: Codec,
        /// What it stumbled over.
        reason: &'static str,
    },
    /// A header field that no client may send, or one that contradicts another.
    #[error("{0}")]
    Header(HeaderFault),
    /// An idempotent batch without an epoch.
    #[error("producer {producer_id} sent producer epoch {producer_epoch}")]
    ProducerEpoch {
        /// Producer id in the header.
        producer_id: i64,
        /// Producer epoch in the header.
        producer_epoch: i16,
    },
    /// A producer may not say that its timestamps are the log's append time.
    #[error("invalid timestamp type: a producer must not set LogAppendTime")]
    TimestampType,
    /// Records break a rule of the topic.
    #[error("{0}")]
    Records(Box<RecordErrors>),
    /// A record whose bytes contradict themselves.
    #[error("record {index}: {fault}")]
    Record {
        /// The record's place in the batch.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
}

/// A header field that is wrong in a batch from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Offsets are the broker's to give.
    #[error("base offset {0} must be 0")]
    BaseOffset(i64),
    /// A batch has at least one record.
    #[error("invalid record count {0}")]
    Count(i32),
    /// Offsets in a new batch have no gaps.
    #[error("last offset delta {last_offset_delta} does not fit {count} records")]
    LastOffsetDelta {
        /// The field.
        last_offset_delta: i32,
        /// The record count.
        count: i32,
    },
    /// Only the broker writes transaction markers.
    #[error("clients are not allowed to write control records")]
    Control,
    /// Only compaction writes delete horizons.
    #[error("clients are not allowed to write delete horizons")]
    DeleteHorizon,
    /// A transaction belongs to a producer id.
    #[error("transactional batch without producer id")]
    TransactionalWithoutProducer,
    /// An idempotent producer counts its records.
    #[error("invalid sequence {base_sequence} in a batch of producer {producer_id}")]
    Sequence {
        /// Producer id in the header.
        producer_id: i64,
        /// Base sequence in the header.
        base_sequence: i32,
    },
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The batch says that there are more records than it holds.
    #[error("the batch ends before it")]
    Missing,
    /// Bytes are left after the last record.
    #[error("it should be the last, but bytes follow")]
    NotLast,
    /// The record's own length is negative or reaches past the batch.
    #[error("length {0} does not fit the batch")]
    Length(i32),
    /// A key, value or header reaches past the record, or the record is too short for its fields.
    #[error("a field does not fit the record's length")]
    FieldPastEnd,
    /// The record is longer than its fields.
    #[error("{0} bytes are left behind its last field")]
    BytesLeft(usize),
    /// A varint of more than 5 bytes, or 10 for timestamps.
    #[error("a varint does not end")]
    Varint,
    /// Lengths are −1 for null, or not negative.
    #[error("invalid length {0} of a key, value or header")]
    FieldLength(i32),
    /// A number of headers that is negative or larger than the bytes left.
    #[error("invalid number of headers {0}")]
    HeaderCount(i32),
    /// Header keys are never null.
    #[error("a header has no key")]
    HeaderKey,
    /// Deltas count 0, 1, 2 … in a new batch.
    #[error("offset delta {0} is out of order")]
    OffsetDelta(i32),
    /// Base timestamp and delta do not fit 64 bits.
    #[error("timestamp delta {0} overflows")]
    TimestampDelta(i64),
    /// Not a transaction marker that this version knows.
    #[error("not a known control record")]
    Control,
}

impl BatchError {
    /// What a produce response says. A producer retries CORRUPT_MESSAGE, as the bytes may have been damaged on
    /// the way, and gives up on the others.
    pub fn code(&self) -> ErrorCode {
        match self {
            BatchError::Length { .. } | BatchError::Magic { .. } | BatchError::Crc { .. } => {
                ErrorCode::CORRUPT_MESSAGE
            }
            BatchError::TooLarge { .. } | BatchError::DecompressedTooLarge { .. } => {
                ErrorCode::MESSAGE_TOO_LARGE
            }
            BatchError::TimestampType | BatchError::Record { fault: RecordFault::TimestampDelta(_), .. } => {
                ErrorCode::INVALID_TIMESTAMP
            }
            BatchError::Records(errors) => errors.code(),
            BatchError::ProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
            BatchError::UnknownCodec { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            BatchError::Truncated { .. }
            | BatchError::Trailing { .. }
            | BatchError::OldMagic { .. }
            | BatchError::Undecodable { .. }
            | BatchError::Header(_)
            | BatchError::Record { .. } => ErrorCode::INVALID_RECORD,
        }
    }

    /// The refusal of a magic that is not 2.
    pub(super) fn of_magic(magic: i8) -> BatchError {
        match magic {
            0 | 1 => BatchError::OldMagic { magic },
            _ => BatchError::Magic { magic },
        }
    }
}
