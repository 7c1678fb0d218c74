//! An answer on its way out: bytes of its own and, between them, record batches that leave from where they lie.
//!
//! What is in memory is shared with the tail and written with `writev`; what is in a segment stays a range of its file, which
//! is read piecewise when the socket takes it (`super::send`). So an answer copies nothing but small batches, and one from
//! files holds no memory, however large it is and however slow its reader.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use storage::partition_log::{BATCH_START_BYTES, LogSlice, SegmentFile, batch_start};
use wire::api::ApiKey;
use wire::frame::{self, FrameTooLong, Written};
use wire::primitive::Message;

use crate::counters::Counters;
use crate::memory_pool::Share;

/// A batch in memory is copied up to this size: to write it in two pieces costs as much, and it would keep its whole entry.
pub(crate) const COPIED_BYTES_MAX: usize = 4 << 10;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Answer {
    /// Of an answer without pieces the frame; else what pieces refer to.
    own: Vec<u8>,
    pieces: VecDeque<Piece>,
    /// Of the memory that all answers may hold; given back when this one is sent.
    share: Option<Share>,
}

/// A part of an answer that is written before the next one.
enum Piece {
    Own(Range<usize>),
    Shared(Bytes),
    Stored(StoredRange),
}

/// A range of a segment.
#[derive(Clone)]
pub(super) struct StoredRange {
    pub(super) file: Arc<SegmentFile>,
    pub(super) position: u64,
    pub(super) len: usize,
}

impl Answer {
    /// Encodes `response` as a frame; `batches` are the slices of each of its spliced record fields, in their order. Its errors
    /// are counted.
    ///
    /// # Errors
    /// When the frame would be longer than 2 GiB.
    pub(crate) fn with_batches<'m>(
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        response: &impl Message<'m>,
        batches: Vec<Vec<LogSlice>>,
        share: Option<Share>,
        counters: &Counters,
    ) -> Result<Self, FrameTooLong> {
        let mut encoded = Vec::new();
        let Written { splices, errors } =
            frame::write_response(&mut encoded, key, version, correlation_id, response)?;
        counters.answered(key, &errors);
        assert_eq!(splices.len(), batches.len(), "each spliced field has its slices");
        if splices.is_empty() {
            return Ok(Self { own: encoded, ..Self::default() });
        }
        let mut answer = Self { share, ..Self::default() };
        let mut from = 0;
        for (splice, slices) in splices.iter().zip(batches) {
            answer.add_own(&encoded[from..splice.position]);
            slices.into_iter().for_each(|slice| answer.add(slice));
            from = splice.position;
        }
        answer.add_own(&encoded[from..]);
        Ok(answer)
    }

    /// Slices without a frame around them.
    #[cfg(test)]
    pub(super) fn of_slices(slices: Vec<LogSlice>) -> Self {
        let mut answer = Self::default();
        slices.into_iter().for_each(|slice| answer.add(slice));
        answer
    }

    /// The bytes of an answer that has nothing else.
    pub(crate) fn own_bytes(&mut self) -> &mut Vec<u8> {
        assert!(self.pieces.is_empty(), "what is between pieces has its place");
        &mut self.own
    }

    /// The whole frame, when the answer is nothing but bytes of its own.
    pub(super) fn into_own_bytes(self) -> Result<Vec<u8>, Self> {
        if self.pieces.is_empty() { Ok(self.own) } else { Err(self) }
    }

    fn add_own(&mut self, bytes: &[u8]) {
        // No piece is empty: one could not be sent.
        if bytes.is_empty() {
            return;
        }
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        match self.pieces.back_mut() {
            Some(Piece::Own(range)) => range.end = self.own.len(),
            _ => self.pieces.push_back(Piece::Own(start..self.own.len())),
        }
    }

    fn add(&mut self, slice: LogSlice) {
        match slice {
            LogSlice::Memory { base_offset, leader_epoch, mut bytes, .. } => {
                self.add_own(&batch_start(base_offset, leader_epoch, &bytes));
                if bytes.len() <= COPIED_BYTES_MAX {
                    self.add_own(&bytes[BATCH_START_BYTES..]);
                } else {
                    bytes.advance(BATCH_START_BYTES);
                    self.pieces.push_back(Piece::Shared(bytes));
                }
            }
            LogSlice::File { file, position, len } => {
                self.pieces.push_back(Piece::Stored(StoredRange { file, position, len }));
            }
        }
    }

    /// Fills `slices` with what lies in memory from the piece at `from` on, one each, up to `bytes_max`. Returns how many it
    /// filled and the range that comes behind them, when they end before one.
    pub(super) fn in_memory<'a>(
        &'a self,
        from: usize,
        slices: &mut [IoSlice<'a>],
        bytes_max: usize,
    ) -> (usize, Option<&'a StoredRange>) {
        let (mut count, mut bytes) = (0, 0);
        for piece in self.pieces.range(from..) {
            let memory = match piece {
                Piece::Own(range) => &self.own[range.clone()],
                Piece::Shared(shared) => shared,
                Piece::Stored(range) => return (count, Some(range)),
            };
            if count == slices.len() || bytes >= bytes_max {
                break;
            }
            let taken = memory.len().min(bytes_max - bytes);
            slices[count] = IoSlice::new(&memory[..taken]);
            count += 1;
            bytes += taken;
            if taken < memory.len() {
                // What comes behind it is not next.
                break;
            }
        }
        (count, None)
    }

    /// Takes the first `count` bytes away: they are sent.
    pub(super) fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let first = self.pieces.front_mut().expect("no more is sent than there is");
            let taken = count.min(first.len());
            count -= taken;
            if taken == first.len() {
                self.pieces.pop_front();
                continue;
            }
            match first {
                Piece::Own(range) => range.start += taken,
                Piece::Shared(bytes) => bytes.advance(taken),
                Piece::Stored(range) => {
                    range.position += taken as u64;
                    range.len -= taken;
                }
            }
        }
    }

    /// Replaces the front of the range that comes first by its bytes, which were read elsewhere.
    pub(super) fn put(&mut self, bytes: Bytes) {
        assert!(self.first_range().is_some(), "only a range is read");
        self.advance(bytes.len());
        self.pieces.push_front(Piece::Shared(bytes));
    }

    /// The range that comes first, if nothing comes before it.
    pub(super) fn first_range(&self) -> Option<&StoredRange> {
        self.pieces.front().and_then(Piece::stored)
    }

    /// All ranges, in the order in which they are sent.
    pub(super) fn ranges(&self) -> impl Iterator<Item = &StoredRange> {
        self.pieces.iter().filter_map(Piece::stored)
    }

    pub(super) fn is_sent(&self) -> bool {
        self.pieces.is_empty()
    }

    /// True when others may have to wait until this one has gone.
    pub(super) fn holds_memory(&self) -> bool {
        self.share.is_some()
    }
}

impl Piece {
    fn stored(&self) -> Option<&StoredRange> {
        match self {
            Self::Stored(range) => Some(range),
            Self::Own(_) | Self::Shared(_) => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Own(range) => range.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Stored(range) => range.len,
        }
    }
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod answer_test;
