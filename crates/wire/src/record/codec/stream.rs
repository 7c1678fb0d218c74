//! Decompression in steps, whatever the codec.

use ::zstd::zstd_safe::DCtx;

use super::{Codec, gzip, lz4, snappy, zstd};

/// A context or buffer larger than this is given back after the batch that needed it.
const RETAINED_BYTES_MAX: usize = 4 << 20;

/// Codec contexts and buffers, used again from batch to batch.
///
/// Empty until a codec is met. Between batches it holds at most 48 KiB for gzip and 4 MiB each for
/// zstd and for the blocks of lz4 and snappy, and only what a batch has needed.
#[derive(Default)]
pub(crate) struct Contexts {
    inflate: Option<flate2::Decompress>,
    zstd: Option<DCtx<'static>>,
    block: Vec<u8>,
}

impl Contexts {
    /// Gives back what an unusual batch made large.
    pub(crate) fn trim(&mut self) {
        if self.block.capacity() > RETAINED_BYTES_MAX {
            self.block = Vec::new();
        }
        if self.zstd.as_ref().is_some_and(|context| context.sizeof() > RETAINED_BYTES_MAX) {
            self.zstd = None;
        }
    }

    /// Bytes held between batches, as far as the codecs tell.
    pub(crate) fn retained_bytes(&self) -> usize {
        let zstd = self.zstd.as_ref().map_or(0, DCtx::sizeof);
        let inflate = self.inflate.as_ref().map_or(0, |_| gzip::CONTEXT_BYTES);
        self.block.capacity() + zstd + inflate
    }
}

/// What bounds the decompression of one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes that may come out.
    pub(crate) bytes_max: usize,
    /// Base-2 logarithm of the largest zstd window.
    pub(crate) zstd_window_log_max: u32,
}

/// Why decompression stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecompressError {
    /// More comes out than the caller wants.
    TooLarge,
    /// The data is not what the codec writes.
    Undecodable(&'static str),
}

/// The decompressed bytes of one batch, in pieces of the caller's size.
pub(crate) struct Decompressor<'a> {
    source: Source<'a>,
    /// Bytes that may still come out.
    left: usize,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Gzip(gzip::Stream<'a>),
    Snappy(snappy::Stream<'a>),
    Lz4(lz4::Stream<'a>),
    Zstd(zstd::Stream<'a>),
}

impl<'a> Decompressor<'a> {
    /// Starts on `data`, the bytes of a batch behind its header.
    pub(crate) fn new(
        codec: Codec,
        data: &'a [u8],
        contexts: &'a mut Contexts,
        bounds: Bounds,
    ) -> Result<Decompressor<'a>, DecompressError> {
        let source = match codec {
            Codec::None => Source::Plain(data),
            Codec::Gzip => Source::Gzip(gzip::Stream::new(data, &mut contexts.inflate)),
            Codec::Snappy => Source::Snappy(snappy::Stream::new(data, &mut contexts.block)),
            Codec::Lz4 => Source::Lz4(lz4::Stream::new(data, &mut contexts.block)?),
            Codec::Zstd => {
                let stream = zstd::Stream::new(data, &mut contexts.zstd, bounds.zstd_window_log_max)?;
                Source::Zstd(stream)
            }
        };
        Ok(Decompressor { source, left: bounds.bytes_max })
    }

    /// Puts the next bytes into `out`, which is not empty; returns how many, 0 only at the proper end.
    ///
    /// Cost: proportional to the bytes returned plus the input consumed.
    ///
    /// # Errors
    /// [`DecompressError`]; after one, the rest is lost.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize, DecompressError> {
        let count = match &mut self.source {
            Source::Plain(data) => {
                let count = out.len().min(data.len());
                let (head, rest) = data.split_at(count);
                out[..count].copy_from_slice(head);
                *data = rest;
                count
            }
            Source::Gzip(stream) => stream.read(out)?,
            Source::Snappy(stream) => stream.read(out, self.left)?,
            Source::Lz4(stream) => stream.read(out, self.left)?,
            Source::Zstd(stream) => stream.read(out)?,
        };
        self.left = self.left.checked_sub(count).ok_or(DecompressError::TooLarge)?;
        Ok(count)
    }
}

/// One decompressed block that is handed out in pieces, for the codecs that have blocks.
pub(super) struct Block<'a> {
    buffer: &'a mut Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Block<'a> {
    pub(super) fn new(buffer: &'a mut Vec<u8>) -> Block<'a> {
        Block { buffer, start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room for a new block of at most `bytes`, in place of the old one.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        if self.buffer.len() < bytes {
            // A fresh zeroed vector costs no memory until it is written; growing the old one would copy.
            *self.buffer = vec![0; bytes];
        }
        &mut self.buffer[..bytes]
    }

    /// Says how much of the room was filled.
    pub(super) fn filled(&mut self, bytes: usize) -> &[u8] {
        self.end = bytes;
        &self.buffer[..bytes]
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.end - self.start);
        out[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
        self.start += count;
        count
    }
}
