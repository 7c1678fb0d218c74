//! The 61 bytes in front of every record batch of magic 2, and what may be changed in them.
//!
//! ```text
//!  0 base offset i64            21 attributes i16          43 producer id i64
//!  8 batch length i32           23 last offset delta i32   51 producer epoch i16
//! 12 partition leader epoch i32 27 base timestamp i64      53 base sequence i32
//! 16 magic i8                   35 max timestamp i64       57 record count i32
//! 17 crc u32 (CRC32C)                                      61 records, compressed or not
//! ```
//!
//! The batch length counts from byte 12. The CRC covers everything from byte 21, so a broker may set
//! the base offset and the leader epoch without touching it; whoever changes a timestamp writes it anew.
//!
//! Refused here: what is too short for a header, and any other magic (older ones have another layout).
//! Whether the fields tell the truth is `validate`'s business.

use super::codec::Codec;
use super::error::BatchError;

/// Bytes of a batch before its first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes that the batch length does not count: the base offset and the length itself.
pub const LENGTH_COVERS_FROM: usize = 12;
/// First byte that the CRC covers.
pub const CRC_COVERS_FROM: usize = 21;
/// Position of the base offset.
pub const BASE_OFFSET_AT: usize = 0;
/// Position of the batch length.
pub const BATCH_LENGTH_AT: usize = 8;
/// Position of the partition leader epoch.
pub const PARTITION_LEADER_EPOCH_AT: usize = 12;
/// Position of the magic byte, the same in every format version.
pub const MAGIC_AT: usize = 16;
/// Position of the CRC32C.
pub const CRC_AT: usize = 17;
/// Position of the attributes.
pub const ATTRIBUTES_AT: usize = 21;
/// Position of the last offset delta.
pub const LAST_OFFSET_DELTA_AT: usize = 23;
/// Position of the base timestamp.
pub const BASE_TIMESTAMP_AT: usize = 27;
/// Position of the max timestamp.
pub const MAX_TIMESTAMP_AT: usize = 35;
/// Position of the producer id.
pub const PRODUCER_ID_AT: usize = 43;
/// Position of the producer epoch.
pub const PRODUCER_EPOCH_AT: usize = 51;
/// Position of the base sequence.
pub const BASE_SEQUENCE_AT: usize = 53;
/// Position of the record count.
pub const RECORD_COUNT_AT: usize = 57;

/// The only format version that is read and written.
pub const MAGIC: i8 = 2;
/// Producer id of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// Producer epoch of such a batch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// Base sequence of such a batch.
pub const NO_SEQUENCE: i32 = -1;
/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;
/// Leader epoch of a batch that no leader has taken yet.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

/// Attribute bits 0 to 2: the codec.
pub const CODEC_MASK: i16 = 0x07;
/// Attribute bit 3: the timestamps are the log's append time, not the producer's.
pub const LOG_APPEND_TIME_BIT: i16 = 0x08;
/// Attribute bit 4: part of a transaction.
pub const TRANSACTIONAL_BIT: i16 = 0x10;
/// Attribute bit 5: control records, which no consumer delivers.
pub const CONTROL_BIT: i16 = 0x20;
/// Attribute bit 6: the base timestamp is a delete horizon, written by compaction (KIP-534).
pub const DELETE_HORIZON_BIT: i16 = 0x40;

/// Whose clock the timestamps of a batch show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's; each record has its own.
    CreateTime,
    /// The leader's at the append; the max timestamp stands for every record.
    LogAppendTime,
}

