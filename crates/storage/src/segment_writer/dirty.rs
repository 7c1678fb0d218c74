//! What was stored since the last checkpoint, and when the next one is due.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Instant;
use env::disk::{Disk, DiskError, DiskFile};

use super::stats::CheckpointLag;
use crate::checkpoint::{CheckpointRecord, PartitionRecord};
use crate::id::{PartitionId, ShardId};
use crate::partition_log::Segment;
use crate::planted::planted;

/// When a checkpoint is taken. Each bounds what a restart must replay from the WAL.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointLimits {
    /// Bytes of batches stored since the last one.
    pub bytes: u64,
    /// Batches stored since the last one.
    pub batches: u64,
    /// Age of the oldest change that is in no checkpoint.
    pub age_max: Duration,
    /// Below this length a checkpoint log is not worth writing anew.
    pub rewrite_bytes_min: u64,
    /// Files with unsynced bytes up to which each is synced by itself (and kept open until then); more are synced
    /// together with all of the file system.
    pub files_synced_alone_max: usize,
}

impl Default for CheckpointLimits {
    fn default() -> Self {
        Self {
            bytes: 48 << 20,
            batches: 400_000,
            age_max: Duration::from_secs(5),
            rewrite_bytes_min: 1 << 20,
            files_synced_alone_max: 256,
        }
    }
}

/// A shard's latest report, not in a checkpoint yet.
#[derive(Default)]
pub(super) struct CoveredMark {
    pub(super) index: u64,
    pub(super) state: Option<Bytes>,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Dirty {
    partitions: BTreeMap<PartitionId, PartitionRecord>,
    deleted: BTreeMap<PartitionId, ShardId>,
    shards: BTreeMap<ShardId, CoveredMark>,
    /// Files with unsynced bytes, kept open: a file that is opened after its write-back failed need not hear of it. No file
    /// of too many: then all are synced at once, which hears of every failure.
    files: BTreeMap<(PartitionId, i64), Arc<dyn DiskFile>>,
    is_many_files: bool,
    /// Directories with unsynced names.
    dirs: BTreeSet<PathBuf>,
    /// Segments that the next checkpoint does not name any more.
    dropped: Vec<Arc<Segment>>,
    bytes: u64,
    batches: u64,
    since: Option<Instant>,
}

impl Dirty {
    pub(super) fn stored(&mut self, record: PartitionRecord, bytes: u64, batches: u64, now: Instant) {
        self.since.get_or_insert(now);
        self.bytes += bytes;
        self.batches += batches;
        match self.partitions.get_mut(&record.partition) {
            Some(known) => known.absorb(record),
            None => {
                self.partitions.insert(record.partition, record);
            }
        }
    }

    pub(super) fn wrote(
        &mut self,
        segment: (PartitionId, i64),
        file: Arc<dyn DiskFile>,
        limits: &CheckpointLimits,
    ) {
        if !self.is_many_files {
            self.files.insert(segment, file);
        }
        if self.files.len() > limits.files_synced_alone_max {
            self.files.clear();
            self.is_many_files = true;
        }
    }

    pub(super) fn created_in(&mut self, dir: PathBuf) {
        self.dirs.insert(dir);
    }

    pub(super) fn dropped(&mut self, segment: Arc<Segment>) {
        self.files.remove(&segment.key());
        if planted!(RemovedBeforeCheckpoint) {
            segment.doom();
            return;
        }
        self.dropped.push(segment);
    }

    pub(super) fn deleted(&mut self, partition: PartitionId, shard: ShardId, now: Instant) {
        self.since.get_or_insert(now);
        self.partitions.remove(&partition);
        if !planted!(DeletionForgotten) {
            self.deleted.insert(partition, shard);
        }
    }

    pub(super) fn covered(&mut self, shard: ShardId, index: u64, state: Option<Bytes>, now: Instant) {
        self.since.get_or_insert(now);
        let mark = self.shards.entry(shard).or_default();
        mark.index = index;
        if state.is_some() {
            mark.state = state;
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn lag(&self) -> CheckpointLag {
        CheckpointLag {
            partitions: self.partitions.len() as u64,
            batches: self.batches,
            bytes: self.bytes,
            since: self.since,
        }
    }

    /// When the next checkpoint is due: now, later, or not at all.
    pub(super) fn due_at(&self, limits: &CheckpointLimits, now: Instant) -> Option<Instant> {
        let since = self.since?;
        let is_full = self.bytes >= limits.bytes || self.batches >= limits.batches;
        Some(if is_full { now } else { since + limits.age_max })
    }

    /// Makes all that was written below `root`, files and names, durable.
    pub(super) fn sync(&mut self, disk: &dyn Disk, root: &Path) -> Result<(), DiskError> {
        if self.is_many_files {
            if !planted!(ManyFilesNotSynced) {
                disk.sync_below(root)?;
            }
        } else {
            for file in self.files.values() {
                match file.sync() {
                    Err(_) if planted!(FailedSyncRetried) => file.sync()?,
                    synced => synced?,
                }
            }
            for dir in self.dirs.iter().filter(|_| !planted!(NamesNotSynced)) {
                disk.sync_dir(dir)?;
            }
        }
        self.files.clear();
        self.dirs.clear();
        self.is_many_files = false;
        Ok(())
    }

    /// What the checkpoint says; the shards last, since they speak of all the others.
    pub(super) fn records(&self) -> impl Iterator<Item = CheckpointRecord> {
        let deleted = self
            .deleted
            .iter()
            .map(|(partition, shard)| CheckpointRecord::Deleted { partition: *partition, shard: *shard });
        let partitions = self.partitions.values().cloned().map(CheckpointRecord::Partition);
        let shards = self.shards.iter().map(|(shard, mark)| CheckpointRecord::Shard {
            shard: *shard,
            index: mark.index,
            state: mark.state.clone(),
        });
        deleted.chain(partitions).chain(shards)
    }

    /// The checkpoint is durable: what it covers, and what it does not name any more.
    pub(super) fn checkpointed(&mut self) -> (Vec<(ShardId, u64)>, Vec<Arc<Segment>>) {
        let done = std::mem::take(self);
        (done.shards.into_iter().map(|(shard, mark)| (shard, mark.index)).collect(), done.dropped)
    }
}
