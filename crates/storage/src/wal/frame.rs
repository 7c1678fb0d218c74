//! One frame: what callers hand over, and its 40 bytes of header. Layout: docs/format/wal.md.

use bytes::Bytes;
use env::disk::BLOCK_BYTES;

use super::options::{WalOptions, planted};
use crate::id::ShardId;

/// The version in every file's header.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Bytes of a frame before its payload.
pub(super) const HEADER_BYTES: usize = 40;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// Payload of a file header frame.
pub(super) const FILE_HEADER_BYTES: usize = 40;
const MAGIC: [u8; 8] = *b"TAKHIWAL";

/// A place in a shard's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The term of the entry there.
    pub term: u64,
    /// Its index.
    pub index: u64,
}

/// What an entry carries: bytes that the WAL does not look into, in one or several pieces.
#[derive(Clone, Debug)]
pub enum Payload {
    /// One piece.
    One(Bytes),
    /// Pieces that are written one behind the other.
    Parts(Vec<Bytes>),
}

impl Payload {
    /// Bytes in all pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().iter().map(Bytes::len).sum()
    }

    /// True when there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        match self {
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Parts(parts) => parts,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::One(bytes)
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(parts: Vec<Bytes>) -> Self {
        Self::Parts(parts)
    }
}

/// A change to a shard's durable state.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Sets the entry at `index`, which is the one behind the shard's last (0 or 1 for its first ever).
    Entry {
        /// The entry's term.
        term: u64,
        /// Its index.
        index: u64,
        /// The caller's.
        meta: u8,
        /// The caller's.
        payload: Payload,
    },
    /// Replaces the shard's vote; at most 64 KiB.
    Vote(Bytes),
    /// Removes the entries at `from` and above.
    Truncate {
        /// The first index that goes.
        from: u64,
    },
    /// Removes the entries up to and with this one; it may lie ahead of the last entry (a snapshot was installed).
    Purge(LogPosition),
    /// Remembers the index up to which the shard's entries are committed.
    Committed {
        /// That index.
        index: u64,
    },
}

/// A frame's kind, as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    FileHeader = 1,
    Entry = 2,
    Vote = 3,
    Truncate = 4,
    Purge = 5,
    Committed = 6,
    Floor = 7,
    Pad = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::FileHeader,
            Self::Entry,
            Self::Vote,
            Self::Truncate,
            Self::Purge,
            Self::Committed,
            Self::Floor,
            Self::Pad,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A frame's header but for the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) generation: u64,
    pub(super) at: LogPosition,
    /// In blocks: what lies below was synced when this frame was written.
    pub(super) synced_blocks: u32,
    pub(super) shard: ShardId,
    pub(super) kind: Kind,
    pub(super) meta: u8,
}

impl Header {
    /// The header's bytes, the checksum left zero.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at.term.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.at.index.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.synced_blocks.to_le_bytes());
        bytes[36..38].copy_from_slice(&self.shard.0.to_le_bytes());
        bytes[38] = self.kind as u8;
        bytes[39] = self.meta;
        bytes
    }

    /// Reads a header and its checksum; `None` when no frame of ours begins so. The checksum is not tested here.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<(Self, u32)> {
        let header = Self {
            length: u32_at(bytes, 4),
            generation: u64_at(bytes, 8),
            at: LogPosition { term: u64_at(bytes, 16), index: u64_at(bytes, 24) },
            synced_blocks: u32_at(bytes, 32),
            shard: ShardId(u16::from_le_bytes([bytes[36], bytes[37]])),
            kind: Kind::from_byte(bytes[38])?,
            meta: bytes[39],
        };
        Some((header, u32_at(bytes, 0)))
    }
}

/// The checksum of a frame at `position`; `frame` is its header and payload.
pub(super) fn checksum(frame: &[u8], position: u64, options: &WalOptions) -> u32 {
    let position = if planted!(options, CrcWithoutPosition) { 0 } else { position };
    let crc = crc32c::crc32c(&position.to_le_bytes());
    if planted!(options, CrcWithoutGeneration) {
        let crc = crc32c::crc32c_append(crc, &frame[4..8]);
        return crc32c::crc32c_append(crc, &frame[16..]);
    }
    crc32c::crc32c_append(crc, &frame[4..])
}

/// Where the frame behind one that ends at `end` begins.
pub(super) fn next_position(end: u64) -> u64 {
    let next = end.next_multiple_of(ALIGNMENT as u64);
    let block = next.next_multiple_of(BLOCK_BYTES as u64);
    if block - next < HEADER_BYTES as u64 { block } else { next }
}

/// What a file says about itself and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// The oldest file that recovery needs.
    pub(super) floor: u64,
    /// The file before this one; 0 when there was none.
    pub(super) previous: u64,
    /// Behind its last frame.
    pub(super) previous_end: u64,
}

impl FileHeader {
    pub(super) fn to_bytes(self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..14].copy_from_slice(&0x1000_u16.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.floor.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes
    }

    /// `Err` has the version of a header that this program does not read.
    pub(super) fn parse(payload: &[u8]) -> Option<Result<Self, u32>> {
        if payload.len() < 12 || payload[0..8] != MAGIC {
            return None;
        }
        let version = u32_at(payload, 8);
        if version != FORMAT_VERSION {
            return Some(Err(version));
        }
        if payload.len() != FILE_HEADER_BYTES {
            return None;
        }
        Some(Ok(Self {
            floor: u64_at(payload, 16),
            previous: u64_at(payload, 24),
            previous_end: u64_at(payload, 32),
        }))
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
