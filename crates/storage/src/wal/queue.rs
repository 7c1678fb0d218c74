//! What waits to be written: in order, bounded in bytes, and checked before it is accepted.

use std::collections::VecDeque;

use super::error::AppendError;
use super::frame::Frame;
use super::options::WalOptions;
use super::recovery::Recovered;
use crate::id::ShardId;

/// Largest vote.
const VOTE_BYTES_MAX: u32 = 64 << 10;
/// What a frame costs beside its payload, for the bound.
const FRAME_COST_BYTES: u64 = 64;

/// A frame, or only a ticket, waiting.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) shard: ShardId,
    pub(super) frame: Option<Frame>,
    pub(super) ticket: Option<u64>,
}

/// Where a shard's log begins and ends once everything queued is written.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    purged: Option<u64>,
    /// The index behind the last entry; `None` before a shard's first one.
    next: Option<u64>,
}

/// Frames in the order in which they become durable.
#[derive(Debug)]
pub struct WalQueue {
    queued: VecDeque<Queued>,
    submitted: VecDeque<Queued>,
    /// A handful: searched in turn.
    ends: Vec<(ShardId, Ends)>,
    /// Queued, submitted, or taken and not written yet.
    bytes: u64,
    bytes_max: u64,
    entry_bytes_max: u32,
    no_space: bool,
}

impl WalQueue {
    /// An empty queue behind what recovery found.
    #[must_use]
    pub fn new(recovered: &Recovered, options: &WalOptions) -> Self {
        let ends = recovered.shards.iter().map(|(shard, state)| {
            let purged = state.purged.map(|purged| purged.index);
            let next = state.entries.last().map(|entry| entry.index).or(purged).map(|last| last + 1);
            (*shard, Ends { purged, next })
        });
        Self {
            queued: VecDeque::new(),
            submitted: VecDeque::new(),
            ends: ends.collect(),
            bytes: 0,
            bytes_max: options.queued_bytes_max,
            entry_bytes_max: options.entry_bytes_max,
            no_space: false,
        }
    }

    /// Queues `frames` of one shard; `ticket` is answered when they and all before them are durable.
    ///
    /// # Errors
    /// As [`super::Wal::append`]; nothing of the call is queued then.
    pub fn append(
        &mut self,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        ticket: Option<u64>,
    ) -> Result<(), AppendError> {
        let room = self.check_room();
        self.append_if(&room, shard, frames, ticket)
    }

    /// As [`WalQueue::append`], for entries whose room was checked before: they are taken also when it has gone since.
    ///
    /// # Errors
    /// As [`super::Wal::append_promised`]; nothing of the call is queued then.
    pub fn append_promised(
        &mut self,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        ticket: Option<u64>,
    ) -> Result<(), AppendError> {
        self.append_if(&Ok(()), shard, frames, ticket)
    }

