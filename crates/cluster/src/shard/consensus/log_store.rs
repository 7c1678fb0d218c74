//! A shard's log as the engine sees it: frames in the shared WAL, and in memory what is not applied yet.
//!
//! An entry is readable on return of `append` and leaves memory once it is applied: with one voter nobody reads it
//! again. A follower that lags will need the WAL behind it.
//!
//! The *hard state* stands in the WAL's vote frames: the vote, and the membership with the index that set it, because
//! that entry may have been released long before the next start.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use storage::id::ShardId;
use storage::wal::{Frame, LogPosition, Payload, RecoveredShard};

use super::codec;
use super::types::{Entry, LogId, StoredMembership, Types, Vote};
use crate::shard::wal_mailbox::WalClient;

/// The engine's state that the WAL keeps beside entries.
#[derive(Clone, Default)]
pub(super) struct HardState {
    pub(super) vote: Option<Vote>,
    pub(super) membership: StoredMembership,
}

/// What a shard's log holds now.
pub(super) struct LogInner {
    pub(super) hard_state: HardState,
    purged: Option<LogId>,
    last: Option<LogId>,
    committed: Option<u64>,
    /// Entries that are not applied yet, without gaps, the last one last.
    unapplied: VecDeque<Entry>,
}

impl LogInner {
    /// Forgets entries up to `index`: they are applied.
    pub(super) fn applied(&mut self, index: u64) {
        while self.unapplied.front().is_some_and(|entry| entry.log_id.index <= index) {
            self.unapplied.pop_front();
        }
    }

    pub(super) fn last_index(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.index)
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }
}

/// The engine's log store; clones share one log.
#[derive(Clone)]
pub(super) struct LogStore {
    shard: ShardId,
    wal: Rc<WalClient>,
    pub(super) inner: Rc<RefCell<LogInner>>,
}

impl LogStore {
    /// The log as the WAL recovered it.
    pub(super) fn new(shard: ShardId, wal: Rc<WalClient>, recovered: RecoveredShard) -> io::Result<Self> {
        let purged = recovered.purged.map(log_id);
        let mut unapplied = VecDeque::with_capacity(recovered.entries.len());
        for entry in recovered.entries {
            let id = LogPosition { term: entry.term, index: entry.index };
            unapplied.push_back(codec::read_entry(log_id(id), entry.payload)?);
        }
        let last = unapplied.back().map(|entry| entry.log_id).or(purged);
        let hard_state =
            recovered.vote.map_or(Ok(HardState::default()), |bytes| codec::read_hard_state(&bytes))?;
        let inner = LogInner { hard_state, purged, last, committed: recovered.committed, unapplied };
        Ok(Self { shard, wal, inner: Rc::new(RefCell::new(inner)) })
    }

    /// Writes frames; the result says that they are durable.
    async fn write(&self, frame: Frame) -> io::Result<()> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let then = Box::new(move |result| {
            // The engine may have stopped waiting: it is going down.
            let _ = tell.send(result);
        });
        self.wal.append(self.shard, [frame], then).map_err(io::Error::other)?;
        told.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    /// Makes the present hard state durable.
    async fn write_hard_state(&self) -> io::Result<()> {
        let bytes = codec::hard_state(&self.inner.borrow().hard_state);
        self.write(Frame::Vote(bytes)).await
    }
}

pub(super) fn log_id(position: LogPosition) -> LogId {
    LogId::new_term_index(position.term, position.index)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.inner.borrow();
        let Some(first) = log.unapplied.front().map(|entry| entry.log_id.index) else {
            return Ok(Vec::new());
        };
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => first,
        };
        if from < first {
            return Err(io::Error::other(format!(
                "entry {from} is applied and left memory; {first} is the first"
            )));
        }
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        let within = |entry: &&Entry| range.contains(&entry.log_id.index);
        Ok(log.unapplied.iter().skip(skip).take_while(within).cloned().collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.inner.borrow().hard_state.vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let log = self.inner.borrow();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.inner.borrow_mut().hard_state.vote = Some(*vote);
        self.write_hard_state().await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let log = self.inner.borrow();
        let committed = log.committed;
        let known = log.unapplied.iter().rev().find(|entry| Some(entry.log_id.index) <= committed);
        Ok(known.map(|entry| entry.log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut frames = Vec::with_capacity(1);
        let mut log = self.inner.borrow_mut();
        for entry in entries {
            let (term, index) = (*entry.log_id.leader_id, entry.log_id.index);
            let payload = Payload::One(codec::entry_bytes(&entry));
            frames.push(Frame::Entry { term, index, meta: 0, payload });
            log.last = Some(entry.log_id);
            log.unapplied.push_back(entry);
        }
        drop(log);
        let then =
            Box::new(move |result: Result<(), _>| callback.io_completed(result.map_err(io::Error::other)));
        self.wal.append(self.shard, frames, then).map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.as_ref().map_or(0, |last| last.index + 1);
        {
            let mut log = self.inner.borrow_mut();
            while log.unapplied.back().is_some_and(|entry| entry.log_id.index >= from) {
                log.unapplied.pop_back();
            }
            log.last = last;
        }
        self.write(Frame::Truncate { from }).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let position = LogPosition { term: *log_id.leader_id, index: log_id.index };
        {
            let mut log = self.inner.borrow_mut();
            log.applied(log_id.index);
            log.last = log.last.max(Some(log_id));
            log.purged = Some(log_id);
        }
        self.write(Frame::Purge(position)).await
    }
}

impl LogStore {
    /// Remembers the membership that an applied entry set, before that entry can be released.
    pub(super) async fn save_membership(&self, membership: StoredMembership) -> io::Result<()> {
        self.inner.borrow_mut().hard_state.membership = membership;
        self.write_hard_state().await
    }
}
