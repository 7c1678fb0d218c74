//! All logs of a shard's partitions, in the hands of the shard's one thread: where `apply` appends, and what decides which
//! tails leave memory when.
//!
//! The owner calls [`ShardLogs::maintain`] after it applied entries, when [`crate::segment_writer::Progress::stored`] names
//! the shard, and at the time that the last call named. It hands the works to the store.
//!
//! Invariant: nothing here grows with the number of idle partitions but the map of logs itself.
//! Invariant: `Covered { index }` follows every work that carries an effect of an entry up to `index`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use env::Instant;
use rustc_hash::FxBuildHasher;

use super::cut::Work;
use super::due::DueLimits;
use super::log::{Appended, NewBatch, PartitionLog, RecoveredLog};
use super::reader::LogReader;
use super::snapshot::{InstallError, PartitionState, StoredBatch};
use super::tail::{EntryPin, PinnedBytes};
use super::view::StoredPart;
use crate::id::{PartitionId, ShardId};
use crate::planted::planted;

/// Entries without effect on any partition after which the shard is reported covered all the same.
const COVERED_EVERY: u64 = 1024;

/// What [`ShardLogs::maintain`] wants done.
#[derive(Default)]
pub struct Maintained {
    /// For [`crate::segment_writer::Store::submit`], in this order.
    pub works: Vec<Work>,
    /// When to call again though nothing else happened; `None` while nothing waits for its age.
    pub wake_at: Option<Instant>,
}

/// How many cuts of a log may be on their way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    OneCutEach,
    All,
}

/// See the module's head.
pub struct ShardLogs {
    shard: ShardId,
    limits: DueLimits,
    pinned: Arc<PinnedBytes>,
    /// Shared by all empty logs.
    empty: Arc<StoredPart>,
    logs: HashMap<PartitionId, PartitionLog, FxBuildHasher>,
    /// How often the segment writer published for this shard, and how often when `blocked` was looked at last.
    published: Arc<AtomicU64>,
    published_seen: u64,
    /// First uncut index of every log that has one.
    uncut: BTreeSet<(u64, PartitionId)>,
    /// In the order in which logs got something uncut; a log that was cut since has a later time itself.
    by_age: VecDeque<(Instant, PartitionId)>,
    /// Due now.
    due: Vec<PartitionId>,
    /// Due, but an earlier cut is on its way.
    blocked: Vec<PartitionId>,
    /// Frozen, but not flushed in the local WAL yet.
    unflushed: VecDeque<Work>,
    covered: u64,
    state: Option<Bytes>,
    /// The leader's wall time of the entry being applied, in milliseconds.
    entry_time_ms: i64,
}

impl ShardLogs {
    pub(crate) fn new(
        shard: ShardId,
        limits: DueLimits,
        pinned: Arc<PinnedBytes>,
        covered: u64,
        logs: impl IntoIterator<Item = RecoveredLog>,
    ) -> Self {
        let published = Arc::default();
        let recovered = logs.into_iter().map(|log| PartitionLog::recovered(log, shard, &published));
        let logs = recovered.map(|log| (log.partition(), log)).collect();
        Self {
            shard,
            limits,
            pinned,
            empty: Arc::default(),
            logs,
            published,
            published_seen: 0,
            uncut: BTreeSet::new(),
            by_age: VecDeque::new(),
            due: Vec::new(),
            blocked: Vec::new(),
            unflushed: VecDeque::new(),
            covered,
            state: None,
            entry_time_ms: 0,
        }
    }

    /// The shard.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The count of memory that tails pin; entries are pinned with it.
    #[must_use]
    pub fn pinned(&self) -> &Arc<PinnedBytes> {
        &self.pinned
    }

    /// One partition's log.
    #[must_use]
    pub fn log(&self, partition: &PartitionId) -> Option<&PartitionLog> {
        self.logs.get(partition)
    }

    /// Logs with something in their tail that is not cut yet.
    #[must_use]
    pub fn uncut_count(&self) -> usize {
        self.uncut.len()
    }

