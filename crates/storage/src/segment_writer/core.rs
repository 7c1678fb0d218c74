//! The segment writer without its thread.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use batch::Merger;
use env::Instant;
use env::disk::{DiskError, DiskFile, Operation};

use super::append::{Planner, Ready, Run, encode};
use super::dirty::{CheckpointLimits, Dirty};
use super::size::MergedSize;
use super::space::{SpaceNews, SpaceWatch};
use super::stats::StoreStats;
use super::steps::{active_of, chunk_len, drop_below, record_of, segment_record};
use super::write::WriteBuffer;
use crate::checkpoint::{CheckpointError, CheckpointLog, PartitionRecord};
use crate::id::{PartitionId, ShardId};
use crate::partition_log::{
    Cut, DeletedLog, MergeCounts, RollLimits, Segment, SegmentFiles, SegmentView, StoredPart, TailBatch, Work,
};
use crate::planted::planted;

/// Bytes stored before a step ends, so that shards hear of it.
const STEP_BYTES_MAX: u64 = 8 << 20;
/// Works done before a step ends.
const STEP_WORKS_MAX: usize = 256;
/// How long to wait before what found no space is tried again.
const NO_SPACE_RETRY: Duration = Duration::from_millis(500);

/// Stored and checkpointed no more: what failed, once.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused; what it holds is unknown until the next start.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The checkpoint log is not what was written, or of another version.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// A segment is shorter than what a checkpoint had synced of it.
    #[error("{} has {len} bytes, of which a checkpoint had synced {synced}", path.display())]
    Truncated {
        /// The segment's file.
        path: std::path::PathBuf,
        /// Its length.
        len: u64,
        /// What it should have at least.
        synced: u64,
    },
    /// No thread for the segment writer.
    #[error("cannot start the segment writer: {0}")]
    Thread(io::Error),
}

impl From<CheckpointError> for StoreError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Disk(error) => Self::Disk(error),
            other => Self::Checkpoint(other),
        }
    }
}

impl StoreError {
    /// A failed sync is never tried again, whatever the reason: which of the bytes are lost is unknown.
    fn is_no_space(&self) -> bool {
        let is_sync = |error: &DiskError| matches!(error.operation, Operation::Sync | Operation::SyncDir);
        matches!(self, Self::Disk(error) if error.is_no_space() && !is_sync(error))
    }
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Progress {
    /// Shards of which something was published: their logs may be cut again, their tails are shorter.
    pub stored: Vec<ShardId>,
    /// Shards whose entries up to the index are in a durable checkpoint: the WAL may drop them.
    pub covered: Vec<(ShardId, u64)>,
    /// There was no space: the rest of the work waits for some.
    pub no_space: Option<StoreError>,
    /// The file system's space has become too little, or enough again.
    pub space: Option<SpaceNews>,
    /// The writer has just stopped for good.
    pub poisoned: Option<StoreError>,
    /// When to step again though no new work came.
    pub wake_at: Option<Instant>,
}

impl Progress {
    /// True when there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
            && self.covered.is_empty()
            && self.no_space.is_none()
            && self.space.is_none()
            && self.poisoned.is_none()
    }
}

/// See the module's head.
pub struct WriterCore {
    files: Arc<SegmentFiles>,
    checkpoint: CheckpointLog,
    limits: CheckpointLimits,
    roll: RollLimits,
    queue: VecDeque<Work>,
    dirty: Dirty,
    merger: Merger,
    size: Option<MergedSize>,
    buffer: WriteBuffer,
    space: SpaceWatch,
    stats: StoreStats,
    is_poisoned: bool,
}

impl WriterCore {
    pub(super) fn new(
        files: Arc<SegmentFiles>,
        checkpoint: CheckpointLog,
        limits: CheckpointLimits,
        roll: RollLimits,
        space: SpaceWatch,
        size: Option<MergedSize>,
    ) -> Self {
        Self {
            files,
            checkpoint,
            limits,
            roll,
            queue: VecDeque::new(),
            dirty: Dirty::default(),
            merger: Merger::default(),
            size,
            buffer: WriteBuffer::default(),
            space,
            stats: StoreStats::default(),
            is_poisoned: false,
        }
    }

