//! The LZ4 frame format, as far as Kafka takes it: one frame of independent blocks.
//!
//! ```text
//! 04 22 4d 18 | FLG | BD | [content size u64] | HC | { length u32 | block | [checksum u32] } … | 0u32 | [checksum u32]
//! ```
//!
//! All numbers are little-endian; the top bit of a block's length says that it is stored as it is.
//! Every checksum is verified and a content size must be true. Refused: linked blocks and
//! dictionaries (as in Kafka), and bytes behind the frame.

use std::hash::Hasher;

use lz4_flex::block::{
    CompressTable, DecompressError as Lz4Error, compress_into_with_table, decompress_into,
};
use twox_hash::XxHash32;

use super::stream::DecompressError::Undecodable;
use super::stream::{Block, DecompressError};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 01 in the top bits.
const FLG_VERSION: u8 = 0x40;
const FLG_VERSION_MASK: u8 = 0xc0;
const FLG_INDEPENDENT: u8 = 0x20;
const FLG_BLOCK_CHECKSUM: u8 = 0x10;
const FLG_CONTENT_SIZE: u8 = 0x08;
const FLG_CONTENT_CHECKSUM: u8 = 0x04;
/// A reserved bit and the dictionary id's.
const FLG_REFUSED: u8 = 0x03;
/// Block size code 4: 64 KiB, which is what Kafka's producer writes.
const BD_64_KIB: u8 = 0x40;
const BLOCK_BYTES: usize = 64 << 10;
const STORED_BIT: u32 = 0x8000_0000;
/// A length byte adds at most 255, so a block grows less than 255 times, and a little for its start.
const EXPANSION_MAX: usize = 255;
const EXPANSION_START: usize = 64;

/// Reads the blocks of one frame.
pub(super) struct Stream<'a> {
    data: &'a [u8],
    block: Block<'a>,
    block_bytes_max: usize,
    block_checksum: bool,
    content_size: Option<u64>,
    content_hash: Option<XxHash32>,
    content_bytes: u64,
    ended: bool,
}

impl<'a> Stream<'a> {
    /// Reads the frame header.
    pub(super) fn new(data: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<Stream<'a>, DecompressError> {
        let mut data = data;
        if take::<4>(&mut data)? != MAGIC {
            return Err(Undecodable("no lz4 frame"));
        }
        let descriptor = data;
        let [flg, bd] = take::<2>(&mut data)?;
        if flg & FLG_VERSION_MASK != FLG_VERSION || flg & FLG_REFUSED != 0 || bd & 0x8f != 0 {
            return Err(Undecodable("unknown lz4 frame flags"));
        }
        if flg & FLG_INDEPENDENT == 0 {
            return Err(Undecodable("lz4 blocks that depend on each other"));
        }
        let block_bytes_max = match bd >> 4 {
            4 => BLOCK_BYTES,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(Undecodable("unknown lz4 block size")),
        };
        let content_size = match flg & FLG_CONTENT_SIZE {
            0 => None,
            _ => Some(u64::from_le_bytes(take::<8>(&mut data)?)),
        };
        let described = &descriptor[..descriptor.len() - data.len()];
        let [header_checksum] = take::<1>(&mut data)?;
        if header_checksum != XxHash32::oneshot(0, described).to_le_bytes()[1] {
            return Err(Undecodable("wrong lz4 header checksum"));
        }
        Ok(Stream {
            data,
            block: Block::new(buffer),
            block_bytes_max,
            block_checksum: flg & FLG_BLOCK_CHECKSUM != 0,
            content_size,
            content_hash: (flg & FLG_CONTENT_CHECKSUM != 0).then(|| XxHash32::with_seed(0)),
            content_bytes: 0,
            ended: false,
        })
    }

    /// Reads; `left` is how much the caller still wants at most.
    pub(super) fn read(&mut self, out: &mut [u8], left: usize) -> Result<usize, DecompressError> {
        while self.block.is_empty() && !self.ended {
            self.next_block(left)?;
        }
        Ok(self.block.read(out))
    }

    fn next_block(&mut self, left: usize) -> Result<(), DecompressError> {
        let word = u32::from_le_bytes(take::<4>(&mut self.data)?);
        if word == 0 {
            return self.end();
        }
        let length = usize::try_from(word & !STORED_BIT).unwrap_or(usize::MAX);
        if length == 0 || length > self.block_bytes_max || length > self.data.len() {
            return Err(Undecodable("an lz4 block does not fit"));
        }
        let (raw, rest) = self.data.split_at(length);
        self.data = rest;
        if self.block_checksum && u32::from_le_bytes(take::<4>(&mut self.data)?) != XxHash32::oneshot(0, raw)
        {
            return Err(Undecodable("wrong lz4 block checksum"));
        }
        let content = if word & STORED_BIT != 0 {
            self.block.room(length).copy_from_slice(raw);
            self.block.filled(length)
        } else {
            let possible = self.block_bytes_max.min(length * EXPANSION_MAX + EXPANSION_START);
            let room = self.block.room(possible.min(left));
            let filled = decompress_into(raw, room).map_err(|error| match error {
                Lz4Error::OutputTooSmall { .. } if left < possible => DecompressError::TooLarge,
                _ => Undecodable("broken lz4 block"),
            })?;
            self.block.filled(filled)
        };
        self.content_bytes += u64::try_from(content.len()).unwrap_or(u64::MAX);
        if let Some(hash) = &mut self.content_hash {
            hash.write(content);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), DecompressError> {
        if let Some(hash) = &self.content_hash
            && u32::from_le_bytes(take::<4>(&mut self.data)?) != hash.finish_32()
        {
            return Err(Undecodable("wrong lz4 content checksum"));
        }
        if self.content_size.is_some_and(|size| size != self.content_bytes) {
            return Err(Undecodable("wrong lz4 content size"));
        }
        if !self.data.is_empty() {
            return Err(Undecodable("bytes follow the lz4 frame"));
        }
        self.ended = true;
        Ok(())
    }
}

fn take<const N: usize>(data: &mut &[u8]) -> Result<[u8; N], DecompressError> {
    let (taken, rest) = data.split_first_chunk::<N>().ok_or(Undecodable("the lz4 frame is cut off"))?;
    *data = rest;
    Ok(*taken)
}

/// Appends `data` as a frame of independent blocks without checksums, which every client reads.
pub(super) fn write(
    table: &mut CompressTable,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), lz4_flex::block::CompressError> {
    let descriptor = [FLG_VERSION | FLG_INDEPENDENT, BD_64_KIB];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(XxHash32::oneshot(0, &descriptor).to_le_bytes()[1]);
    for block in data.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let block_at = length_at + 4;
        out.resize(block_at + lz4_flex::block::get_maximum_output_size(block.len()), 0);
        let mut length = compress_into_with_table(block, &mut out[block_at..], table)?;
        let mut stored = 0;
        if length >= block.len() {
            (length, stored) = (block.len(), STORED_BIT);
            out[block_at..block_at + length].copy_from_slice(block);
        }
        out.truncate(block_at + length);
        let word = u32::try_from(length).unwrap_or(u32::MAX) | stored;
        out[length_at..block_at].copy_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}
