//! The owner's side of a partition's log.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use env::Instant;

use super::cut::{Cut, DeletedLog};
use super::epochs::LeaderEpochs;
use super::producers::{ProducerStamp, Producers, ProducersDelta, Verdict};
use super::reader::LogReader;
use super::snapshot::{PartitionState, StoredBatch};
use super::tail::{EntryPin, Tail, TailBatch};
use super::view::{LogView, SharedLog, StoredPart};
use crate::id::{PartitionId, ShardId};
use crate::planted::planted;

/// A committed record batch on its way into a log. Its header and records were checked before it was proposed.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// One batch of magic 2, a slice of its entry.
    pub bytes: Bytes,
    /// The epoch of the leader that proposed it.
    pub leader_epoch: i32,
    /// Offset of the last record relative to the first, 0 and up.
    pub last_offset_delta: i32,
    /// The largest timestamp of its records, in milliseconds.
    pub max_timestamp: i64,
    /// Offset, relative to the first, of the first record that has it.
    pub max_timestamp_delta: i32,
    /// The idempotent producer's marks, if it is one.
    pub producer: Option<ProducerStamp>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log.
    At {
        /// Offset of its first record.
        base_offset: i64,
    },
    /// An idempotent producer's batch that is not to be appended.
    Refused(Verdict),
    /// Its entry took effect before the restart; nobody waits for an answer.
    Replayed,
}

/// What is not cut yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uncut {
    /// The first entry with an effect that is in no cut.
    pub(super) first_index: u64,
    /// When that was applied.
    pub(super) since: Instant,
    /// Bytes of batches.
    pub(super) bytes: u64,
}

/// One partition replica's log, in the hands of its shard.
pub struct PartitionLog {
    log: Arc<SharedLog>,
    producers: Producers,
    epoch_base: i32,
    /// Entries up to here were in the checkpoint that this log was recovered from.
    replayed_to: u64,
    /// The last entry with an effect.
    last_index: u64,
    /// Offset after the last batch that was cut.
    cut_end: i64,
    pub(super) uncut: Option<Uncut>,
    /// It stands in one of its shard's lists of due logs.
    pub(super) is_listed: bool,
    is_new: bool,
    epochs_changed: bool,
}

/// The state of a log at the index of its last cut.
pub(crate) struct RecoveredLog {
    pub(crate) partition: PartitionId,
    pub(crate) epoch_base: i32,
    pub(crate) index: u64,
    pub(crate) log_start: i64,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) producers: Producers,
    pub(crate) stored: StoredPart,
}

impl PartitionLog {
    /// A log without a record that begins where `stored` ends, created by the entry at `index`.
    pub(super) fn create(
        partition: PartitionId,
        shard: ShardId,
        epoch_base: i32,
        index: u64,
        published: &Arc<AtomicU64>,
        stored: Arc<StoredPart>,
    ) -> Self {
        let begin = stored.end;
        let view = LogView {
            stored,
            tail: Tail::default(),
            log_start: begin,
            log_end: begin,
            epochs: LeaderEpochs::default(),
            cuts: 0,
            is_deleted: false,
        };
        Self {
            log: SharedLog::new(partition, shard, published, view),
            producers: Producers::default(),
            epoch_base,
            replayed_to: 0,
            last_index: index,
            cut_end: begin,
            uncut: None,
            is_listed: false,
            is_new: true,
            epochs_changed: false,
        }
    }

    pub(super) fn recovered(from: RecoveredLog, shard: ShardId, published: &Arc<AtomicU64>) -> Self {
        let end = from.stored.end;
        let view = LogView {
            stored: Arc::new(from.stored),
            tail: Tail::default(),
            log_start: from.log_start,
            log_end: end,
            epochs: from.epochs,
            cuts: 0,
            is_deleted: false,
        };
        Self {
            log: SharedLog::new(from.partition, shard, published, view),
            producers: from.producers,
            epoch_base: from.epoch_base,
            replayed_to: from.index,
            last_index: from.index,
            cut_end: end,
            uncut: None,
            is_listed: false,
            is_new: false,
            epochs_changed: false,
        }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.log.partition
    }

    /// What the shard's term is added to for this partition's leader epoch.
    #[must_use]
    pub fn epoch_base(&self) -> i32 {
        self.epoch_base
    }

