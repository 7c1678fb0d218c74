//! A shard's log as the engine sees it: frames in the shared WAL, and in memory what is not applied yet.
//!
//! An entry is readable on return of `append` and leaves memory once it is applied and durable here. With one voter nobody
//! reads it again; with followers the last few MiB stay in memory, and what is older is read back from the WAL. There an
//! entry lives until it is purged, which for a shard with followers only the engine does.
//!
//! The *hard state* stands in the WAL's vote frames: the vote, and the membership with the index that set it, because
//! that entry may have been released long before the next start.
//!
//! Invariant: callbacks come in the order of the appends, each after its frames' sync.
//! Invariant: a vote is durable before `save_vote` returns; the committed index is written along with what comes next.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::rc::Rc;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use storage::id::ShardId;
use storage::wal::{Frame, LogPosition, Payload, RecoveredEntry, RecoveredShard};

use super::codec;
use super::log_inner::{HardState, LogInner, payload_bytes};
use super::types::{Entry, LogId, StoredMembership, Types, Vote};
use crate::shard::log_progress::LogProgress;
use crate::shard::planted::{Plan, planted};
use crate::shard::wal_mailbox::WalClient;

/// Payload bytes that a replication message carries: uncapped, a follower that lags would never catch up.
const REPLICATED_BYTES_MAX: u64 = 1 << 20;

/// The engine's log store; clones share one log.
#[derive(Clone)]
pub(super) struct LogStore {
    shard: ShardId,
    wal: Rc<WalClient>,
    progress: Rc<LogProgress>,
    plan: Plan,
    pub(super) inner: Rc<RefCell<LogInner>>,
}

impl LogStore {
    /// The log as the WAL recovered it. With followers `recent_bytes_max` is more than 0.
    pub(super) fn new(
        shard: ShardId,
        wal: Rc<WalClient>,
        progress: Rc<LogProgress>,
        recovered: RecoveredShard,
        recent_bytes_max: u64,
        plan: Plan,
    ) -> io::Result<Self> {
        let purged = recovered.purged.map(log_id);
        let entries = recovered.entries.into_iter().map(entry_of).collect::<Result<Vec<_>, _>>()?;
        let hard_state =
            recovered.vote.map_or(Ok(HardState::default()), |bytes| codec::read_hard_state(&bytes))?;
        let inner = LogInner::recovered(hard_state, recovered.committed, purged, entries, recent_bytes_max);
        if let Some(last) = inner.last() {
            progress.set_flushed(last.index);
        }
        Ok(Self { shard, wal, progress, plan, inner: Rc::new(RefCell::new(inner)) })
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

    /// Remembers the membership that an applied entry or a snapshot set, before that entry can be released.
    pub(super) async fn save_membership(&self, membership: StoredMembership) -> io::Result<()> {
        self.inner.borrow_mut().hard_state.membership = membership;
        self.write_hard_state().await
    }

    /// A snapshot up to `id` was installed: the log begins behind it, durably, before anybody hears of it. A node that said to
    /// be there must not come back with a shorter log.
    pub(super) async fn begin_behind(&self, id: LogId) -> io::Result<()> {
        self.inner.borrow_mut().purge(id);
        self.write(Frame::Purge(position(id))).await?;
        self.progress.set_flushed(id.index);
        Ok(())
    }

    /// False while the WAL takes no entries, which a follower's leader should learn before the engine tries.
    pub(super) fn has_room(&self) -> bool {
        self.wal.wal().check_room().is_ok()
    }

    /// Entries from `range`'s begin on without a gap: all that the log has, or as many as `bytes_max` allows, at least one.
    async fn read(&self, range: Range<u64>, bytes_max: u64) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut left = bytes_max;
        let mut next = range.start.max(self.inner.borrow().first_index());
        while next < range.end && (left > 0 || entries.is_empty()) {
            let older = {
                let log = self.inner.borrow();
                if next >= log.first_recent() {
                    entries.extend(log.entries(next..range.end, left).cloned());
                    break;
                }
                next..range.end.min(log.first_recent())
            };
            let read = self.wal.read_back(self.shard, older, left).await.map_err(io::Error::other)?;
            next += read.len() as u64;
            for entry in read {
                let entry = entry_of(entry)?;
                left = left.saturating_sub(payload_bytes(&entry));
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

pub(super) fn log_id(position: LogPosition) -> LogId {
    LogId::new_term_index(position.term, position.index)
}

fn position(id: LogId) -> LogPosition {
    LogPosition { term: *id.leader_id, index: id.index }
}

fn entry_of(recovered: RecoveredEntry) -> io::Result<Entry> {
    let position = LogPosition { term: recovered.term, index: recovered.index };
    codec::read_entry(log_id(position), recovered.payload)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from..to, u64::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, REPLICATED_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.inner.borrow().hard_state.vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let log = self.inner.borrow();
        Ok(LogState { last_purged_log_id: log.purged(), last_log_id: log.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.inner.borrow_mut().hard_state.vote = Some(*vote);
        if planted!(self.plan, VoteNotAwaited) {
            let bytes = codec::hard_state(&self.inner.borrow().hard_state);
            return self
                .wal
                .append(self.shard, [Frame::Vote(bytes)], Box::new(|_| {}))
                .map_err(io::Error::other);
        }
        self.write_hard_state().await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // With one voter what is in the log is committed.
        let Some(committed) = committed.filter(|_| self.progress.purges_itself()) else { return Ok(()) };
        self.inner.borrow_mut().committed = Some(committed.index);
        let frame = Frame::Committed { index: committed.index };
        self.wal.append_along(self.shard, frame).map_err(io::Error::other)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let log = self.inner.borrow();
        if planted!(self.plan, AllTakenForCommitted) {
            return Ok(log.last());
        }
        // A log that is shorter than that was to begin behind a snapshot: what it has is not known to be committed.
        Ok(log.committed.and_then(|committed| log.entry(committed)).map(|entry| entry.log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut frames = Vec::with_capacity(1);
        let mut last = None;
        {
            let mut log = self.inner.borrow_mut();
            for entry in entries {
                let (term, index) = (*entry.log_id.leader_id, entry.log_id.index);
                let payload = Payload::One(codec::entry_bytes(&entry));
                frames.push(Frame::Entry { term, index, meta: 0, payload });
                last = Some(entry.log_id);
                log.push(entry);
            }
        }
        let (inner, progress) = (self.inner.clone(), self.progress.clone());
        let mut callback = Some(callback);
        if planted!(self.plan, AppendAcknowledgedUnflushed)
            && let Some(callback) = callback.take()
        {
            callback.io_completed(Ok(()));
        }
        let then = Box::new(move |result: Result<(), _>| {
            let flushed = last.filter(|_| result.is_ok()).and_then(|last| inner.borrow_mut().flushed(last));
            if let Some(flushed) = flushed {
                progress.set_flushed(flushed);
            }
            if let Some(callback) = callback {
                callback.io_completed(result.map_err(io::Error::other));
            }
        });
        self.wal.append(self.shard, frames, then).map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.as_ref().map_or(0, |last| last.index + 1);
        self.inner.borrow_mut().truncate(from, last);
        self.progress.truncated(from);
        self.write(Frame::Truncate { from }).await?;
        if let Some(flushed) = self.inner.borrow_mut().all_flushed() {
            self.progress.set_flushed(flushed);
        }
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.inner.borrow_mut().purge(log_id);
        self.write(Frame::Purge(position(log_id))).await
    }
}
