//! The walk over the records of a batch: every length checked, no key, value or header copied.
//!
//! ```text
//! length varint | attributes i8 | timestamp delta varlong | offset delta varint
//! | key length varint, key | value length varint, value
//! | header count varint | { key length varint, key | value length varint, value } …
//! ```
//!
//! It runs over the bytes as they are, or over what a codec yields, piece by piece: [`Input`] has these two.
//! Record attributes are unused and not looked at, as in Kafka.

use super::codec::{Codec, DecompressError, Decompressor};
use super::error::{BatchError, RecordFault};
use super::varint::{VarintError, read_i32, read_i64};

/// Bytes that [`Input::window`] shows at least, unless fewer are left: more than any varint needs.
const WINDOW_BYTES_MIN: usize = 16;

/// Where a walk takes bytes from.
pub(super) trait Input {
    /// The next bytes: at least 16, or all that are left.
    fn window(&mut self) -> Result<&[u8], BatchError>;
    /// Passes over `count` bytes of the window.
    fn consume(&mut self, count: usize);
    /// Passes over `count` bytes; returns how many there were.
    fn skip(&mut self, count: usize) -> Result<usize, BatchError>;
}

/// Bytes that lie there whole.
pub(super) struct SliceInput<'a> {
    rest: &'a [u8],
}

impl<'a> SliceInput<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> SliceInput<'a> {
        SliceInput { rest: bytes }
    }
}

impl Input for SliceInput<'_> {
    #[inline]
    fn window(&mut self) -> Result<&[u8], BatchError> {
        Ok(self.rest)
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<usize, BatchError> {
        let count = count.min(self.rest.len());
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

/// Bytes that a codec yields, through a fixed buffer.
pub(super) struct StreamInput<'a> {
    decompressor: Decompressor<'a>,
    codec: Codec,
    bytes_max: usize,
    chunk: &'a mut [u8],
    start: usize,
    end: usize,
    ended: bool,
}

impl<'a> StreamInput<'a> {
    /// `chunk` is longer than the smallest window; `bytes_max` is for the error's text.
    pub(super) fn new(
        decompressor: Decompressor<'a>,
        codec: Codec,
        bytes_max: usize,
        chunk: &'a mut [u8],
    ) -> StreamInput<'a> {
        StreamInput { decompressor, codec, bytes_max, chunk, start: 0, end: 0, ended: false }
    }

    /// Reads once behind what is buffered; there is room.
    fn fill(&mut self) -> Result<(), BatchError> {
        let read = self.decompressor.read(&mut self.chunk[self.end..]);
        let count = read.map_err(|error| refusal(error, self.codec, self.bytes_max))?;
        self.end += count;
        self.ended = count == 0;
        Ok(())
    }
}

/// The batch error of a decompression that stopped.
pub(super) fn refusal(error: DecompressError, codec: Codec, bytes_max: usize) -> BatchError {
    match error {
        DecompressError::TooLarge => BatchError::DecompressedTooLarge { bytes_max },
        DecompressError::Undecodable(reason) => BatchError::Undecodable { codec, reason },
    }
}

impl Input for StreamInput<'_> {
    #[inline]
    fn window(&mut self) -> Result<&[u8], BatchError> {
        if self.end - self.start < WINDOW_BYTES_MIN && !self.ended {
            self.chunk.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < WINDOW_BYTES_MIN && !self.ended {
                self.fill()?;
            }
        }
        Ok(&self.chunk[self.start..self.end])
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.start += count;
    }

    fn skip(&mut self, count: usize) -> Result<usize, BatchError> {
        let mut left = count;
        loop {
            let step = left.min(self.end - self.start);
            self.start += step;
            left -= step;
            if left == 0 || self.ended {
                return Ok(count - left);
            }
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
    }
}

/// What a walk learns of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) has_key: bool,
    /// Bytes of key, value, header keys and header values.
    pub(super) payload_bytes: usize,
}

