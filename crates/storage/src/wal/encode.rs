//! A group's bytes, put together in memory that a direct write accepts and that is used again.

use env::disk::{AlignedBuffer, BLOCK_BYTES};

use super::files::Generation;
use super::frame::{ALIGNMENT, HEADER_BYTES, Header, Kind, LogPosition, checksum, next_position};
use super::options::{WalOptions, planted};
use crate::id::ShardId;

/// After a larger group its memory is given back.
const BUFFER_KEPT_BYTES: usize = 16 << 20;

/// What a frame is, without where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) kind: Kind,
    pub(super) shard: ShardId,
    pub(super) at: LogPosition,
    pub(super) meta: u8,
}

impl Label {
    pub(super) fn new(kind: Kind, shard: ShardId, at: LogPosition) -> Self {
        Self { kind, shard, at, meta: 0 }
    }

    /// A frame that belongs to no shard.
    pub(super) fn of_file(kind: Kind) -> Self {
        Self::new(kind, ShardId(0), LogPosition { term: 0, index: 0 })
    }
}

/// A group being put together.
#[derive(Debug, Default)]
pub(super) struct GroupEncoder {
    buffer: AlignedBuffer,
    generation: u64,
    /// Where the buffer goes in the file; a multiple of the block.
    base: u64,
    frames: u64,
    votes: u64,
}

impl GroupEncoder {
    /// Begins the first group of the file `generation`.
    pub(super) fn begin_file(&mut self, generation: Generation) {
        self.buffer.clear();
        (self.generation, self.base, self.frames, self.votes) = (generation.0, 0, 0, 0);
    }

    /// Begins a group at `position`, a multiple of the block, of the file `generation`.
    pub(super) fn begin(&mut self, generation: Generation, position: u64, options: &WalOptions) {
        self.generation = generation.0;
        self.frames = 0;
        self.votes = 0;
        if planted!(options, NoPad) && !position.is_multiple_of(BLOCK_BYTES as u64) {
            let kept = usize::try_from(position - self.base).expect("a buffer fits memory");
            let block = kept - kept % BLOCK_BYTES;
            let tail = self.buffer.as_slice()[block..kept].to_vec();
            self.buffer.clear();
            self.buffer.extend_from_slice(&tail);
            self.base += block as u64;
            return;
        }
        assert!(position.is_multiple_of(BLOCK_BYTES as u64), "a group begins with a block");
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = AlignedBuffer::new();
        }
        self.buffer.clear();
        self.base = position;
    }

    /// Frames in it, pads not counted.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// True when there is nothing but votes in it.
    pub(super) fn only_votes(&self) -> bool {
        self.votes == self.frames
    }

    /// Where the next frame would begin.
    pub(super) fn position(&self) -> u64 {
        next_position(self.base + self.buffer.len() as u64)
    }

    /// Where the buffer goes.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The bytes to be written there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.as_slice()
    }

    /// Bytes put in so far.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a frame and returns its position. The payload is shorter than 4 GiB: the queue has tested it.
    pub(super) fn push<'a>(
        &mut self,
        label: Label,
        parts: impl Iterator<Item = &'a [u8]> + Clone,
        options: &WalOptions,
    ) -> u64 {
        let position = self.position();
        self.pad_to(position);
        let begin = self.buffer.len();
        let length = parts.clone().map(<[u8]>::len).sum::<usize>();
        self.buffer.reserve(HEADER_BYTES + length + ALIGNMENT);
        let header = Header {
            length: u32::try_from(length).expect("payloads are bounded"),
            generation: self.generation,
            at: label.at,
            synced_blocks: u32::try_from(self.base / BLOCK_BYTES as u64).expect("files are below 16 TiB"),
            shard: label.shard,
            kind: label.kind,
            meta: label.meta,
        };
        self.buffer.extend_from_slice(&header.to_bytes());
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        let crc = checksum(&self.buffer.as_slice()[begin..], position, options);
        self.buffer.as_mut_slice()[begin..begin + 4].copy_from_slice(&crc.to_le_bytes());
        self.frames += 1;
        self.votes += u64::from(label.kind == Kind::Vote);
        position
    }

    /// Fills up the last block, and returns where the next group begins.
    pub(super) fn finish(&mut self, options: &WalOptions) -> u64 {
        let position = self.position();
        let end = position.next_multiple_of(BLOCK_BYTES as u64);
        if planted!(options, NoPad) {
            self.pad_to(end);
            return position;
        }
        if position < end {
            let zeros = usize::try_from(end - position).expect("within a block") - HEADER_BYTES;
            let payload = [0; BLOCK_BYTES];
            self.push(Label::of_file(Kind::Pad), std::iter::once(&payload[..zeros]), options);
            self.frames -= 1;
        }
        self.pad_to(end);
        end
    }

    fn pad_to(&mut self, position: u64) {
        let len = usize::try_from(position - self.base).expect("a group fits memory");
        self.buffer.resize(len);
    }
}
