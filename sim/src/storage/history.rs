//! One shard's log as this node must have it: what is durable, what is on its way, what is committed and applied.
//!
//! Indexes begin at 1. A shard alone commits what is flushed. A follower's entries may be committed, and applied, before
//! they are flushed here, and those that are not committed may be cut off again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use storage::id::ShardId;
use storage::wal::{Frame, RecoveredShard};

use super::entry::Entry;
use super::model::hold;

/// A change to the shard's log in the WAL.
#[derive(Clone)]
enum Change {
    Append(Arc<Entry>),
    Truncate { from: usize },
}

/// See the module's head.
pub(super) struct History {
    pub(super) shard: ShardId,
    /// The log as of the last answered frame, or as recovered.
    durable: Vec<Arc<Entry>>,
    /// Frames behind that, in order.
    ahead: VecDeque<Change>,
    /// How many of them the WAL's thread has, so that they may become durable.
    handed_over: usize,
    /// Frames of this life that were answered.
    answered: u64,
    /// The log as of everything queued.
    pub(super) log: Vec<Arc<Entry>>,
    /// What is committed for good: the same on all nodes, whatever this one has.
    pub(super) committed: Vec<Arc<Entry>>,
    /// The last applied index.
    pub(super) applied: usize,
    /// The WAL may have forgotten entries up to here.
    released: u64,
}

impl History {
    pub(super) fn new(shard: ShardId) -> Self {
        Self {
            shard,
            durable: Vec::new(),
            ahead: VecDeque::new(),
            handed_over: 0,
            answered: 0,
            log: Vec::new(),
            committed: Vec::new(),
            applied: 0,
            released: 0,
        }
    }

    /// The last index.
    pub(super) fn last(&self) -> usize {
        self.log.len()
    }

    /// The entry at `index`.
    pub(super) fn entry(&self, index: usize) -> &Arc<Entry> {
        &self.log[index - 1]
    }

    /// The last index up to which the log is durable on this node.
    pub(super) fn flushed(&self) -> usize {
        let same =
            self.durable.iter().zip(&self.log).take_while(|(durable, entry)| Arc::ptr_eq(durable, entry));
        same.count()
    }

    /// The last index that is in this log and committed.
    pub(super) fn committed_here(&self) -> usize {
        let same =
            self.committed.iter().zip(&self.log).take_while(|(agreed, entry)| Arc::ptr_eq(agreed, entry));
        same.count()
    }

    /// The frame that appends `entry`, with its ticket; [`History::appended`] when the WAL has taken it.
    pub(super) fn frame_of(&self, entry: &Entry, cut_at: usize) -> (Frame, u64) {
        let parts = vec![entry.payload.slice(..cut_at), entry.payload.slice(cut_at..)];
        let index = self.last() as u64 + 1;
        let frame = Frame::Entry { term: entry.term, index, meta: 7, payload: parts.into() };
        (frame, self.next_ticket())
    }

    pub(super) fn appended(&mut self, entry: Arc<Entry>) {
        self.log.push(entry.clone());
        self.ahead.push_back(Change::Append(entry));
    }

    /// The frame that cuts the log off from `from` on, and its ticket.
    pub(super) fn frame_of_truncation(&self, from: usize) -> (Frame, u64) {
        (Frame::Truncate { from: from as u64 }, self.next_ticket())
    }

    pub(super) fn truncated(&mut self, from: usize) {
        assert!(from > self.applied, "what is applied is not cut off");
        self.log.truncate(from - 1);
        self.ahead.push_back(Change::Truncate { from });
    }

    /// Everything that was queued is in the WAL thread's hands.
    pub(super) fn hand_over(&mut self) {
        self.handed_over = self.ahead.len();
    }

    fn next_ticket(&self) -> u64 {
        self.answered + self.ahead.len() as u64 + 1
    }

