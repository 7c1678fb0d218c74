//! A whole data directory: write-ahead log, checkpoint, segments, indexes, and one against the other.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use env::disk::{Disk, DiskError};

use super::report::Report;
use super::segments;
use crate::checkpoint::{self, CheckpointState};
use crate::partition_log::{dir_name, file_name, index_file};
use crate::wal;

/// Looks into an entry of the write-ahead log, whose bytes storage does not know; the error says what is wrong.
pub type EntryCheck<'a> = &'a dyn Fn(&Bytes) -> Result<(), String>;

/// Told how many bytes of segments were looked at, and of how many, every now and then.
pub type LookedAt<'a> = &'a mut dyn FnMut(u64, u64);

/// Checks every frame, record, batch and index entry below `dir`, and that they fit each other.
///
/// Cost: reads everything once; memory for one file's window, the checkpoint, and an index per WAL entry.
///
/// # Errors
/// When `dir` itself can't be listed. What can't be read below is in the report.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    check_entry: EntryCheck<'_>,
    looked_at: LookedAt<'_>,
) -> Result<Report, DiskError> {
    let names: BTreeSet<String> = disk.list(dir)?.into_iter().collect();
    let mut report = Report::default();
    let mut shards = Vec::new();
    if names.contains("wal") {
        shards = wal::verify(disk, &dir.join("wal"), check_entry, &mut report);
    }
    let mut state = Some(CheckpointState::default());
    if names.contains("checkpoint") {
        state = checkpoint::verify(disk, &dir.join("checkpoint"), &mut report);
    }
    let root = dir.join("partitions");
    let Some(state) = state else {
        report.note(&root, 0, "segments are not checked: the checkpoint says which of their bytes count");
        return Ok(report);
    };
    for shard in shards {
        let covered = state.shards.get(&shard.id).map_or(0, |known| known.index);
        if let Some(purged) = shard.purged.filter(|purged| *purged > covered) {
            let what = format!(
                "shard {} is kept behind index {purged} only, but the checkpoint ends at {covered}",
                shard.id
            );
            report.damage(&dir.join("wal"), 0, what);
        }
    }
    let segments = state.partitions.values().flat_map(|record| record.segments.values());
    let total = segments.map(|segment| segment.synced).sum();
    for record in state.partitions.values() {
        let looked_at = &mut |bytes| looked_at(bytes, total);
        segments::verify(disk, &root, record, &mut report, looked_at);
    }
    if names.contains("partitions") {
        left_over(disk, &root, &state, &mut report).unwrap_or_else(|error| report.unreadable(&error));
    }
    Ok(report)
}

/// Files that no checkpoint names.
fn left_over(
    disk: &dyn Disk,
    root: &Path,
    state: &CheckpointState,
    report: &mut Report,
) -> Result<(), DiskError> {
    let mut known = BTreeSet::new();
    for (partition, record) in &state.partitions {
        let dir = root.join(dir_name(*partition));
        for (base_offset, segment) in &record.segments {
            known.insert(dir.join(file_name(*base_offset)));
            if segment.index.entries > 0 {
                known.insert(dir.join(index_file::file_name(*base_offset)));
            }
        }
    }
    let mut dirs = disk.list(root)?;
    dirs.sort_unstable();
    for dir in dirs {
        let dir = root.join(dir);
        let mut names = disk.list(&dir)?;
        names.sort_unstable();
        for path in names.iter().map(|name| dir.join(name)).filter(|path| !known.contains(path)) {
            report.note(&path, 0, "no checkpoint names it: a start removes it");
        }
    }
    Ok(())
}
