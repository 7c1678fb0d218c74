//! The checkpoint log for tools: checked whole, or a line for each record. Reads only.

use std::path::Path;

use env::disk::{Access, Caching, Disk, DiskError};

use super::CheckpointError;
use super::decode::{self, FileHeader, Framed};
use super::encode::{FILE_HEADER_BYTES, FORMAT_VERSION, Place};
use super::log::{FILE_NAME, NEXT_NAME, fold, read_whole};
use super::record::{CheckpointRecord, PartitionRecord};
use super::state::CheckpointState;
use crate::inspect::{Line, Report};
use crate::partition_log::dir_name;

/// Checks the log in `dir`; what it says, if that can be relied on.
pub(crate) fn verify(disk: &dyn Disk, dir: &Path, report: &mut Report) -> Option<CheckpointState> {
    let checked = try_verify(disk, dir, report);
    checked.unwrap_or_else(|error| {
        match error {
            CheckpointError::Disk(error) => report.unreadable(&error),
            CheckpointError::Corrupt { path, position, what } => report.damage(&path, position, what),
            CheckpointError::Version { path, version, supported } => {
                let what = format!("format version {version}, this program reads {supported}");
                report.damage(&path, 4, what);
            }
        }
        None
    })
}

fn try_verify(
    disk: &dyn Disk,
    dir: &Path,
    report: &mut Report,
) -> Result<Option<CheckpointState>, CheckpointError> {
    let names = disk.list(dir)?;
    if names.iter().any(|name| name == NEXT_NAME) {
        report.note(&dir.join(NEXT_NAME), 0, "was not finished: a start removes it");
    }
    if !names.iter().any(|name| name == FILE_NAME) {
        return Ok(Some(CheckpointState::default()));
    }
    let path = dir.join(FILE_NAME);
    let bytes = read_whole(disk.open(&path, Access::Read, Caching::Cached)?.as_ref())?;
    report.checkpoint.files += 1;
    let (state, header, end) = fold(&path, &bytes)?;
    report.checkpoint.bytes += end;
    report.checkpoint.items += frames(&bytes, header).count() as u64;
    if end < bytes.len() as u64 {
        report.note(&path, end, "the torn end of a checkpoint that never returned: a start cuts it off");
    }
    Ok(Some(state))
}

/// A line for the header and each record of the log at `path`.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn dump(disk: &dyn Disk, path: &Path) -> Result<Vec<Line>, DiskError> {
    let bytes = read_whole(disk.open(path, Access::Read, Caching::Cached)?.as_ref())?;
    let invalid = |position, what: &str| Line::new(position, "invalid").text("what", what);
    let Some(header) = decode::file_header(&bytes) else {
        return Ok(vec![invalid(0, "there is no file header")]);
    };
    let mut lines = vec![
        Line::new(0, "header")
            .number("version", header.version)
            .number("generation", header.generation)
            .number("complete", header.complete),
    ];
    if header.version != FORMAT_VERSION {
        lines.push(invalid(FILE_HEADER_BYTES as u64, "this program does not read this version"));
        return Ok(lines);
    }
    let mut end = FILE_HEADER_BYTES;
    for (position, framed) in frames(&bytes, header) {
        lines.push(match framed.parse() {
            Ok(record) => line(position, &record),
            Err(what) => invalid(position, what),
        });
        end = usize::try_from(position).unwrap_or(usize::MAX).saturating_add(framed.len);
    }
    if end < bytes.len() {
        lines.push(invalid(end as u64, "no valid record"));
    }
    Ok(lines)
}

/// The valid records of a log, with their positions, up to the first invalid one.
fn frames(bytes: &[u8], header: FileHeader) -> impl Iterator<Item = (u64, Framed<'_>)> {
    let mut at = FILE_HEADER_BYTES;
    std::iter::from_fn(move || {
        let position = at as u64;
        let place = Place { generation: header.generation, position };
        let framed = decode::frame(place, bytes.get(at..)?)?;
        at += framed.len;
        Some((position, framed))
    })
}

fn line(position: u64, record: &CheckpointRecord) -> Line {
    match record {
        CheckpointRecord::Partition(record) => partition(position, record),
        CheckpointRecord::Deleted { partition, shard } => Line::new(position, "partition deleted")
            .text("partition", dir_name(*partition))
            .number("shard", shard.0),
        CheckpointRecord::Shard { shard, index, state } => {
            let line = Line::new(position, "shard").number("shard", shard.0).number("index", *index);
            match state {
                Some(state) => line.number("state_bytes", state.len() as u64),
                None => line,
            }
        }
    }
}

fn partition(position: u64, record: &PartitionRecord) -> Line {
    let epochs = record.epochs.iter().flatten().map(|start| format!("{} from {}", start.epoch, start.start));
    let segments = record.segments.iter().map(|(base_offset, segment)| {
        let (end, synced, entries) = (segment.end_offset, segment.synced, segment.index.entries);
        format!("{base_offset} to {end}: {synced} bytes, {entries} index entries")
    });
    let producers = record.producers.iter().map(|(id, entry)| {
        let next = entry.batches().last().map_or(0, |last| last.base_sequence);
        let (epoch, count) = (entry.epoch(), entry.batches().len());
        format!("{id} epoch {epoch}: {count} batches, the last at sequence {next}")
    });
    let open = record.open_transactions.iter().flatten();
    let open = open.map(|open| format!("{} from {}", open.producer_id, open.first_offset));
    let aborted = record.aborted_transactions.iter().map(|aborted| {
        format!("{} from {} to {}", aborted.producer_id, aborted.first_offset, aborted.last_offset)
    });
    Line::new(position, if record.is_whole { "partition" } else { "partition changed" })
        .text("partition", dir_name(record.partition))
        .number("shard", record.shard.0)
        .number("index", record.index)
        .number("epoch_base", record.epoch_base)
        .number("log_start", record.log_start)
        .number("stored_end", record.stored_end)
        .list("epochs", epochs)
        .list("segments", segments)
        .list("segments_removed", record.segments_removed.iter().map(ToString::to_string))
        .list("producers", producers)
        .list("producers_removed", record.producers_removed.iter().map(ToString::to_string))
        .list("open_transactions", open)
        .list("aborted_transactions", aborted)
}