    /// The WAL says that the frame of `ticket` and those before it are durable.
    pub(super) fn acknowledge(&mut self, ticket: u64) -> Result<u64, String> {
        hold!(ticket > self.answered, "ticket {ticket} is answered behind {}", self.answered);
        let count = ticket - self.answered;
        for _ in 0..count {
            let Some(change) = self.ahead.pop_front() else {
                return Err(format!("ticket {ticket} was never given"));
            };
            apply(&mut self.durable, &change);
            self.handed_over = self.handed_over.saturating_sub(1);
        }
        self.answered = ticket;
        Ok(count)
    }

    /// True when every queued frame was answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.ahead.is_empty()
    }

    /// A node alone: what is durable is committed. A follower hears of more: up to `index`.
    pub(super) fn commit(&mut self, index: usize) {
        for at in self.committed.len()..index.min(self.log.len()) {
            self.committed.push(self.log[at].clone());
        }
    }

    /// The WAL may forget entries up to `index`.
    pub(super) fn release(&mut self, index: u64) -> Result<(), String> {
        let flushed = self.flushed() as u64;
        hold!(index <= flushed, "shard {} is covered to {index}, but durable to {flushed}", self.shard);
        self.released = self.released.max(index);
        Ok(())
    }

    /// Finds what was recovered among what may have been, and goes on from there.
    pub(super) fn recover(&mut self, found: &RecoveredShard, covered: u64) -> Result<(), String> {
        let purged = found.purged.map_or(0, |purged| purged.index);
        hold!(purged <= self.released, "entries up to {purged} are gone, of {} released", self.released);
        hold!(covered >= self.released, "a checkpoint covered {}, now {covered}", self.released);
        hold!(purged <= covered, "the WAL begins behind {purged}, the checkpoint ends at {covered}");
        let mut may_be = (0..=self.handed_over).map(|at| {
            let change = at.checked_sub(1).map(|at| self.ahead[at].clone());
            if let Some(change) = change {
                apply(&mut self.durable, &change);
            }
            is_same(&self.durable, found)
        });
        let is_found = may_be.any(|same| same);
        let last = found.entries.last().map_or(purged, |entry| entry.index);
        hold!(is_found, "the WAL has entries up to {last} that no prefix of what was appended has");
        self.ahead.clear();
        self.handed_over = 0;
        self.answered = 0;
        self.log = self.durable.clone();
        self.applied = usize::try_from(purged).expect("small");
        self.released = self.released.max(covered);
        // What a checkpoint has must be what everybody agreed on, and be durable.
        let agreed = self.committed_here() as u64;
        hold!(covered <= agreed, "a checkpoint covers {covered}, the WAL has {agreed} of what is committed");
        Ok(())
    }

    /// What everybody agreed on, where this node has something else, or nothing.
    pub(super) fn is_behind(&self) -> bool {
        self.committed_here() < self.committed.len()
    }
}

fn apply(log: &mut Vec<Arc<Entry>>, change: &Change) {
    match change {
        Change::Append(entry) => log.push(entry.clone()),
        Change::Truncate { from } => log.truncate(from - 1),
    }
}

/// True when `found` are the last of `log`.
fn is_same(log: &[Arc<Entry>], found: &RecoveredShard) -> bool {
    let purged = found.purged.map_or(0, |purged| purged.index);
    let Some(from) = usize::try_from(purged).ok().filter(|purged| *purged <= log.len()) else { return false };
    let is_right = |(at, (entry, found)): (usize, (&Arc<Entry>, &storage::wal::RecoveredEntry))| {
        let index = (from + at + 1) as u64;
        (found.index, found.term, found.meta) == (index, entry.term, 7) && found.payload == entry.payload
    };
    let pairs = log[from..].iter().zip(&found.entries).enumerate();
    log.len() - from == found.entries.len() && { pairs }.all(is_right)
}

/// The payloads that recovery gives, by index: replay must use these bytes.
pub(super) fn payload_of(found: &RecoveredShard, index: usize) -> Option<&Bytes> {
    let first = found.entries.first()?.index;
    let at = (index as u64).checked_sub(first)?;
    found.entries.get(usize::try_from(at).ok()?).map(|entry| &entry.payload)
}