    /// A reader of this log.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.log))
    }

    /// The partition's idempotent producers.
    #[must_use]
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// True when the entry at `index` took effect on this partition before the restart.
    #[must_use]
    pub fn has_replayed(&self, index: u64) -> bool {
        index <= self.replayed_to && !planted!(EntryAppliedTwice)
    }

    /// See [`super::ShardLogs::append`].
    pub(super) fn append(
        &mut self,
        index: u64,
        time_ms: i64,
        pin: &Arc<EntryPin>,
        batch: NewBatch,
        now: Instant,
    ) -> Appended {
        if self.has_replayed(index) {
            return Appended::Replayed;
        }
        if let Some(stamp) = &batch.producer {
            let verdict = self.producers.check(stamp);
            if verdict != Verdict::Accept {
                return Appended::Refused(verdict);
            }
        }
        assert!(batch.last_offset_delta >= 0, "counts are checked before a batch is proposed");
        let bytes = batch.bytes.len() as u64;
        let mut view = self.log.view();
        let base_offset = view.log_end;
        let last_offset = base_offset + i64::from(batch.last_offset_delta);
        self.epochs_changed |= view.epochs.assign(batch.leader_epoch, base_offset);
        view.tail.push(TailBatch {
            base_offset,
            last_offset,
            leader_epoch: batch.leader_epoch,
            max_timestamp: batch.max_timestamp,
            offset_of_max_timestamp: base_offset + i64::from(batch.max_timestamp_delta),
            index,
            bytes: batch.bytes,
            pin: Arc::clone(pin),
        });
        view.log_end = last_offset + 1;
        drop(view);
        if let Some(stamp) = &batch.producer {
            self.producers.set_time(time_ms);
            self.producers.record(stamp, base_offset, batch.max_timestamp);
        }
        self.changed(index, bytes, now);
        Appended::At { base_offset }
    }

    /// See [`super::ShardLogs::advance_log_start`].
    pub(super) fn advance_log_start(&mut self, index: u64, offset: i64, now: Instant) -> i64 {
        let mut view = self.log.view();
        let offset = offset.min(view.log_end);
        if self.has_replayed(index) || offset <= view.log_start {
            return view.log_start;
        }
        view.log_start = offset;
        self.epochs_changed |= view.epochs.truncate_before(offset);
        drop(view);
        self.changed(index, 0, now);
        offset
    }

    /// See [`super::ShardLogs::forget_producers`]; true when the log has changed.
    pub(super) fn forget_producers(&mut self, index: u64, time_ms: i64) -> bool {
        !self.has_replayed(index) && self.producers.forget_written_until(time_ms)
    }

    /// Notes an effect of the entry at `index`.
    pub(super) fn changed(&mut self, index: u64, bytes: u64, now: Instant) {
        assert!(self.last_index <= index, "entries are applied in order");
        self.last_index = index;
        let uncut = self.uncut.get_or_insert(Uncut { first_index: index, since: now, bytes: 0 });
        uncut.bytes += bytes;
    }

    /// True while an earlier cut is on its way to a segment.
    pub(super) fn is_being_stored(&self) -> bool {
        self.log.view().cuts > 0
    }

    /// Freezes all that is not cut.
    pub(super) fn cut(&mut self) -> Cut {
        let mut view = self.log.view();
        view.cuts += 1;
        let pieces = view.tail.cut(self.cut_end);
        if planted!(TailDroppedAtCut) {
            view.tail = Tail::default();
        }
        let epochs_changed = std::mem::take(&mut self.epochs_changed) && !planted!(EpochsLeftOutOfCut);
        let epochs = epochs_changed.then(|| view.epochs.starts().to_vec());
        let log_start = if planted!(LogStartLeftOutOfCut) { 0 } else { view.log_start };
        let log_end = view.log_end;
        drop(view);
        self.uncut = None;
        self.cut_end = log_end;
        Cut {
            log: Arc::clone(&self.log),
            is_new: std::mem::take(&mut self.is_new),
            epoch_base: self.epoch_base,
            index: self.last_index,
            log_end,
            log_start,
            epochs,
            producers: match self.producers.take_delta() {
                _ if planted!(ProducersLeftOutOfCut) => ProducersDelta::default(),
                delta => delta,
            },
            pieces,
            roll: None,
            merge: None,
        }
    }

    /// What another replica needs to know of this one beside its batches; all entries up to `applied` have been applied.
    pub(super) fn state(&self, applied: u64) -> PartitionState {
        let view = self.log.view();
        PartitionState {
            partition: self.log.partition,
            epoch_base: self.epoch_base,
            index: applied.max(self.replayed_to),
            log_start: view.log_start,
            log_end: view.log_end,
            epochs: view.epochs.starts().to_vec(),
            producers: self.producers.entries().map(|(id, entry)| (id, entry.clone())).collect(),
        }
    }

    /// The offset that the next record gets.
    pub(super) fn log_end(&self) -> i64 {
        self.log.view().log_end
    }

    /// True when entries behind `index` took effect before the restart.
    pub(super) fn is_ahead_of(&self, index: u64) -> bool {
        self.replayed_to > index
    }

    /// Becomes what another replica says it is, with the batches that are missing here, from the log end on.
    pub(super) fn install(
        &mut self,
        state: &PartitionState,
        batches: Vec<StoredBatch>,
        pin: &Arc<EntryPin>,
        now: Instant,
    ) {
        let mut bytes = 0;
        let mut view = self.log.view();
        for StoredBatch { base_offset, batch } in batches {
            assert_eq!(base_offset, view.log_end, "batches are checked before they are installed");
            bytes += batch.bytes.len() as u64;
            let last_offset = base_offset + i64::from(batch.last_offset_delta);
            view.tail.push(TailBatch {
                base_offset,
                last_offset,
                leader_epoch: batch.leader_epoch,
                max_timestamp: batch.max_timestamp,
                offset_of_max_timestamp: base_offset + i64::from(batch.max_timestamp_delta),
                index: state.index,
                bytes: batch.bytes,
                pin: Arc::clone(pin),
            });
            view.log_end = last_offset + 1;
        }
        assert_eq!(view.log_end, state.log_end, "batches are checked before they are installed");
        view.log_start = view.log_start.max(state.log_start);
        view.epochs = LeaderEpochs::of(&state.epochs);
        drop(view);
        self.epochs_changed = true;
        self.epoch_base = state.epoch_base;
        self.producers.replace(&state.producers);
        self.replayed_to = state.index;
        self.changed(state.index, bytes, now);
    }

    /// Ends the log: readers find it deleted, its tail's memory is free.
    pub(super) fn delete(self) -> DeletedLog {
        let mut view = self.log.view();
        view.is_deleted = true;
        let tail = std::mem::take(&mut view.tail);
        drop(view);
        drop(tail);
        DeletedLog(self.log)
    }
}