    /// All logs, in no order.
    pub fn logs(&self) -> impl Iterator<Item = &PartitionLog> {
        self.logs.values()
    }

    /// Creates a partition that begins at offset 0, as the entry at `index` says. One that is there already (the entry is
    /// replayed) stays as it is; `None` when it has been deleted since.
    pub fn create(
        &mut self,
        index: u64,
        partition: PartitionId,
        epoch_base: i32,
        now: Instant,
    ) -> Option<LogReader> {
        if let Some(log) = self.logs.get(&partition) {
            return Some(log.reader());
        }
        if self.has_deleted_what_is_not_there(index) {
            return None;
        }
        let log = PartitionLog::create(
            partition,
            self.shard,
            epoch_base,
            index,
            &self.published,
            Arc::clone(&self.empty),
        );
        let reader = log.reader();
        self.logs.insert(partition, log);
        self.changed(index, partition, now, |log| log.changed(index, 0, now));
        Some(reader)
    }

    /// True of entries that are replayed though a checkpoint covers them: a partition that is missing was deleted by a
    /// later one, which may not be replayed. If it came back, the next checkpoint would keep it for good.
    fn has_deleted_what_is_not_there(&self, index: u64) -> bool {
        index <= self.covered && !planted!(DeletedComesBack)
    }

    /// Deletes a partition, as the entry at `index` says; false when there is none.
    pub fn delete(&mut self, index: u64, partition: &PartitionId) -> bool {
        let Some(log) = self.logs.remove(partition) else { return false };
        if let Some(uncut) = log.uncut {
            self.uncut.remove(&(uncut.first_index, *partition));
        }
        let log = log.delete();
        self.unflushed.push_back(Work::Delete { index, partition: *partition, log });
        true
    }

    /// The entry whose effects come next was proposed at this time, by its leader's clock, in milliseconds since 1970.
    pub fn set_entry_time(&mut self, time_ms: i64) {
        self.entry_time_ms = time_ms;
    }

    /// Forgets, in every partition, the producers whose last batch came in an entry of `time_ms` or before, as the entry at
    /// `index` says.
    ///
    /// # Panics
    /// When indexes go back.
    pub fn forget_producers(&mut self, index: u64, time_ms: i64, now: Instant) {
        let forgetful = |log: &mut PartitionLog| log.forget_producers(index, time_ms);
        let logs = self.logs.values_mut();
        let changed: Vec<PartitionId> =
            logs.filter_map(|log| forgetful(log).then(|| log.partition())).collect();
        for partition in changed {
            self.changed(index, partition, now, |log| log.changed(index, 0, now));
        }
    }

    /// A time before which no remembered producer wrote its last batch, in milliseconds; `None` when there is none.
    ///
    /// Cost: a look at every log.
    #[must_use]
    pub fn producers_written_at_min(&self) -> Option<i64> {
        self.logs.values().filter_map(|log| log.producers().written_at_min()).min()
    }

    /// Appends a batch of the entry at `index`; `None` when there is no such partition.
    ///
    /// `pin` counts the whole entry's memory, once for all its batches. Cost: a look-up, a short lock, no copy.
    ///
    /// # Panics
    /// When indexes go back, or the batch's count is negative: both are checked long before.
    pub fn append(
        &mut self,
        index: u64,
        partition: &PartitionId,
        pin: &Arc<EntryPin>,
        batch: NewBatch,
        now: Instant,
    ) -> Option<Appended> {
        let time_ms = self.entry_time_ms;
        self.changed(index, *partition, now, |log| log.append(index, time_ms, pin, batch, now))
    }

    /// What another replica needs to know of every partition beside its batches, in no order; all entries up to `applied`
    /// have been applied.
    #[must_use]
    pub fn states(&self, applied: u64) -> Vec<PartitionState> {
        self.logs.values().map(|log| log.state(applied)).collect()
    }