    /// Has the next checkpoint sync a segment's file first.
    pub(super) fn sync_with_next(&mut self, segment: (PartitionId, i64), file: Arc<dyn DiskFile>) {
        self.dirty.wrote(segment, file, &self.limits);
    }

    /// Queues works, in the order in which their shard gave them.
    pub fn submit(&mut self, works: impl IntoIterator<Item = Work>) {
        if !self.is_poisoned {
            self.queue.extend(works);
        }
    }

    /// True when there is no queued work and nothing that is not in a checkpoint.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_poisoned || (self.queue.is_empty() && self.dirty.is_clean())
    }

    /// Does some of the queued work, and takes a checkpoint when one is due or `checkpoint_now` asks for it and all queued
    /// work is done.
    pub fn step(&mut self, now: Instant, checkpoint_now: bool) -> Progress {
        let mut progress = Progress::default();
        if self.is_poisoned {
            return progress;
        }
        if let Err(error) = self.try_step(now, checkpoint_now, &mut progress) {
            if error.is_no_space() {
                progress.no_space = Some(error);
                progress.wake_at = Some(now + NO_SPACE_RETRY);
            } else {
                self.is_poisoned = true;
                self.queue.clear();
                progress.poisoned = Some(error);
                progress.wake_at = None;
            }
        }
        self.remove_unheld();
        if !self.is_poisoned {
            let full = progress.no_space.as_ref().map(|error| error as &dyn std::fmt::Display);
            progress.space = self.space.look(self.files.disk(), now, full);
            progress.wake_at = progress.wake_at.into_iter().chain(self.space.wake_at(now)).min();
        }
        progress
    }

    /// The counters, and how it stands.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            checkpoint_log_bytes: self.checkpoint.bytes(),
            lag: self.dirty.lag(),
            target_records: self.size.as_ref().map(MergedSize::target),
            queued_works: self.queue.len() as u64,
            files_open: self.files.open_count() as u64,
            free_bytes_min: self.space.free_bytes_min(),
            is_short_of_space: self.space.is_short(),
            is_poisoned: self.is_poisoned,
            ..self.stats
        }
    }

    fn try_step(
        &mut self,
        now: Instant,
        checkpoint_now: bool,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        let mut shards = BTreeSet::new();
        let done = self.work(now, &mut shards);
        progress.stored.extend(shards);
        done?;
        let due_at = self.dirty.due_at(&self.limits, now);
        let is_wanted = checkpoint_now && self.queue.is_empty() && !self.dirty.is_clean();
        if is_wanted || due_at.is_some_and(|due_at| due_at <= now) {
            progress.covered = self.take_checkpoint()?;
        }
        progress.wake_at =
            if self.queue.is_empty() { self.dirty.due_at(&self.limits, now) } else { Some(now) };
        Ok(())
    }

    fn work(&mut self, now: Instant, shards: &mut BTreeSet<ShardId>) -> Result<(), StoreError> {
        let mut bytes = 0;
        for _ in 0..STEP_WORKS_MAX {
            let Some(work) = self.queue.pop_front() else { return Ok(()) };
            let shard = work.shard();
            match work {
                Work::Store(cut) => {
                    bytes += cut.bytes();
                    if let Err(error) = self.store(&cut, now) {
                        // When it was space only, the whole cut is tried again: nothing of it was published.
                        if !planted!(CutGivenUp) {
                            self.queue.push_front(Work::Store(cut));
                        }
                        return Err(error);
                    }
                    shards.insert(shard);
                }
                Work::Delete { partition, log, .. } => {
                    self.drop_segments(&log);
                    self.dirty.deleted(partition, shard, now);
                }
                Work::Covered { index, state, .. } => self.dirty.covered(shard, index, state, now),
            }
            if bytes >= STEP_BYTES_MAX {
                return Ok(());
            }
        }
        Ok(())
    }

    fn store(&mut self, cut: &Cut, now: Instant) -> Result<(), StoreError> {
        let begin = Instant::now();
        let mut stored = StoredPart::clone(&cut.log.stored());
        let (batches_before, bytes_before) = (self.stats.batches_stored, self.stats.bytes_stored);
        let mut record = record_of(cut);
        let dropped = drop_below(&mut stored, cut.log_start);
        let readable = cut.readable();
        let mut rest = &readable[..];
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(chunk_len(rest));
            self.store_chunk(cut, chunk, &mut stored, &mut record)?;
            rest = behind;
        }
        stored.end = cut.log_end;
        let merged = MergeCounts {
            sent_batches: readable.len() as u64,
            sent_bytes: readable.iter().map(|batch| batch.bytes.len() as u64).sum(),
            stored_batches: self.stats.batches_stored - batches_before,
            stored_bytes: self.stats.bytes_stored - bytes_before,
        };
        stored.merged += merged;
        record.segments_removed.extend(dropped.iter().map(|view| view.segment.base_offset()));
        let freed = cut.log.publish(Arc::new(stored));
        drop(freed);
        self.stats.cuts += 1;
        self.stats.batches += merged.sent_batches;
        self.stats.bytes += merged.sent_bytes;
        if let Some(size) = &mut self.size {
            size.stored(&readable, begin);
        }
        self.space.wrote();
        self.dirty.stored(record, cut.bytes(), cut.batch_count(), now);
        for view in dropped {
            self.dirty.dropped(view.segment);
        }
        Ok(())
    }

    /// Writes some of a cut's batches behind what is stored, and says so in the partition's record.
    fn store_chunk(
        &mut self,
        cut: &Cut,
        chunk: &[&TailBatch],
        stored: &mut StoredPart,
        record: &mut PartitionRecord,
    ) -> Result<(), StoreError> {
        let active = active_of(stored)?;
        let roll = cut.roll.unwrap_or(self.roll);
        let merge = match &self.size {
            Some(size) => cut.merge.map(|options| size.within(options)),
            None => cut.merge,
        };
        let planner = Planner::new(&mut self.merger, active, chunk, roll, merge);
        let Planner { runs, failed, .. } = planner.plan(env::give_way);
        self.stats.merge_failures += failed;
        for run in runs {
            if run.new_segment.is_some()
                && let Some(full) = &stored.active
            {
                full.segment.save_index(true);
                record.segments.insert(full.segment.base_offset(), segment_record(full));
            }
            let segment = self.append(stored, cut, &run)?;
            if planted!(LastSegmentOnly) {
                record.segments.clear();
            }
            record.segments.insert(segment.segment.base_offset(), segment_record(&segment));
        }
        Ok(())
    }

    /// Writes one run behind what is stored; gives back the segment as it is then.
    fn append(
        &mut self,
        stored: &mut StoredPart,
        cut: &Cut,
        run: &Run<'_>,
    ) -> Result<SegmentView, DiskError> {
        let (mut view, file) = match (run.new_segment, stored.active.take()) {
            (None, Some(active)) => {
                let file = active.segment.file()?;
                active.segment.prepare_index(active.readable);
                (active, file)
            }
            (new, active) => {
                let first = &run.batches[0];
                let base_offset = new.unwrap_or(first.base_offset());
                stored.sealed = stored.sealed.iter().cloned().chain(active).collect();
                self.create(stored, cut, base_offset, first)?
            }
        };
        self.write(&mut view, file.as_ref(), &run.batches)?;
        view.segment.save_index(false);
        self.dirty.wrote(view.segment.key(), file, &self.limits);
        stored.active = Some(view.clone());
        Ok(view)
    }

    fn create(
        &mut self,
        stored: &StoredPart,
        cut: &Cut,
        base_offset: i64,
        first: &Ready<'_>,
    ) -> Result<(SegmentView, Arc<dyn DiskFile>), DiskError> {
        let partition = cut.log.partition;
        let dir = self.files.dir(partition);
        let disk = self.files.disk();
        let segment = Segment::new(&self.files, partition, base_offset);
        if stored.sealed.is_empty() {
            disk.create_dir(&dir)?;
            self.dirty.created_in(self.files.root().clone());
        }
        let file = match segment.create() {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                // No checkpoint names it: it is of an attempt that found no space.
                disk.remove(&segment.path())?;
                segment.create()?
            }
            created => created?,
        };
        self.dirty.created_in(dir);
        self.stats.segments_created += 1;
        let view = SegmentView {
            segment,
            readable: 0,
            end_offset: base_offset,
            max_timestamp: first.parts[0].max_timestamp,
            offset_of_max_timestamp: first.parts[0].offset_of_max_timestamp,
            first_timestamp: Some(first.parts[0].max_timestamp),
        };
        Ok((view, file))
    }

    fn write<'c>(
        &mut self,
        view: &mut SegmentView,
        file: &dyn DiskFile,
        batches: &[Ready<'c>],
    ) -> Result<(), DiskError> {
        self.buffer.begin(view.readable);
        let written = encode(batches, &mut self.buffer);
        match self.buffer.write(self.files.disk(), &view.segment.path(), file) {
            Err(_) if planted!(ViewWithoutWrite) => {}
            written => written?,
        }
        self.stats.writes += 1;
        self.stats.batches_stored += batches.len() as u64;
        self.stats.bytes_stored += self.buffer.end() - view.readable;
        view.readable = self.buffer.end();
        view.segment.note_written(&written);
        let parts_of = |batch: &Ready<'c>| match batch.parts {
            [first, ..] if planted!(MergedTakenForItsFirst) => std::slice::from_ref(first),
            [.., last] if planted!(TimestampOfLastPart) => std::slice::from_ref(last),
            parts => parts,
        };
        for batch in batches.iter().flat_map(parts_of) {
            if batch.max_timestamp > view.max_timestamp {
                view.max_timestamp = batch.max_timestamp;
                view.offset_of_max_timestamp = batch.offset_of_max_timestamp;
            }
            view.end_offset = batch.last_offset + 1;
        }
        Ok(())
    }

    fn drop_segments(&mut self, log: &DeletedLog) {
        let end = log.0.stored().end;
        let none = StoredPart { end, ..StoredPart::default() };
        let stored = log.0.stored();
        drop(log.0.publish(Arc::new(none)));
        for view in stored.segments() {
            self.dirty.dropped(Arc::clone(&view.segment));
        }
    }

    fn take_checkpoint(&mut self) -> Result<Vec<(ShardId, u64)>, StoreError> {
        let (begin, bytes_before) = (Instant::now(), self.checkpoint.bytes());
        if !planted!(CheckpointBeforeSync) {
            self.dirty.sync(self.files.disk(), self.files.root())?;
        }
        self.checkpoint.append(self.dirty.records())?;
        if planted!(CheckpointBeforeSync) {
            self.dirty.sync(self.files.disk(), self.files.root())?;
        }
        self.stats.checkpointed(begin.elapsed(), self.checkpoint.bytes() - bytes_before);
        let (covered, dropped) = self.dirty.checkpointed();
        for segment in &dropped {
            segment.doom();
        }
        drop(dropped);
        if self.checkpoint.is_due_for_rewrite(self.limits.rewrite_bytes_min) {
            match self.checkpoint.rewrite().map_err(StoreError::from) {
                // The log is as it was and may grow on until there is space.
                Err(error) if error.is_no_space() => {}
                rewritten => rewritten?,
            }
        }
        Ok(covered)
    }

    /// Removes files that no checkpoint names and nobody reads.
    fn remove_unheld(&mut self) {
        let disk = self.files.disk();
        let unheld = self.files.take_unheld();
        // What stays behind is found and removed at the next start: nothing depends on it.
        for (partition, base_offset) in &unheld {
            let removed = disk.remove(&self.files.path(*partition, *base_offset));
            self.stats.segments_removed += u64::from(removed.is_ok());
            let _ = disk.remove(&self.files.index_path(*partition, *base_offset));
        }
        // Refused while other segments are in it: then the partition lives, or their turn comes.
        for partition in unheld.into_iter().map(|(partition, _)| partition).collect::<BTreeSet<_>>() {
            let _ = disk.remove_dir(&self.files.dir(partition));
        }
    }
}