/// Walks over the record at the front of `input`, the `index`-th of its batch.
///
/// # Errors
/// [`BatchError::Record`] when the bytes contradict themselves, and what the codec says.
#[inline]
pub(super) fn record<I: Input>(input: &mut I, index: i32) -> Result<Walked, BatchError> {
    let fault = |fault| BatchError::Record { index, fault };
    let (length, taken) = match read_i32(input.window()?) {
        Ok(read) => read,
        Err(VarintError::End) => return Err(fault(RecordFault::Missing)),
        Err(VarintError::Overlong) => return Err(fault(RecordFault::Varint)),
    };
    input.consume(taken);
    let left = usize::try_from(length).map_err(|_| fault(RecordFault::Length(length)))?;
    let mut body = Body { input, left, length, index };

    body.skip(1)?; // attributes
    let timestamp_delta = body.varlong()?;
    let offset_delta = body.varint()?;
    let key = body.field()?;
    let value = body.field()?;
    let mut payload_bytes = key.unwrap_or(0) + value.unwrap_or(0);
    let headers = body.varint()?;
    // Each header takes two bytes at least, so that a huge count ends with the record.
    if usize::try_from(headers).map_or(true, |count| count > body.left / 2) {
        return Err(fault(RecordFault::HeaderCount(headers)));
    }
    for _ in 0..headers {
        let key = body.field()?.ok_or(fault(RecordFault::HeaderKey))?;
        payload_bytes += key + body.field()?.unwrap_or(0);
    }
    if body.left > 0 {
        return Err(fault(RecordFault::BytesLeft(body.left)));
    }
    Ok(Walked { timestamp_delta, offset_delta, has_key: key.is_some(), payload_bytes })
}

/// Makes sure that `input` is at its end, after `count` records.
pub(super) fn end<I: Input>(input: &mut I, count: i32) -> Result<(), BatchError> {
    if input.window()?.is_empty() {
        Ok(())
    } else {
        Err(BatchError::Record { index: count - 1, fault: RecordFault::NotLast })
    }
}

/// The inside of one record.
struct Body<'i, I> {
    input: &'i mut I,
    /// Bytes that are left of the record's length.
    left: usize,
    length: i32,
    index: i32,
}

impl<I: Input> Body<'_, I> {
    #[inline]
    fn varint(&mut self) -> Result<i32, BatchError> {
        let left = self.left;
        let window = self.input.window()?;
        match read_i32(&window[..window.len().min(left)]) {
            Ok((value, taken)) => {
                self.advance(taken);
                Ok(value)
            }
            Err(error) => Err(self.varint_fault(error)),
        }
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, BatchError> {
        let left = self.left;
        let window = self.input.window()?;
        match read_i64(&window[..window.len().min(left)]) {
            Ok((value, taken)) => {
                self.advance(taken);
                Ok(value)
            }
            Err(error) => Err(self.varint_fault(error)),
        }
    }

    /// Passes over a length and so many bytes; `None` for null, which is −1.
    #[inline]
    fn field(&mut self) -> Result<Option<usize>, BatchError> {
        let length = self.varint()?;
        if length == -1 {
            return Ok(None);
        }
        let bytes = usize::try_from(length).map_err(|_| self.fault(RecordFault::FieldLength(length)))?;
        self.skip(bytes)?;
        Ok(Some(bytes))
    }

    #[inline]
    fn skip(&mut self, bytes: usize) -> Result<(), BatchError> {
        if bytes > self.left {
            return Err(self.fault(RecordFault::FieldPastEnd));
        }
        self.left -= bytes;
        if self.input.skip(bytes)? < bytes {
            return Err(self.fault(RecordFault::Length(self.length)));
        }
        Ok(())
    }

    #[inline]
    fn advance(&mut self, taken: usize) {
        self.input.consume(taken);
        self.left -= taken;
    }

    /// A varint that ends early ends with the record if the record's bytes are all there, else with the batch.
    #[cold]
    fn varint_fault(&mut self, error: VarintError) -> BatchError {
        let left = self.left;
        match (error, self.input.window()) {
            (VarintError::Overlong, _) => self.fault(RecordFault::Varint),
            (VarintError::End, Ok(window)) if window.len() < left => {
                self.fault(RecordFault::Length(self.length))
            }
            (VarintError::End, Ok(_)) => self.fault(RecordFault::FieldPastEnd),
            (VarintError::End, Err(error)) => error,
        }
    }

    #[cold]
    fn fault(&self, fault: RecordFault) -> BatchError {
        BatchError::Record { index: self.index, fault }
    }
}
