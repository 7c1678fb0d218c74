//! Ranges of segments that are in no memory: read by threads that may wait for the disk, ahead of the socket.
//!
//! An answer says early what it will want, so while one piece of it is sent the next ones are under way. Pieces lie in
//! memory that is used again, for first touch of fresh memory costs more than all the rest (docs/adr/0008).
//!
//! Invariant: one piece of an answer may always be read, more only while the pool of all answers has room.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use env::disk::{AlignedBuffer, BLOCK_BYTES};
use env::task::JoinHandle;
use storage::partition_log::{ColdRange, ReadSliceError};

use super::answer::{Answer, StoredRange};
use crate::memory_pool::{MemoryPool, Share};

/// A piece ends at a multiple of this at the latest, so that all but the first begin with a block.
const PIECE_BYTES: u64 = 1 << 20;
/// Pieces that are read while one is sent.
const AHEAD: usize = 3;
/// Buffers that wait for their next use.
const STOCK: usize = 8;

/// What all reads of a thread share.
pub(crate) struct ColdReads {
    /// Of all answers, to count what is read for them.
    answers: Rc<MemoryPool>,
    stock: Arc<Stock>,
}

/// Buffers without use. First touch of fresh memory costs more than the disk's own work.
#[derive(Default)]
struct Stock(Mutex<Vec<AlignedBuffer>>);

/// A piece in memory; its buffer goes back to the stock when the last byte was sent.
struct Piece {
    buffer: AlignedBuffer,
    bytes: Range<usize>,
    stock: Arc<Stock>,
}

/// The reads of one answer that are under way, in the order of its pieces.
pub(super) struct Ahead<'r> {
    reads: &'r ColdReads,
    under_way: VecDeque<UnderWay>,
}

struct UnderWay {
    range: StoredRange,
    share: Share,
    bytes: JoinHandle<Result<Bytes, ReadSliceError>>,
}

impl ColdReads {
    pub(crate) fn new(answers: Rc<MemoryPool>) -> Self {
        Self { answers, stock: Arc::default() }
    }

    fn begin(&self, range: StoredRange, share: Share) -> UnderWay {
        let (stock, cold) = (self.stock.clone(), range.file.cold_range(range.position, range.len));
        let bytes = env::spawn_local(env::task::spawn_blocking(move || read(&cold, stock)));
        UnderWay { range, share, bytes }
    }
}

impl<'r> Ahead<'r> {
    pub(super) fn new(reads: &'r ColdReads) -> Self {
        Self { reads, under_way: VecDeque::new() }
    }

    /// True when what `answer` begins with is being read.
    pub(super) fn has_begun(&self, answer: &Answer) -> bool {
        let first = self.under_way.front().map(|first| &first.range);
        first.is_some_and(|first| answer.first_range().is_some_and(|range| first.is_front_of(range)))
    }

    /// The first piece of `answer`, which must begin with a range, and its share of all answers' memory.
    ///
    /// # Errors
    /// When the segment can't be read.
    pub(super) async fn read(&mut self, answer: &Answer) -> Result<(Bytes, Share), ReadSliceError> {
        if !self.has_begun(answer) {
            // What was read ahead has been found in memory meanwhile.
            self.under_way.clear();
        }
        let pieces = answer.ranges().flat_map(StoredRange::pieces).take(1 + AHEAD);
        for piece in pieces.skip(self.under_way.len()) {
            let share = match self.under_way.is_empty() {
                true => Some(self.reads.answers.take_anyway(piece.len)),
                false => self.reads.answers.take(piece.len),
            };
            let Some(share) = share else { break };
            self.under_way.push_back(self.reads.begin(piece, share));
        }
        let first = self.under_way.pop_front().expect("an answer that begins with a range has a piece");
        match first.bytes.await {
            Ok(read) => Ok((read?, first.share)),
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }

    /// True while memory is held for what is not sent yet.
    pub(super) fn holds_memory(&self) -> bool {
        !self.under_way.is_empty()
    }
}

impl StoredRange {
    fn is_front_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.position == other.position
    }

    /// Itself, in pieces.
    fn pieces(&self) -> impl Iterator<Item = Self> {
        let end = self.position + self.len as u64;
        let first = Some(self.position).filter(|position| *position < end);
        let starts = std::iter::successors(first, move |position| {
            let next = position - position % BLOCK_BYTES as u64 + PIECE_BYTES;
            (next < end).then_some(next)
        });
        starts.map(move |position| {
            let left = end - position;
            let len = left.min(PIECE_BYTES - position % BLOCK_BYTES as u64);
            let len = usize::try_from(len).expect("a piece is short");
            Self { file: self.file.clone(), position, len }
        })
    }
}

fn read(range: &ColdRange, stock: Arc<Stock>) -> Result<Bytes, ReadSliceError> {
    if let Some(cached) = range.bring_in() {
        return Ok(Bytes::from_owner(cached));
    }
    let mut buffer = stock.take();
    let bytes = range.read(&mut buffer)?;
    Ok(Bytes::from_owner(Piece { buffer, bytes, stock }))
}

impl Stock {
    fn take(&self) -> AlignedBuffer {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        used.unwrap_or_default()
    }

    fn give_back(&self, buffer: AlignedBuffer) {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stock.len() < STOCK {
            stock.push(buffer);
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.as_slice()[self.bytes.clone()]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.stock.give_back(std::mem::take(&mut self.buffer));
    }
}