/// All fields of a batch header, as they are in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (0 from a producer).
    pub base_offset: i64,
    /// Bytes of the batch from byte 12 on.
    pub batch_length: i32,
    /// Epoch of the leader that took the batch.
    pub partition_leader_epoch: i32,
    /// Format version, always 2 after [`BatchHeader::parse`].
    pub magic: i8,
    /// CRC32C of everything from byte 21 on.
    pub crc: u32,
    /// Codec and flags; see the accessors.
    pub attributes: i16,
    /// Offset of the last record minus the base offset.
    pub last_offset_delta: i32,
    /// Milliseconds that the records' timestamp deltas are relative to.
    pub base_timestamp: i64,
    /// Largest record timestamp in milliseconds, or the append time.
    pub max_timestamp: i64,
    /// The idempotent producer, or −1.
    pub producer_id: i64,
    /// Its epoch, or −1.
    pub producer_epoch: i16,
    /// Sequence of the first record, or −1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `batch`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`BatchError::Truncated`] below 61 bytes, [`BatchError::Magic`] or [`BatchError::OldMagic`] for
    /// any magic but 2.
    pub fn parse(batch: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(h) = batch.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { present: batch.len(), needed: HEADER_BYTES });
        };
        let magic = i8_at(h, MAGIC_AT);
        if magic != MAGIC {
            return Err(BatchError::of_magic(magic));
        }
        Ok(BatchHeader {
            base_offset: i64_at(h, BASE_OFFSET_AT),
            batch_length: i32_at(h, BATCH_LENGTH_AT),
            partition_leader_epoch: i32_at(h, PARTITION_LEADER_EPOCH_AT),
            magic,
            crc: u32_at(h, CRC_AT),
            attributes: i16_at(h, ATTRIBUTES_AT),
            last_offset_delta: i32_at(h, LAST_OFFSET_DELTA_AT),
            base_timestamp: i64_at(h, BASE_TIMESTAMP_AT),
            max_timestamp: i64_at(h, MAX_TIMESTAMP_AT),
            producer_id: i64_at(h, PRODUCER_ID_AT),
            producer_epoch: i16_at(h, PRODUCER_EPOCH_AT),
            base_sequence: i32_at(h, BASE_SEQUENCE_AT),
            record_count: i32_at(h, RECORD_COUNT_AT),
        })
    }

    /// Writes every field, the CRC too, as it stands: [`seal`] computes the CRC.
    ///
    /// # Errors
    /// [`BatchError::Truncated`] when `batch` is shorter than a header.
    pub fn write(&self, batch: &mut [u8]) -> Result<(), BatchError> {
        let present = batch.len();
        let Some(h) = batch.first_chunk_mut::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { present, needed: HEADER_BYTES });
        };
        put(h, BASE_OFFSET_AT, self.base_offset.to_be_bytes());
        put(h, BATCH_LENGTH_AT, self.batch_length.to_be_bytes());
        put(h, PARTITION_LEADER_EPOCH_AT, self.partition_leader_epoch.to_be_bytes());
        put(h, MAGIC_AT, self.magic.to_be_bytes());
        put(h, CRC_AT, self.crc.to_be_bytes());
        put(h, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        put(h, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(h, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(h, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(h, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(h, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(h, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(h, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        Ok(())
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`BatchError::UnknownCodec`] for ids 5 to 7.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        let id = self.attributes & CODEC_MASK;
        Codec::from_id(id).ok_or(BatchError::UnknownCodec { id })
    }

    /// Whose clock the timestamps show.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the records belong to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the records are control records (transaction markers).
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether the base timestamp is compaction's delete horizon (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON_BIT != 0
    }

    /// Whether an idempotent producer wrote the batch. Any negative id is none, as in Kafka.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Sequence of the last record, −1 without an idempotent producer.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            NO_SEQUENCE
        } else {
            sequence_after(self.base_sequence, self.last_offset_delta)
        }
    }

    /// The base sequence that the producer's next batch must have, −1 without an idempotent producer.
    pub fn next_sequence(&self) -> i32 {
        if self.base_sequence < 0 { NO_SEQUENCE } else { sequence_after(self.last_sequence(), 1) }
    }
}

/// The sequence `increment` records after `sequence`: after `i32::MAX` comes 0.
///
/// Both must not be negative; other values give some sequence, never a panic.
pub fn sequence_after(sequence: i32, increment: i32) -> i32 {
    // Kafka's arithmetic is modulo 2^31: dropping the sign bit of the wrapped sum is the same thing.
    sequence.wrapping_add(increment) & i32::MAX
}

/// Takes a batch into a partition's log: its base offset and the epoch of the leader that took it.
///
/// Touches only bytes that the CRC does not cover.
///
/// # Errors
/// [`BatchError::Truncated`] when `batch` is shorter than a header.
pub fn assign_offset(
    batch: &mut [u8],
    base_offset: i64,
    partition_leader_epoch: i32,
) -> Result<(), BatchError> {
    let present = batch.len();
    let Some(h) = batch.first_chunk_mut::<HEADER_BYTES>() else {
        return Err(BatchError::Truncated { present, needed: HEADER_BYTES });
    };
    put(h, BASE_OFFSET_AT, base_offset.to_be_bytes());
    put(h, PARTITION_LEADER_EPOCH_AT, partition_leader_epoch.to_be_bytes());
    Ok(())
}

/// Stamps a batch for a topic with `message.timestamp.type=LogAppendTime`: type, max timestamp, CRC.
///
/// # Errors
/// [`BatchError::Truncated`] when `batch` is shorter than a header.
pub fn set_log_append_time(batch: &mut [u8], append_time_ms: i64) -> Result<(), BatchError> {
    set_max_timestamp(batch, TimestampType::LogAppendTime, append_time_ms)
}

/// Sets type and max timestamp and computes the CRC; nothing is touched when both hold already.
///
/// With [`TimestampType::CreateTime`] this corrects a producer whose header says another maximum than
/// its records have, which Kafka repairs in silence too.
///
/// # Errors
/// [`BatchError::Truncated`] when `batch` is shorter than a header.
pub fn set_max_timestamp(
    batch: &mut [u8],
    timestamp_type: TimestampType,
    max_timestamp_ms: i64,
) -> Result<(), BatchError> {
    let present = batch.len();
    let Some(h) = batch.first_chunk_mut::<HEADER_BYTES>() else {
        return Err(BatchError::Truncated { present, needed: HEADER_BYTES });
    };
    let before = i16_at(h, ATTRIBUTES_AT);
    let attributes = match timestamp_type {
        TimestampType::CreateTime => before & !LOG_APPEND_TIME_BIT,
        TimestampType::LogAppendTime => before | LOG_APPEND_TIME_BIT,
    };
    if attributes == before && i64_at(h, MAX_TIMESTAMP_AT) == max_timestamp_ms {
        return Ok(());
    }
    put(h, ATTRIBUTES_AT, attributes.to_be_bytes());
    put(h, MAX_TIMESTAMP_AT, max_timestamp_ms.to_be_bytes());
    seal(batch)
}

/// Computes the CRC of a whole batch and writes it into its header.
///
/// # Errors
/// [`BatchError::Truncated`] when `batch` is shorter than a header.
pub fn seal(batch: &mut [u8]) -> Result<(), BatchError> {
    let present = batch.len();
    if present < HEADER_BYTES {
        return Err(BatchError::Truncated { present, needed: HEADER_BYTES });
    }
    let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    put(batch, CRC_AT, crc.to_be_bytes());
    Ok(())
}

/// Compares the CRC in the header with that of the bytes of `batch`, which is exactly one batch.
///
/// # Errors
/// [`BatchError::Crc`] when they differ, [`BatchError::Truncated`] without a whole header.
pub fn check_crc(batch: &[u8]) -> Result<(), BatchError> {
    let Some(h) = batch.first_chunk::<HEADER_BYTES>() else {
        return Err(BatchError::Truncated { present: batch.len(), needed: HEADER_BYTES });
    };
    let stored = u32_at(h, CRC_AT);
    let computed = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn bytes_at<const N: usize>(h: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|i| h[at + i])
}

fn i8_at(h: &[u8; HEADER_BYTES], at: usize) -> i8 {
    i8::from_be_bytes(bytes_at(h, at))
}

fn i16_at(h: &[u8; HEADER_BYTES], at: usize) -> i16 {
    i16::from_be_bytes(bytes_at(h, at))
}

fn i32_at(h: &[u8; HEADER_BYTES], at: usize) -> i32 {
    i32::from_be_bytes(bytes_at(h, at))
}

fn u32_at(h: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_be_bytes(bytes_at(h, at))
}

fn i64_at(h: &[u8; HEADER_BYTES], at: usize) -> i64 {
    i64::from_be_bytes(bytes_at(h, at))
}
