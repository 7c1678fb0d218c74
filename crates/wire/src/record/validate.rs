//! What a broker checks before it acknowledges a batch from a client.
//!
//! The header, the CRC, and every record: nothing that lies is acknowledged, as consumers of all makes
//! will have to read it. A compressed batch is decompressed through one reused buffer, so that what it
//! expands to costs time within [`Limits`], not memory.
//!
//! The order of the checks is Kafka's (its produce request, its log, its validator), so that a batch with
//! two faults gets the same answer. Where the answers differ, `error.rs` says so.

use super::batches::first_bytes;
use super::codec::{Codec, Contexts, DecompressBounds, Decompressor};
use super::error::{BatchError, HeaderFault, RecordFault};
use super::header::{BatchHeader, HEADER_BYTES, NO_TIMESTAMP, TimestampType, check_crc};
use super::record_error::{BrokenRule, RecordError, RecordErrors};
use super::walk::{self, Input, SliceInput, StreamInput, Walked};

/// Bytes of the buffer through which a compressed batch is walked.
const CHUNK_BYTES: usize = 64 << 10;

/// What the topic and the broker allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest batch in bytes, compressed, header included (`max.message.bytes`).
    pub batch_bytes_max: usize,
    /// Most bytes that the records of a compressed batch may decompress to.
    ///
    /// Kafka has no such bound; it keeps a small batch from holding a thread for seconds.
    pub decompressed_bytes_max: usize,
    /// Base-2 logarithm of the largest window that a zstd frame may ask for. The window's memory is
    /// used only as far as data comes out, and given back after the batch.
    pub zstd_window_log_max: u32,
    /// Oldest CreateTime taken, in milliseconds (now − `message.timestamp.before.max.ms`);
    /// `i64::MIN` in a topic with LogAppendTime.
    pub timestamp_oldest: i64,
    /// Newest CreateTime taken, in milliseconds (now + `message.timestamp.after.max.ms`);
    /// `i64::MAX` in a topic with LogAppendTime.
    pub timestamp_newest: i64,
    /// Whether each record needs a key (`cleanup.policy` contains `compact`).
    pub key_required: bool,
    /// Most records at fault that are named one by one. Kafka has no such bound; it keeps a small compressed batch from an answer
    /// of hundreds of megabytes.
    pub record_errors_max: usize,
}

impl Default for Limits {
    /// Kafka's default `max.message.bytes` and zstd window, 128 MiB decompressed, any timestamp, no key; 1,000 records
    /// at fault are named.
    fn default() -> Limits {
        Limits {
            batch_bytes_max: 1_048_588,
            decompressed_bytes_max: 128 << 20,
            zstd_window_log_max: 27,
            timestamp_oldest: i64::MIN,
            timestamp_newest: i64::MAX,
            key_required: false,
            record_errors_max: 1000,
        }
    }
}

impl Limits {
    pub(super) fn decompress_bounds(&self) -> DecompressBounds {
        DecompressBounds {
            bytes_max: self.decompressed_bytes_max,
            zstd_window_log_max: self.zstd_window_log_max,
        }
    }
}

/// What one thread keeps between batches: a buffer of 64 KiB and the codecs' contexts, both only
/// once a compressed batch has come.
#[derive(Default)]
pub struct Scratch {
    chunk: Vec<u8>,
    contexts: Contexts,
}

impl Scratch {
    /// The buffer, and the contexts beside it.
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut Contexts) {
        if self.chunk.is_empty() {
            self.chunk = vec![0; CHUNK_BYTES];
        }
        (&mut self.chunk, &mut self.contexts)
    }

    /// Gives back what an unusual batch made large.
    pub(super) fn trim(&mut self) {
        self.contexts.trim();
    }

    /// Bytes held between batches.
    pub fn retained_bytes(&self) -> usize {
        self.chunk.capacity() + self.contexts.retained_bytes()
    }
}

/// What the check has found out about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchInfo {
    /// The header as it was sent.
    pub header: BatchHeader,
    /// The codec of the records.
    pub codec: Codec,
    /// Largest timestamp of the records in milliseconds, −1 if none has one.
    ///
    /// A producer may have written another into the header; Kafka then corrects it in silence, see
    /// [`set_max_timestamp`](super::set_max_timestamp).
    pub max_timestamp: i64,
    /// Offset delta of the first record with that timestamp.
    pub offset_of_max_timestamp: i32,
    /// Bytes of keys, values, header keys and header values.
    pub key_value_header_bytes: u64,
}

