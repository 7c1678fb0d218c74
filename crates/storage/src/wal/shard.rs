//! What a shard has in the log: its small state, and where each of its entries lies.

use std::collections::VecDeque;

use bytes::Bytes;

use super::files::{Generation, LiveFiles};
use super::frame::{ALIGNMENT, LogPosition};

/// Where an entry lies. 24 bytes, because there may be hundreds of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) term: u64,
    /// Of the file's generation.
    pub(super) sequence: u32,
    /// Payload bytes.
    pub(super) length: u32,
    /// The frame's position in units of [`ALIGNMENT`].
    units: u32,
}

impl Location {
    pub(super) fn new(term: u64, generation: Generation, position: u64, length: u32) -> Self {
        let units = u32::try_from(position / ALIGNMENT as u64).expect("files are below 32 GiB");
        Self { term, sequence: generation.sequence(), length, units }
    }

    /// The frame's position in its file.
    pub(super) fn position(&self) -> u64 {
        u64::from(self.units) * ALIGNMENT as u64
    }
}

/// A shard's state as the frames written so far leave it.
#[derive(Debug, Default)]
pub(super) struct ShardState {
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<u64>,
    pub(super) purged: Option<LogPosition>,
    /// Index of `entries[0]`.
    first: u64,
    entries: VecDeque<Location>,
    /// How many of the front entries are released: nobody needs them, but their files are not free yet.
    released: usize,
}

impl ShardState {
    /// The state that recovery found; its entries are not released.
    pub(super) fn recovered(
        vote: Option<Bytes>,
        committed: Option<u64>,
        purged: Option<LogPosition>,
        first: u64,
        entries: VecDeque<Location>,
    ) -> Self {
        Self { vote, committed, purged, first, entries, released: 0 }
    }

    /// An entry was written behind the last one.
    pub(super) fn push(&mut self, index: u64, location: Location, files: &mut LiveFiles) {
        if self.entries.is_empty() {
            self.first = index;
        }
        assert_eq!(
            index,
            self.first + self.entries.len() as u64,
            "the queue keeps a shard's entries in order"
        );
        files.need(location.sequence, location.length);
        self.entries.push_back(location);
    }

    pub(super) fn truncate(&mut self, from: u64, files: &mut LiveFiles) {
        while !self.entries.is_empty() && self.first + self.entries.len() as u64 > from {
            let location = self.entries.pop_back().expect("not empty");
            if self.entries.len() >= self.released {
                files.release(location.sequence, location.length);
            }
        }
        self.released = self.released.min(self.entries.len());
    }

    pub(super) fn purge(&mut self, to: LogPosition, files: &mut LiveFiles) {
        while !self.entries.is_empty() && self.first <= to.index {
            let location = self.entries.pop_front().expect("not empty");
            self.first += 1;
            match self.released.checked_sub(1) {
                Some(rest) => self.released = rest,
                None => files.release(location.sequence, location.length),
            }
        }
        self.purged = self.purged.max(Some(to));
    }

    pub(super) fn release(&mut self, index: u64, files: &mut LiveFiles) {
        while self.released < self.entries.len() && self.first + self.released as u64 <= index {
            let location = self.entries[self.released];
            files.release(location.sequence, location.length);
            self.released += 1;
        }
    }

    /// The last released entry that lies in a file below `floor`: from there on back the shard's log ends when these go.
    pub(super) fn last_below(&self, floor: Generation) -> Option<LogPosition> {
        let at = (0..self.released).rev().find(|at| self.entries[*at].sequence < floor.sequence())?;
        Some(LogPosition { term: self.entries[at].term, index: self.first + at as u64 })
    }

    /// The needed entries that lie in one file, with their indexes.
    pub(super) fn needed_in(&self, generation: Generation) -> impl Iterator<Item = (u64, Location)> + '_ {
        let sequence = generation.sequence();
        let needed = self.entries.iter().enumerate().skip(self.released);
        needed
            .filter(move |(_, location)| location.sequence == sequence)
            .map(|(at, location)| (self.first + at as u64, *location))
    }

    /// Where the entry at `index` lies, if the log has it.
    pub(super) fn location(&self, index: u64) -> Option<Location> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(at).copied()
    }

    /// An entry has a second copy, and the first is not needed any more.
    pub(super) fn relocate(&mut self, index: u64, to: Location, files: &mut LiveFiles) {
        let at = usize::try_from(index - self.first).expect("entries fit memory");
        let from = std::mem::replace(&mut self.entries[at], to);
        files.release(from.sequence, from.length);
        files.need(to.sequence, to.length);
    }
}