    /// The index that is reported covered.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Brings a partition to the state of another replica, whose `batches` reach from this log's end, or from the other's
    /// log start if that lies behind it, to the other's end; batches that are here already are left out. `None` when this
    /// log is ahead of the state, or has been deleted since: then it stays as it is. Else a reader of the log, which may be
    /// another than before.
    ///
    /// # Errors
    /// When batches are missing or cut otherwise than here; nothing was changed.
    pub fn install(
        &mut self,
        state: &PartitionState,
        batches: Vec<StoredBatch>,
        now: Instant,
    ) -> Result<Option<LogReader>, InstallError> {
        let (index, partition) = (state.index, state.partition);
        let known = self.logs.get(&partition);
        if known.map_or(self.has_deleted_what_is_not_there(index), |log| log.has_replayed(index)) {
            return Ok(None);
        }
        let end = known.map(PartitionLog::log_end);
        let begin = end.filter(|end| *end >= state.log_start);
        let missing = state.missing_from(begin.unwrap_or(state.log_start), batches)?;
        if end.is_some() && begin.is_none() {
            // The other replica has deleted what comes behind this log's end.
            self.delete(index, &partition);
        }
        if !self.logs.contains_key(&partition) {
            let stored = Arc::new(StoredPart { end: state.log_start, ..StoredPart::default() });
            let (base, published) = (state.epoch_base, &self.published);
            let log = PartitionLog::create(partition, self.shard, base, index, published, stored);
            self.logs.insert(partition, log);
        }
        let pin = self.pinned.pin(missing.iter().map(|stored| stored.batch.bytes.len() as u64).sum());
        Ok(self.changed(index, partition, now, |log| {
            log.install(state, missing, &pin, now);
            log.reader()
        }))
    }

    /// Deletes the partitions that `is_known` does not know, but for those that are ahead of `index`, and names them.
    pub fn delete_unknown(
        &mut self,
        index: u64,
        is_known: impl Fn(&PartitionId) -> bool,
    ) -> Vec<PartitionId> {
        let is_gone = |log: &&PartitionLog| !log.is_ahead_of(index) && !is_known(&log.partition());
        let mut gone: Vec<_> = self.logs.values().filter(is_gone).map(PartitionLog::partition).collect();
        gone.sort_unstable();
        for partition in &gone {
            self.delete(index, partition);
        }
        gone
    }

    /// Moves a partition's log start forward, never back and never beyond its log end (retention and DeleteRecords, decided
    /// by the leader); the log start afterwards, `None` when there is no such partition.
    ///
    /// # Panics
    /// When indexes go back.
    pub fn advance_log_start(
        &mut self,
        index: u64,
        partition: &PartitionId,
        offset: i64,
        now: Instant,
    ) -> Option<i64> {
        self.changed(index, *partition, now, |log| log.advance_log_start(index, offset, now))
    }

    /// What is to be found again after a restart beside the logs: it goes into the next checkpoint with the shard's
    /// covered index, replacing what was there. It must reflect at least the entries applied so far.
    pub fn set_state(&mut self, state: Bytes) {
        self.state = Some(state);
    }

    /// Cuts what is due and gives out what the local WAL has flushed.
    ///
    /// `applied` is the last entry that was applied, `flushed` the last one that is durable on this node.
    pub fn maintain(&mut self, now: Instant, applied: u64, flushed: u64) -> Maintained {
        let pinned = self.pinned.bytes();
        while let Some((since, partition)) = self.by_age.front().copied() {
            if !self.limits.is_time(since, now, pinned) {
                break;
            }
            self.by_age.pop_front();
            self.list_if_waiting_since(partition, since);
        }
        self.maintain_at(Pace::OneCutEach, false, applied, flushed)
    }

    /// As [`ShardLogs::maintain`], with every tail due that holds an entry up to `through`, and with what is covered
    /// reported also where no partition changed: what a restart would replay has become too much.
    pub fn maintain_through(&mut self, through: u64, applied: u64, flushed: u64) -> Maintained {
        let old = self.uncut.iter().take_while(|(first, _)| *first <= through);
        for (_, partition) in old {
            if let Some(log) = self.logs.get_mut(partition)
                && !log.is_listed
            {
                log.is_listed = true;
                self.due.push(*partition);
            }
        }
        self.maintain_at(Pace::OneCutEach, true, applied, flushed)
    }

