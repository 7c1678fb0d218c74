//! Building a batch from records.

use super::codec::{Codec, CompressError, Compression, Compressor};
use super::header::{
    BatchHeader, CONTROL_BIT, HEADER_BYTES, LENGTH_COVERS_FROM, LOG_APPEND_TIME_BIT, MAGIC,
    NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    TRANSACTIONAL_BIT, seal,
};
use super::read::{Header, Record};
use super::varint;

/// Largest batch before compression: its length must fit the header.
const BATCH_BYTES_MAX: usize = 0x7fff_ffff;

/// Why a record was not taken, or a batch not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Finish this batch and put the record into the next.
    #[error("a batch holds at most {BATCH_BYTES_MAX} bytes and 2147483647 records")]
    Full,
    /// Put the record into another batch: the distance to the first timestamp does not fit 64 bits.
    #[error("timestamp {timestamp} is too far from the batch's base timestamp {base}")]
    Timestamp {
        /// The record's timestamp in milliseconds.
        timestamp: i64,
        /// The first record's.
        base: i64,
    },
    /// There is nothing to send.
    #[error("a batch needs at least one record")]
    Empty,
    /// Finish it without compression.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

/// Collects records, then makes one batch of them.
///
/// The records lie uncompressed behind room for the header, so that an uncompressed batch is
/// finished in place. Offsets count up from the base offset without gaps.
#[derive(Debug, Clone)]
pub struct Builder {
    header: BatchHeader,
    compression: Compression,
    batch: Vec<u8>,
}

impl Builder {
    /// An empty batch as a producer sends it: base offset 0, no leader epoch, no producer id, CreateTime.
    pub fn new(compression: Compression) -> Builder {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            magic: MAGIC,
            crc: 0,
            attributes: compression.codec().id(),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        Builder { header, compression, batch: vec![0; HEADER_BYTES] }
    }

    /// Makes room for records of so many bytes, so that memory is asked for once.
    #[must_use]
    pub fn with_room_for(mut self, bytes: usize) -> Builder {
        self.batch.reserve(bytes.min(BATCH_BYTES_MAX));
        self
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Builder {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the epoch of the leader that takes the batch.
    #[must_use]
    pub fn partition_leader_epoch(mut self, epoch: i32) -> Builder {
        self.header.partition_leader_epoch = epoch;
        self
    }

    /// Makes the batch one of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Builder {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Builder {
        self.header.attributes |= TRANSACTIONAL_BIT;
        self
    }

    /// Makes the records control records.
    #[must_use]
    pub(super) fn control(mut self) -> Builder {
        self.header.attributes |= CONTROL_BIT;
        self
    }

    /// Gives the batch LogAppendTime, whatever timestamps the records have.
    #[must_use]
    pub fn log_append_time(mut self, append_time_ms: i64) -> Builder {
        self.header.attributes |= LOG_APPEND_TIME_BIT;
        self.header.max_timestamp = append_time_ms;
        self
    }

    /// Adds a record; `timestamp` in milliseconds, −1 for none.
    ///
    /// # Errors
    /// [`BuildError::Full`] or [`BuildError::Timestamp`]; the batch is as before.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let count = i32::try_from(headers.len()).map_err(|_| BuildError::Full)?;
        let mut bytes = field_bytes(key) + field_bytes(value) + varint::size(i64::from(count));
        for header in headers {
            bytes += field_bytes(Some(header.key)) + field_bytes(header.value);
        }
        self.start_record(timestamp, bytes)?;
        write_field(key, &mut self.batch);
        write_field(value, &mut self.batch);
        varint::write_i32(count, &mut self.batch);
        for header in headers {
            write_field(Some(header.key), &mut self.batch);
            write_field(header.value, &mut self.batch);
        }
        Ok(())
    }

    /// Adds a record of another batch with its timestamp, but with the next offset here; one copy of
    /// its bytes.
    ///
    /// # Errors
    /// [`BuildError::Full`] or [`BuildError::Timestamp`]; the batch is as before.
    pub fn append_record(&mut self, record: &Record<'_>) -> Result<(), BuildError> {
        self.start_record(record.timestamp, record.fields.len())?;
        self.batch.extend_from_slice(record.fields);
        Ok(())
    }

    /// Records so far.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes so far, before compression, with the header.
    pub fn bytes(&self) -> usize {
        self.batch.len()
    }

    /// Makes the batch, with codec contexts of its own.
    ///
    /// # Errors
    /// As [`finish_with`](Builder::finish_with).
    pub fn finish(self) -> Result<Vec<u8>, BuildError> {
        self.finish_with(&mut Compressor::default())
    }

    /// Makes the batch: compresses the records and writes the header with its CRC.
    ///
    /// # Errors
    /// [`BuildError::Empty`] without records; [`BuildError::Compress`] when the codec fails;
    /// [`BuildError::Full`] when compression made more than fits.
    pub fn finish_with(mut self, compressor: &mut Compressor) -> Result<Vec<u8>, BuildError> {
        if self.header.record_count == 0 {
            return Err(BuildError::Empty);
        }
        if self.compression.codec() != Codec::None {
            let mut batch = Vec::with_capacity(HEADER_BYTES + self.batch.len() / 2);
            batch.resize(HEADER_BYTES, 0);
            compressor.compress(self.compression, &self.batch[HEADER_BYTES..], &mut batch)?;
            self.batch = batch;
        }
        self.header.batch_length =
            i32::try_from(self.batch.len() - LENGTH_COVERS_FROM).map_err(|_| BuildError::Full)?;
        let written = self.header.write(&mut self.batch).and_then(|()| seal(&mut self.batch));
        written.expect("the batch has room for its header since it was made");
        Ok(self.batch)
    }

    /// Writes a record up to its offset delta; `fields` bytes are to follow.
    fn start_record(&mut self, timestamp: i64, fields: usize) -> Result<(), BuildError> {
        let first = self.header.record_count == 0;
        let base = if first { timestamp } else { self.header.base_timestamp };
        let timestamp_delta = timestamp.checked_sub(base).ok_or(BuildError::Timestamp { timestamp, base })?;
        let offset_delta = self.header.record_count;
        let count = offset_delta.checked_add(1).ok_or(BuildError::Full)?;
        let length = 1 + varint::size(timestamp_delta) + varint::size(i64::from(offset_delta)) + fields;
        let prefix = i32::try_from(length).map_err(|_| BuildError::Full)?;
        if self.batch.len() + varint::size(i64::from(prefix)) + length > BATCH_BYTES_MAX {
            return Err(BuildError::Full);
        }
        varint::write_i32(prefix, &mut self.batch);
        self.batch.push(0); // attributes, of which none is defined
        varint::write_i64(timestamp_delta, &mut self.batch);
        varint::write_i32(offset_delta, &mut self.batch);
        self.header.base_timestamp = base;
        self.header.record_count = count;
        self.header.last_offset_delta = offset_delta;
        if self.header.attributes & LOG_APPEND_TIME_BIT == 0 {
            self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        }
        Ok(())
    }
}

/// Bytes of a length and what it counts. Lengths beyond 31 bits are refused with the whole record.
fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        None => 1,
        Some(bytes) => varint::size(i64::try_from(bytes.len()).unwrap_or(i64::MAX)) + bytes.len(),
    }
}

fn write_field(field: Option<&[u8]>, out: &mut Vec<u8>) {
    match field {
        None => varint::write_i32(-1, out),
        Some(bytes) => {
            varint::write_i64(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
            out.extend_from_slice(bytes);
        }
    }
}
