//! Snappy: xerial framing as snappy-java writes it, and the bare block that librdkafka writes.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 | compatible version i32 | { length u32 | block } …
//! ```
//!
//! All numbers are big-endian. The versions are not looked at (Kafka takes any), and a stream may be
//! followed by another. A block refers to its own bytes at any distance, so that one must be
//! decompressed whole: the window is the block, bounded by what snappy can make of its input.

use super::stream::DecompressError::Undecodable;
use super::stream::{Block, DecompressError};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// Magic and the two versions.
const HEADER_BYTES: usize = 16;
/// No element of 3 bytes copies more than 64 bytes, so a block grows less than 22 times.
const EXPANSION_MAX: usize = 22;
/// Bytes of input in each block that is written, as in snappy-java.
const BLOCK_BYTES: usize = 32 << 10;

/// Reads the blocks of a batch.
pub(super) struct Stream<'a> {
    data: &'a [u8],
    block: Block<'a>,
    framed: bool,
    started: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8], buffer: &'a mut Vec<u8>) -> Stream<'a> {
        let framed = skip_header(data).is_some();
        Stream { data, block: Block::new(buffer), framed, started: false }
    }

    /// Reads; `left` is how much the caller still wants at most.
    pub(super) fn read(&mut self, out: &mut [u8], left: usize) -> Result<usize, DecompressError> {
        while self.block.is_empty() {
            let Some(compressed) = self.next_compressed()? else { return Ok(0) };
            let length =
                snap::raw::decompress_len(compressed).map_err(|_| Undecodable("no snappy block length"))?;
            if length > compressed.len().saturating_mul(EXPANSION_MAX) {
                return Err(Undecodable("the snappy block length can't be true"));
            }
            if length > left {
                return Err(DecompressError::TooLarge);
            }
            let room = self.block.room(length);
            let filled = snap::raw::Decoder::new()
                .decompress(compressed, room)
                .map_err(|_| Undecodable("broken snappy block"))?;
            self.block.filled(filled);
        }
        Ok(self.block.read(out))
    }

    /// The next block as it came, `None` at the end.
    fn next_compressed(&mut self) -> Result<Option<&'a [u8]>, DecompressError> {
        let first = !std::mem::replace(&mut self.started, true);
        if !self.framed {
            let whole = std::mem::take(&mut self.data);
            return match (first, whole.is_empty()) {
                (true, true) => Err(Undecodable("no snappy data")),
                (true, false) => Ok(Some(whole)),
                (false, _) => Ok(None),
            };
        }
        if let Some(rest) = skip_header(self.data) {
            self.data = rest;
        }
        if self.data.is_empty() {
            return Ok(None);
        }
        let (length, rest) =
            self.data.split_first_chunk::<4>().ok_or(Undecodable("a snappy block length is cut off"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > rest.len() {
            return Err(Undecodable("a snappy block does not fit"));
        }
        let (compressed, rest) = rest.split_at(length);
        self.data = rest;
        Ok(Some(compressed))
    }
}

fn skip_header(data: &[u8]) -> Option<&[u8]> {
    if data.starts_with(&MAGIC) { data.get(HEADER_BYTES..) } else { None }
}

/// Appends `data` in xerial framing.
pub(super) fn write(
    encoder: &mut snap::raw::Encoder,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), snap::Error> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    for block in data.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let block_at = length_at + 4;
        out.resize(block_at + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut out[block_at..])?;
        out.truncate(block_at + length);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        out[length_at..block_at].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}