    /// As [`ShardLogs::maintain`], with everything due, also behind cuts that are on their way: before a shutdown, or when
    /// the WAL must become shorter. Not for every day, for it lets the segment writer's queue grow.
    pub fn maintain_all(&mut self, applied: u64, flushed: u64) -> Maintained {
        while let Some((since, partition)) = self.by_age.pop_front() {
            self.list_if_waiting_since(partition, since);
        }
        self.maintain_at(Pace::All, true, applied, flushed)
    }

    fn maintain_at(&mut self, pace: Pace, cover: bool, applied: u64, flushed: u64) -> Maintained {
        let cut_any = self.cut_due(pace);
        self.cover(applied, cut_any || cover);
        let mut works = Vec::new();
        let is_free = |work: &Work| work.index() <= flushed || planted!(CutBeforeFlush);
        while self.unflushed.front().is_some_and(is_free) {
            works.extend(self.unflushed.pop_front());
        }
        Maintained { works, wake_at: self.by_age.front().map(|(since, _)| self.limits.due_at(*since)) }
    }

    /// Runs `change` on a log and lists it where its new state belongs.
    fn changed<T>(
        &mut self,
        index: u64,
        partition: PartitionId,
        now: Instant,
        change: impl FnOnce(&mut PartitionLog) -> T,
    ) -> Option<T> {
        let log = self.logs.get_mut(&partition)?;
        let was_cut = log.uncut.is_none();
        let result = change(log);
        if let Some(uncut) = log.uncut {
            if was_cut {
                self.uncut.insert((index, partition));
                self.by_age.push_back((now, partition));
            }
            if !log.is_listed && self.limits.is_good_size(&uncut) {
                log.is_listed = true;
                self.due.push(partition);
            }
        }
        Some(result)
    }

    fn list_if_waiting_since(&mut self, partition: PartitionId, since: Instant) {
        if let Some(log) = self.logs.get_mut(&partition)
            && log.uncut.is_some_and(|uncut| uncut.since == since)
            && !log.is_listed
        {
            log.is_listed = true;
            self.due.push(partition);
        }
    }

    /// True when anything was cut.
    fn cut_due(&mut self, pace: Pace) -> bool {
        let before = self.unflushed.len();
        let mut due = std::mem::take(&mut self.due);
        let published = self.published.load(Ordering::Acquire);
        let has_published = std::mem::replace(&mut self.published_seen, published) != published;
        if has_published || pace == Pace::All {
            due.append(&mut self.blocked);
        }
        for partition in due.drain(..) {
            let Some(log) = self.logs.get_mut(&partition) else { continue };
            let Some(uncut) = log.uncut else {
                log.is_listed = false;
                continue;
            };
            // One at a time: what gathers meanwhile makes the next write larger.
            if pace == Pace::OneCutEach && log.is_being_stored() {
                self.blocked.push(partition);
                continue;
            }
            log.is_listed = false;
            let cut = log.cut();
            self.uncut.remove(&(uncut.first_index, partition));
            self.unflushed.push_back(Work::Store(cut));
        }
        self.due = due;
        self.unflushed.len() > before
    }

    fn cover(&mut self, applied: u64, is_wanted: bool) {
        let uncut = self.uncut.first().filter(|_| !planted!(CoveredTooFar));
        let covered = uncut.map_or(applied, |(first, _)| first.saturating_sub(1));
        let is_due = is_wanted || self.state.is_some() || covered >= self.covered + COVERED_EVERY;
        if is_due && covered > self.covered {
            self.covered = covered;
            let state = self.state.take();
            self.unflushed.push_back(Work::Covered { shard: self.shard, index: covered, state });
        }
    }
}
