//! Reading the records of a batch: for consumers, tools, merging and compaction.
//!
//! Takes what a broker stores, so also control batches, gaps in the offsets where compaction removed
//! records, and batches without any record. An uncompressed batch is read where it lies.

use std::borrow::Cow;

use super::batches::first_bytes;
use super::codec::{Codec, Decompressor};
use super::error::{BatchError, RecordFault};
use super::header::{BatchHeader, HEADER_BYTES, TimestampType, check_crc};
use super::validate::{Limits, Scratch};
use super::varint::{read_i32, read_i64};
use super::walk::{self, SliceInput};

/// Opens `batch`, which is exactly one batch: checks its CRC and decompresses it.
///
/// Of `limits` only `decompressed_bytes_max` and the zstd window count. Cost: a copy of the decompressed
/// records if there is a codec, and its contexts, which [`read_with`] keeps.
///
/// # Errors
/// [`BatchError`], as soon as it can be seen without walking over the records.
pub fn read<'a>(batch: &'a [u8], limits: &Limits) -> Result<Records<'a>, BatchError> {
    read_with(batch, limits, &mut Scratch::default())
}

/// As [`read`], for those who read many batches.
///
/// # Errors
/// As [`read`].
pub fn read_with<'a>(
    batch: &'a [u8],
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Records<'a>, BatchError> {
    let bytes = first_bytes(batch)?;
    if bytes < batch.len() {
        return Err(BatchError::Trailing { bytes: batch.len() - bytes });
    }
    let header = BatchHeader::parse(batch)?;
    check_crc(batch)?;
    let codec = header.codec()?;
    let data = &batch[HEADER_BYTES..];
    let data = match codec {
        Codec::None => Cow::Borrowed(data),
        _ => {
            let decompressed = decompress(codec, data, limits, scratch);
            scratch.trim();
            Cow::Owned(decompressed?)
        }
    };
    Ok(Records { header, data })
}

fn decompress(
    codec: Codec,
    data: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Vec<u8>, BatchError> {
    let refusal = |error| walk::refusal(error, codec, limits.decompressed_bytes_max);
    let (chunk, contexts) = scratch.parts();
    let mut decompressor =
        Decompressor::new(codec, data, contexts, limits.decompress_bounds()).map_err(refusal)?;
    let mut out = Vec::new();
    loop {
        // Grows with what comes out, never with what the data claims.
        match decompressor.read(chunk).map_err(refusal)? {
            0 => return Ok(out),
            count => out.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The opened batch; [`iter`](Records::iter) hands out its records.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: BatchHeader,
    data: Cow<'a, [u8]>,
}

impl Records<'_> {
    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of the records, without a codec.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The records in order. After an error the iterator ends.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { header: &self.header, rest: &self.data, index: 0, ended: false }
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<Record<'r>, BatchError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

/// One record, as slices of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'r> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in milliseconds: its own, or the append time.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// Its value; null is a tombstone in a compacted topic.
    pub value: Option<&'r [u8]>,
    /// Its headers.
    pub headers: Headers<'r>,
    /// Its bytes from the key length on, which are the same in every batch that holds the record.
    pub(super) fields: &'r [u8],
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'r> {
    /// Never null; UTF-8 by convention, which no broker checks.
    pub key: &'r [u8],
    /// Its value.
    pub value: Option<&'r [u8]>,
}

/// The headers of a record in order; keys may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'r> {
    rest: &'r [u8],
    count: usize,
}

impl<'r> Iterator for Headers<'r> {
    type Item = Header<'r>;

    fn next(&mut self) -> Option<Header<'r>> {
        self.count = self.count.checked_sub(1)?;
        // The walk has checked every length before a record is handed out.
        let key = take_field(&mut self.rest)?;
        Some(Header { key, value: take_field(&mut self.rest) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// See [`Records::iter`].
#[derive(Debug, Clone)]
pub struct RecordIter<'r> {
    header: &'r BatchHeader,
    rest: &'r [u8],
    index: i32,
    ended: bool,
}

impl<'r> Iterator for RecordIter<'r> {
    type Item = Result<Record<'r>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.index >= self.header.record_count {
            self.ended = true;
            return walk::end(&mut SliceInput::new(self.rest), self.index).err().map(Err);
        }
        let record = self.record();
        self.ended = record.is_err();
        self.index += 1;
        Some(record)
    }
}

impl<'r> RecordIter<'r> {
    fn record(&mut self) -> Result<Record<'r>, BatchError> {
        let index = self.index;
        let fault = |fault| BatchError::Record { index, fault };
        let walked = walk::record(&mut SliceInput::new(self.rest), index)?;
        let mut rest = self.rest;
        let length = usize::try_from(take_varint(&mut rest)).unwrap_or(0);
        let (mut body, after) = rest.split_at(length);
        self.rest = after;

        body = &body[1..];
        let _ = take_varlong(&mut body);
        let _ = take_varint(&mut body);
        let fields = body;
        let key = take_field(&mut body);
        let value = take_field(&mut body);
        let count = usize::try_from(take_varint(&mut body)).unwrap_or(0);
        let timestamp = match self.header.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => {
                let delta = walked.timestamp_delta;
                let sum = self.header.base_timestamp.checked_add(delta);
                sum.ok_or(fault(RecordFault::TimestampDelta(delta)))?
            }
        };
        let offset = self.header.base_offset.checked_add(i64::from(walked.offset_delta));
        let offset = offset.ok_or(fault(RecordFault::OffsetDelta(walked.offset_delta)))?;
        Ok(Record { offset, timestamp, key, value, headers: Headers { rest: body, count }, fields })
    }
}

// The three below run only over a record that the walk has accepted, so that their fallbacks are never taken.

fn take_varint(bytes: &mut &[u8]) -> i32 {
    let (value, length) = read_i32(bytes).unwrap_or((0, 0));
    *bytes = &bytes[length..];
    value
}

fn take_varlong(bytes: &mut &[u8]) -> i64 {
    let (value, length) = read_i64(bytes).unwrap_or((0, 0));
    *bytes = &bytes[length..];
    value
}

fn take_field<'r>(bytes: &mut &'r [u8]) -> Option<&'r [u8]> {
    let length = usize::try_from(take_varint(bytes)).ok()?;
    let (field, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(field)
}
