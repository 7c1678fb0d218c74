//! What a shard's log holds in memory, and how far it has got.

use std::collections::VecDeque;
use std::ops::Range;

use openraft::EntryPayload;

use super::types::{Entry, LogId, StoredMembership, Vote};

/// What an entry in memory costs beside its payload, for the bound.
const ENTRY_COST_BYTES: u64 = 64;

/// The engine's state that the WAL keeps beside entries.
#[derive(Clone, Default)]
pub(super) struct HardState {
    pub(super) vote: Option<Vote>,
    pub(super) membership: StoredMembership,
}

/// What a shard's log holds now.
pub(super) struct LogInner {
    pub(super) hard_state: HardState,
    pub(super) committed: Option<u64>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Where a log begins of which nothing is purged.
    begin: u64,
    /// All entries that are not applied and flushed, and with followers some before; without gaps, the last one last.
    recent: VecDeque<Entry>,
    recent_bytes: u64,
    /// What of applied and flushed entries is kept in memory: nothing while nobody could ask.
    recent_bytes_max: u64,
    /// One more than the index of the last applied entry, and of the last durable one.
    applied_next: u64,
    flushed_next: u64,
    /// Payload bytes of each entry behind the purged one; kept only with followers.
    sizes: Option<VecDeque<u32>>,
    sizes_bytes: u64,
}

impl LogInner {
    /// A log as the WAL recovered it: all of it is durable. With followers `recent_bytes_max` is more than 0.
    pub(super) fn recovered(
        hard_state: HardState,
        committed: Option<u64>,
        purged: Option<LogId>,
        entries: Vec<Entry>,
        recent_bytes_max: u64,
    ) -> Self {
        let mut log = Self {
            hard_state,
            committed,
            purged,
            last: purged,
            begin: 0,
            recent: VecDeque::with_capacity(entries.len()),
            recent_bytes: 0,
            recent_bytes_max,
            applied_next: 0,
            flushed_next: 0,
            sizes: (recent_bytes_max > 0).then(VecDeque::new),
            sizes_bytes: 0,
        };
        entries.into_iter().for_each(|entry| log.push(entry));
        log.flushed_next = log.next_index();
        log
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.last.is_none() {
            self.begin = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.recent_bytes += cost(&entry);
        if let Some(sizes) = &mut self.sizes {
            let bytes = payload_bytes(&entry);
            sizes.push_back(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.sizes_bytes += bytes;
        }
        self.recent.push_back(entry);
    }

    /// Entries up to `index` are applied.
    pub(super) fn applied(&mut self, index: u64) {
        self.applied_next = index + 1;
        self.trim();
    }

    /// The append that ended with `id` is durable; the last durable entry, unless a truncation has taken `id` meanwhile.
    pub(super) fn flushed(&mut self, id: LogId) -> Option<u64> {
        if self.entry(id.index)?.log_id != id {
            return None;
        }
        self.flushed_next = self.flushed_next.max(id.index + 1);
        self.trim();
        Some(self.flushed_next - 1)
    }

    /// Everything that is left is durable, up to which entry: a truncation is, which came behind it.
    pub(super) fn all_flushed(&mut self) -> Option<u64> {
        self.flushed_next = self.next_index();
        self.trim();
        self.last.map(|last| last.index)
    }

    /// Takes the entries from `from` on away; `last` is what is left.
    pub(super) fn truncate(&mut self, from: u64, last: Option<LogId>) {
        while self.recent.back().is_some_and(|entry| entry.log_id.index >= from) {
            let taken = self.recent.pop_back();
            self.recent_bytes -= taken.as_ref().map_or(0, cost);
            if let Some(bytes) = self.sizes.as_mut().and_then(VecDeque::pop_back) {
                self.sizes_bytes -= u64::from(bytes);
            }
        }
        self.last = self.last.min(last);
        self.flushed_next = self.flushed_next.min(from);
    }

    /// Forgets the entries up to `id`, which may lie ahead of the last one.
    pub(super) fn purge(&mut self, id: LogId) {
        let first = self.first_index();
        if let Some(sizes) = &mut self.sizes {
            let count = usize::try_from((id.index + 1).saturating_sub(first)).unwrap_or(usize::MAX);
            self.sizes_bytes -= sizes.drain(..count.min(sizes.len())).map(u64::from).sum::<u64>();
        }
        while self.recent.front().is_some_and(|entry| entry.log_id.index <= id.index) {
            self.pop_front();
        }
        self.last = self.last.max(Some(id));
        self.purged = self.purged.max(Some(id));
        self.applied_next = self.applied_next.max(id.index + 1);
        self.flushed_next = self.flushed_next.max(id.index + 1);
    }

    /// Up to where entries must be purged so that no more than `bytes_max` of payload are kept; `None` when that holds.
    pub(super) fn excess(&self, bytes_max: u64) -> Option<u64> {
        let mut excess = self.sizes_bytes.checked_sub(bytes_max + 1)?;
        let sizes = self.sizes.as_ref()?;
        let is_more = |bytes: &&u32| {
            let is_more = excess > 0;
            excess = excess.saturating_sub(u64::from(**bytes));
            is_more
        };
        let count = sizes.iter().take_while(is_more).count().max(1);
        Some(self.first_index() + count as u64 - 1)
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// The index that the next entry gets.
    pub(super) fn next_index(&self) -> u64 {
        self.last.map_or(0, |last| last.index + 1)
    }

    /// The first index that is not purged.
    pub(super) fn first_index(&self) -> u64 {
        self.purged.map_or(self.begin, |purged| purged.index + 1)
    }

    /// The first index in memory.
    pub(super) fn first_recent(&self) -> u64 {
        self.recent.front().map_or_else(|| self.next_index(), |entry| entry.log_id.index)
    }

    /// The entry at `index`, if it is in memory.
    pub(super) fn entry(&self, index: u64) -> Option<&Entry> {
        let first = self.recent.front()?.log_id.index;
        self.recent.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    /// The entries of `range` that are in memory, from its begin on, at least one and up to about `bytes_max`.
    pub(super) fn entries(&self, range: Range<u64>, bytes_max: u64) -> impl Iterator<Item = &Entry> {
        let skip = range.start.saturating_sub(self.first_recent());
        let mut bytes = 0;
        self.recent
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take_while(move |entry| range.contains(&entry.log_id.index))
            .take_while(move |entry| {
                let has_room = bytes == 0 || bytes + payload_bytes(entry) <= bytes_max;
                bytes += payload_bytes(entry).max(1);
                has_room
            })
    }

    fn trim(&mut self) {
        let needless = self.applied_next.min(self.flushed_next);
        while self.recent_bytes > self.recent_bytes_max
            && self.recent.front().is_some_and(|entry| entry.log_id.index < needless)
        {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        let entry = self.recent.pop_front();
        self.recent_bytes -= entry.as_ref().map_or(0, cost);
    }
}

/// Bytes of an entry's payload that are worth counting.
pub(super) fn payload_bytes(entry: &Entry) -> u64 {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.0.len() as u64,
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

fn cost(entry: &Entry) -> u64 {
    ENTRY_COST_BYTES + payload_bytes(entry)
}
