//! From a data directory to logs as of the last checkpoint: its records, and segments cut to what it had synced.
//!
//! Reads the checkpoint and directory listings, never the logs. What the logs had beyond is replayed from the WAL by the
//! shards' owners: each log skips the entries that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::disk::{Access, Caching, Disk, DiskFile};

use super::core::{StoreError, WriterCore};
use super::size::MergedSize;
use super::space::SpaceWatch;
use super::store::StoreOptions;
use crate::checkpoint::{CheckpointLog, PartitionRecord, ShardState};
use crate::id::{PartitionId, ShardId};
use crate::partition_log::producers::Producers;
use crate::partition_log::{
    DueLimits, LeaderEpochs, PinnedBytes, RecoveredLog, RollLimits, Segment, SegmentFiles, SegmentView,
    ShardLogs, StoredPart, dir_name, file_name, index_file,
};
use crate::planted::planted;

/// What was found, by shard.
pub struct Recovered {
    shards: BTreeMap<ShardId, ShardState>,
    logs: BTreeMap<ShardId, Vec<RecoveredLog>>,
    due: DueLimits,
    pinned: Arc<PinnedBytes>,
}

/// One shard as of the last checkpoint.
pub struct RecoveredShard {
    /// Its partitions' logs.
    pub logs: ShardLogs,
    /// Entries up to this index need not be applied again, and the WAL need not have them. A WAL that begins later than
    /// behind it has lost entries, or the checkpoint has.
    pub covered: u64,
    /// What the owner gave last with [`ShardLogs::set_state`].
    pub state: Option<Bytes>,
}

impl Recovered {
    /// The shards that have anything here.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> {
        let known: BTreeSet<ShardId> = self.shards.keys().chain(self.logs.keys()).copied().collect();
        known.into_iter()
    }

    /// Takes a shard; one that is not here is new and empty.
    pub fn take(&mut self, shard: ShardId) -> RecoveredShard {
        let ShardState { index, state } = self.shards.remove(&shard).unwrap_or_default();
        let logs = self.logs.remove(&shard).unwrap_or_default();
        let logs = ShardLogs::new(shard, self.due, Arc::clone(&self.pinned), index, logs);
        RecoveredShard { logs, covered: index, state }
    }
}

impl WriterCore {
    /// Opens what is in `dir`, or begins there. `on_unheld` is called, on any thread, when a step could remove files.
    ///
    /// # Errors
    /// When the disk refuses, the checkpoint is corrupt, or a segment is shorter than it had been.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &StoreOptions,
        on_unheld: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(Self, Recovered), StoreError> {
        let root = dir.join("partitions");
        disk.create_dir_all(&root)?;
        let (checkpoint, state) = CheckpointLog::open(Arc::clone(&disk), dir.join("checkpoint"))?;
        let files = SegmentFiles::new(Arc::clone(&disk), root, options.open_files_max, on_unheld);
        let mut logs: BTreeMap<ShardId, Vec<RecoveredLog>> = BTreeMap::new();
        let mut cut = Vec::new();
        let mut dirs: BTreeSet<String> = disk.list(files.root())?.into_iter().collect();
        for (partition, record) in state.partitions {
            if dirs.remove(&dir_name(partition)) {
                remove_unknown(&files, &files.dir(partition), |name| is_named(&record, name))?;
                if record.segments.is_empty() && !planted!(UnknownFilesKept) {
                    // A partition without a segment has no directory: its deletion would leave it behind.
                    files.disk().remove_dir(&files.dir(partition))?;
                }
            }
            let shard = record.shard;
            logs.entry(shard).or_default().push(recovered_log(&files, partition, record, &mut cut)?);
        }
        for name in dirs {
            // A partition that was deleted, or created after the last checkpoint.
            let dir = files.root().join(name);
            remove_unknown(&files, &dir, |_| false)?;
            files.disk().remove_dir(&dir)?;
        }
        let recovered =
            Recovered { shards: state.shards, logs, due: options.due, pinned: Arc::clone(&options.pinned) };
        let space = SpaceWatch::new(files.disk(), dir.to_owned(), options.free_bytes_min)?;
        let roll = RollLimits { segment_bytes: options.segment_bytes, segment_ms: i64::MAX };
        let size = options.merged_size.as_ref().map(MergedSize::new);
        let mut core = Self::new(files, checkpoint, options.checkpoint, roll, space, size);
        // Replay may begin the next segment earlier than the life before did: no checkpoint may call one full that power loss
        // makes longer again.
        cut.into_iter().for_each(|(segment, file)| core.sync_with_next(segment, file));
        Ok((core, recovered))
    }
}

/// True when the checkpoint speaks of the file.
fn is_named(record: &PartitionRecord, name: &str) -> bool {
    let base_offset = name.split('.').next().and_then(|digits| digits.parse().ok());
    let Some((base_offset, segment)) = base_offset.and_then(|base| record.segments.get_key_value(&base))
    else {
        return false;
    };
    file_name(*base_offset) == name
        || (segment.index.entries > 0 && index_file::file_name(*base_offset) == name)
}

fn remove_unknown(
    files: &SegmentFiles,
    dir: &Path,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), StoreError> {
    for name in files.disk().list(dir)?.iter().filter(|name| !is_known(name)) {
        if planted!(UnknownFilesKept) {
            continue;
        }
        files.disk().remove(&dir.join(name))?;
    }
    Ok(())
}

fn recovered_log(
    files: &Arc<SegmentFiles>,
    partition: PartitionId,
    record: PartitionRecord,
    cut: &mut Vec<CutFile>,
) -> Result<RecoveredLog, StoreError> {
    let mut views: Vec<SegmentView> = Vec::with_capacity(record.segments.len());
    let newest = record.segments.keys().next_back().copied();
    for (base_offset, segment) in &record.segments {
        let is_sealed = Some(*base_offset) != newest;
        views.push(SegmentView {
            segment: Segment::recovered(files, partition, *base_offset, segment.index, is_sealed),
            readable: segment.synced,
            end_offset: segment.end_offset,
            max_timestamp: segment.max_timestamp,
            offset_of_max_timestamp: segment.offset_of_max_timestamp,
            first_timestamp: None,
        });
    }
    let mut active = views.pop();
    if let Some(active) = &mut active {
        cut.extend(cut_to_synced(files, active)?);
    }
    let (sealed, end) = (views.into(), record.stored_end);
    let stored = StoredPart { sealed, active, end, ..StoredPart::default() };
    Ok(RecoveredLog {
        partition,
        epoch_base: record.epoch_base,
        index: record.index,
        log_start: record.log_start,
        epochs: LeaderEpochs::of(&record.epochs.unwrap_or_default()),
        producers: Producers::recovered(record.producers),
        stored,
    })
}

/// A segment whose file has just become shorter.
type CutFile = ((PartitionId, i64), Arc<dyn DiskFile>);

/// Takes away what a checkpoint had not synced: it was written, but replay will write it anew, perhaps differently.
fn cut_to_synced(files: &SegmentFiles, active: &mut SegmentView) -> Result<Option<CutFile>, StoreError> {
    let path = active.segment.path();
    // Opened for this only: ten thousand partitions must not fill the bound of open files.
    let file = files.disk().open(&path, Access::Write, Caching::Cached)?;
    let len = file.size()?;
    if len < active.readable {
        return Err(StoreError::Truncated { path, len, synced: active.readable });
    }
    if planted!(LengthTrusted) {
        active.readable = len;
    }
    if len == active.readable {
        return Ok(None);
    }
    file.set_len(active.readable)?;
    Ok(Some((active.segment.key(), file)))
}