    fn append_if(
        &mut self,
        room: &Result<(), AppendError>,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        ticket: Option<u64>,
    ) -> Result<(), AppendError> {
        let (count, bytes, mut ends) = (self.queued.len(), self.bytes, self.ends_of(shard));
        for frame in frames {
            if let Err(error) = self.admit(shard, &frame, &mut ends, room) {
                self.queued.truncate(count);
                self.bytes = bytes;
                return Err(error);
            }
            self.bytes += cost(&frame);
            self.queued.push_back(Queued { shard, frame: Some(frame), ticket: None });
        }
        let added = self.queued.len() - count;
        match self.queued.back_mut().filter(|_| added > 0) {
            Some(last) => last.ticket = ticket,
            None => self.queued.push_back(Queued { shard, frame: None, ticket }),
        }
        match self.ends.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, known)) => *known = ends,
            None => self.ends.push((shard, ends)),
        }
        Ok(())
    }

    /// Lets everything queued so far be taken.
    pub fn submit(&mut self) {
        if self.submitted.is_empty() {
            std::mem::swap(&mut self.queued, &mut self.submitted);
        } else {
            self.submitted.append(&mut self.queued);
        }
    }

    /// Refuses entries while too much waits. Below its bound the queue takes one append whole, however large.
    ///
    /// # Errors
    /// [`AppendError::Full`] or [`AppendError::NoSpace`].
    pub fn check_room(&self) -> Result<(), AppendError> {
        if self.no_space {
            return Err(AppendError::NoSpace);
        }
        if self.bytes < self.bytes_max {
            return Ok(());
        }
        Err(AppendError::Full { queued_bytes: self.bytes, queued_bytes_max: self.bytes_max })
    }

    /// Says whether entries are refused because the disk is full.
    pub fn set_no_space(&mut self, no_space: bool) {
        self.no_space = no_space;
    }

    /// Bytes that wait, or are being written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True when nothing can be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.submitted.is_empty()
    }

    /// Moves what was submitted to the end of `to`. Its bytes count until they are [`WalQueue::written`].
    pub(super) fn take_into(&mut self, to: &mut VecDeque<Queued>) {
        if to.is_empty() {
            std::mem::swap(&mut self.submitted, to);
        } else {
            to.append(&mut self.submitted);
        }
    }

    /// `bytes` of what was taken need no memory any more.
    pub(super) fn written(&mut self, bytes: u64) {
        self.bytes = self.bytes.checked_sub(bytes).expect("bytes are queued before they are written");
    }

    fn ends_of(&self, shard: ShardId) -> Ends {
        self.ends.iter().find(|(known, _)| *known == shard).map(|(_, ends)| *ends).unwrap_or_default()
    }

    fn admit(
        &self,
        shard: ShardId,
        frame: &Frame,
        ends: &mut Ends,
        room: &Result<(), AppendError>,
    ) -> Result<(), AppendError> {
        match frame {
            Frame::Entry { index, payload, .. } => {
                room.clone()?;
                check_size(payload.len(), self.entry_bytes_max)?;
                // A shard's log begins at 0 or 1, so that recovery can tell a beginning from a gap.
                let expected = ends.next.unwrap_or((*index).min(1));
                in_order(shard, *index == expected, expected, *index)?;
                ends.next = Some(index + 1);
            }
            Frame::Vote(vote) => check_size(vote.len(), VOTE_BYTES_MAX)?,
            Frame::Truncate { from } => {
                let first = ends.purged.map_or(0, |purged| purged + 1);
                in_order(shard, *from >= first, first, *from)?;
                // Cut at its very beginning the log may begin at 0 or 1 again.
                ends.next =
                    ends.next.map(|next| next.min(*from)).filter(|next| ends.purged.is_some() || *next > 0);
            }
            Frame::Purge(to) => {
                ends.purged = ends.purged.max(Some(to.index));
                ends.next = ends.next.max(Some(to.index + 1));
            }
            Frame::Committed { .. } => {}
        }
        Ok(())
    }
}

/// What a frame adds to the queue's bytes.
pub(super) fn cost(frame: &Frame) -> u64 {
    FRAME_COST_BYTES
        + match frame {
            Frame::Entry { payload, .. } => payload.len() as u64,
            Frame::Vote(vote) => vote.len() as u64,
            Frame::Truncate { .. } | Frame::Purge(_) | Frame::Committed { .. } => 0,
        }
}

fn check_size(bytes: usize, bytes_max: u32) -> Result<(), AppendError> {
    if u32::try_from(bytes).is_ok_and(|bytes| bytes <= bytes_max) {
        return Ok(());
    }
    Err(AppendError::TooLarge { bytes: bytes as u64, bytes_max })
}

fn in_order(shard: ShardId, holds: bool, expected: u64, index: u64) -> Result<(), AppendError> {
    if holds { Ok(()) } else { Err(AppendError::OutOfOrder { shard, expected, index }) }
}