/// Checks `batch`, which must be exactly one batch as a client may send it.
///
/// Cost: one pass for the CRC, one over the lengths; a compressed batch is decompressed. No allocation
/// for an uncompressed batch.
///
/// # Errors
/// The first fault of the batch, else all its records that break a rule of the topic, as a [`BatchError`] whose `code` is the
/// answer. Nothing of `scratch` is lost by it.
pub fn validate(batch: &[u8], limits: &Limits, scratch: &mut Scratch) -> Result<BatchInfo, BatchError> {
    let (header, codec) = check_header(batch, limits)?;
    let data = &batch[HEADER_BYTES..];
    if codec == Codec::None {
        return walk_records(header, codec, limits, &mut SliceInput::new(data));
    }
    let (chunk, contexts) = scratch.parts();
    let bytes_max = limits.decompressed_bytes_max;
    let walked = Decompressor::new(codec, data, contexts, limits.decompress_bounds())
        .map_err(|error| walk::refusal(error, codec, bytes_max))
        .and_then(|decompressor| {
            let mut input = StreamInput::new(decompressor, codec, bytes_max, chunk);
            walk_records(header, codec, limits, &mut input)
        });
    scratch.trim();
    walked
}

/// Everything that can be said without looking at a record.
fn check_header(batch: &[u8], limits: &Limits) -> Result<(BatchHeader, Codec), BatchError> {
    let bytes = first_bytes(batch)?;
    if bytes < batch.len() {
        return Err(BatchError::Trailing { bytes: batch.len() - bytes });
    }
    let header = BatchHeader::parse(batch)?;
    if header.base_offset != 0 {
        return Err(BatchError::Header(HeaderFault::BaseOffset(header.base_offset)));
    }
    if bytes > limits.batch_bytes_max {
        return Err(BatchError::TooLarge { bytes, bytes_max: limits.batch_bytes_max });
    }
    check_crc(batch)?;
    let codec = header.codec()?;
    check_client_fields(&header).map_err(BatchError::Header)?;
    if header.has_producer_id() && header.producer_epoch < 0 {
        let BatchHeader { producer_id, producer_epoch, .. } = header;
        return Err(BatchError::ProducerEpoch { producer_id, producer_epoch });
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Err(BatchError::TimestampType);
    }
    Ok((header, codec))
}

/// What a client may not claim.
fn check_client_fields(header: &BatchHeader) -> Result<(), HeaderFault> {
    let BatchHeader { record_count: count, last_offset_delta, producer_id, base_sequence, .. } = *header;
    if count < 1 {
        return Err(HeaderFault::Count(count));
    }
    if last_offset_delta != count - 1 {
        return Err(HeaderFault::LastOffsetDelta { last_offset_delta, count });
    }
    if header.is_control() {
        return Err(HeaderFault::Control);
    }
    if header.has_delete_horizon() {
        return Err(HeaderFault::DeleteHorizon);
    }
    if header.has_producer_id() && base_sequence < 0 {
        return Err(HeaderFault::Sequence { producer_id, base_sequence });
    }
    if header.is_transactional() && !header.has_producer_id() {
        return Err(HeaderFault::TransactionalWithoutProducer);
    }
    Ok(())
}

/// Walks over as many records as the header promises, and makes sure that there are no more.
#[inline]
fn walk_records<I: Input>(
    header: BatchHeader,
    codec: Codec,
    limits: &Limits,
    input: &mut I,
) -> Result<BatchInfo, BatchError> {
    let mut info = BatchInfo {
        header,
        codec,
        max_timestamp: NO_TIMESTAMP,
        offset_of_max_timestamp: 0,
        key_value_header_bytes: 0,
    };
    let mut errors = None;
    for index in 0..header.record_count {
        let fault = |fault| BatchError::Record { index, fault };
        let walked = walk::record(input, index)?;
        if walked.offset_delta != index {
            return Err(fault(RecordFault::OffsetDelta(walked.offset_delta)));
        }
        let delta = walked.timestamp_delta;
        let timestamp = header.base_timestamp.checked_add(delta);
        let timestamp = timestamp.ok_or(fault(RecordFault::TimestampDelta(delta)))?;
        if let Some(rule) = broken_rule(&walked, timestamp, limits) {
            let error = RecordError { batch_index: index, rule };
            RecordErrors::note(&mut errors, error, limits.record_errors_max);
        }
        if timestamp > info.max_timestamp {
            info.max_timestamp = timestamp;
            info.offset_of_max_timestamp = index;
        }
        info.key_value_header_bytes += u64::try_from(walked.payload_bytes).unwrap_or(u64::MAX);
    }
    walk::end(input, header.record_count)?;
    errors.map_or(Ok(info), |errors| Err(BatchError::Records(errors)))
}

/// The rule of the topic that a record breaks, the first in Kafka's order.
#[inline]
fn broken_rule(walked: &Walked, timestamp: i64, limits: &Limits) -> Option<BrokenRule> {
    let (oldest, newest) = (limits.timestamp_oldest, limits.timestamp_newest);
    if limits.key_required && !walked.has_key {
        Some(BrokenRule::NoKey)
    } else if timestamp == NO_TIMESTAMP || (oldest..=newest).contains(&timestamp) {
        None
    } else {
        Some(BrokenRule::Timestamp { timestamp, oldest, newest })
    }
}
