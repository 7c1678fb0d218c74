//! Segments and their indexes, against what the checkpoint says of them.

use std::path::Path;

use env::disk::{Access, Caching, Disk, DiskError};
use wire::record::{BatchHeader, Limits, Scratch, TimestampType, read_with};

use super::report::Report;
use super::walk::{BatchWalk, Walked};
use crate::checkpoint::{PartitionRecord, SegmentRecord};
use crate::partition_log::offset_index::IndexEntry;
use crate::partition_log::{LeaderEpochs, dir_name, file_name, index_file};

/// Checks every segment of a partition; `looked_at` is told of how many bytes of segments the report is.
pub(super) fn verify(
    disk: &dyn Disk,
    root: &Path,
    record: &PartitionRecord,
    report: &mut Report,
    looked_at: &mut dyn FnMut(u64),
) {
    let dir = root.join(dir_name(record.partition));
    let epochs = LeaderEpochs::of(record.epochs.as_deref().unwrap_or_default());
    let mut expected = record.log_start;
    for (base_offset, segment) in &record.segments {
        let path = dir.join(file_name(*base_offset));
        // Below the log start nobody reads.
        if *base_offset > expected {
            report.damage(&path, 0, format!("offsets {expected} to {} are in no segment", base_offset - 1));
        }
        expected = expected.max(segment.end_offset);
        report.segments.files += 1;
        report.segments.bytes += segment.synced;
        let index_path = dir.join(index_file::file_name(*base_offset));
        let index = IndexCheck::read(disk, &index_path, *base_offset, segment, report);
        let mut check = Check { path: &path, base_offset: *base_offset, segment, epochs: &epochs, index };
        check.batches(disk, report).unwrap_or_else(|error| report.unreadable(&error));
        check.index.report(&index_path, report);
        looked_at(report.segments.bytes);
    }
    if expected < record.stored_end {
        let what = format!("offsets {expected} to {} are in no segment", record.stored_end - 1);
        report.damage(&dir, 0, what);
    }
}

/// One segment.
struct Check<'a> {
    path: &'a Path,
    base_offset: i64,
    segment: &'a SegmentRecord,
    epochs: &'a LeaderEpochs,
    index: IndexCheck,
}

/// A segment's index, compared with the segment's batches as they pass.
#[derive(Default)]
struct IndexCheck {
    entries: Vec<IndexEntry>,
    compared: usize,
    wrong: Vec<usize>,
}

impl IndexCheck {
    fn read(
        disk: &dyn Disk,
        path: &Path,
        base_offset: i64,
        segment: &SegmentRecord,
        report: &mut Report,
    ) -> Self {
        if segment.index.entries == 0 {
            return Self::default();
        }
        let Some(entries) = index_file::read(disk, path, base_offset, segment.index) else {
            report.note(path, 0, "not as the checkpoint has it: the index is built from the segment again");
            return Self::default();
        };
        report.indexes.files += 1;
        report.indexes.items += u64::from(segment.index.entries);
        report.indexes.bytes += ((entries.len() + 1) * index_file::ENTRY_BYTES) as u64;
        Self { entries, ..Self::default() }
    }

    /// The segment has a batch there.
    fn pass(&mut self, batch: IndexEntry) {
        while let Some(entry) =
            self.entries.get(self.compared).filter(|entry| entry.position <= batch.position)
        {
            if *entry != batch {
                self.wrong.push(self.compared);
            }
            self.compared += 1;
        }
    }

    fn report(&self, path: &Path, report: &mut Report) {
        for at in &self.wrong {
            let position = ((at + 1) * index_file::ENTRY_BYTES) as u64;
            let said = self.entries[*at].position;
            report.damage(path, position, format!("entry {at} is not so: the segment has another at {said}"));
        }
    }
}

impl Check<'_> {
    fn batches(&mut self, disk: &dyn Disk, report: &mut Report) -> Result<(), DiskError> {
        let file = disk.open(self.path, Access::Read, Caching::Cached)?;
        let (len, synced) = (file.size()?, self.segment.synced);
        if len < synced {
            let what = format!("the file ends here, of which a checkpoint had synced {synced} bytes");
            report.damage(self.path, len, what);
        } else if len > synced {
            report.note(self.path, synced, "what is behind was not checkpointed: a start cuts it off");
        }
        let mut walk = BatchWalk::new(file, synced.min(len));
        let (mut next_offset, mut max_timestamp) = (self.base_offset, i64::MIN);
        let mut scratch = Scratch::default();
        loop {
            match walk.next()? {
                Walked::End => break,
                Walked::Nothing { position, what } => {
                    report.damage(self.path, position, what);
                    return Ok(());
                }
                Walked::Batch { position, header, bytes } => {
                    let (offset, max_timestamp_before) = (header.base_offset, max_timestamp);
                    self.index.pass(IndexEntry { offset, position, max_timestamp_before });
                    max_timestamp = max_timestamp.max(header.max_timestamp);
                    report.segments.items += 1;
                    if offset != next_offset {
                        let what = format!("the batch begins at offset {offset}, not at {next_offset}");
                        report.damage(self.path, position, what);
                    }
                    next_offset = header.last_offset().saturating_add(1);
                    match self.batch(&header, bytes, &mut scratch) {
                        Ok(records) => report.records += records,
                        Err(what) => report.damage(self.path, position, what),
                    }
                }
            }
        }
        if len >= synced {
            self.whole(next_offset, max_timestamp, report);
        }
        Ok(())
    }

    /// What a batch is to itself and to its partition's epochs; how many records it has.
    fn batch(&self, header: &BatchHeader, bytes: &[u8], scratch: &mut Scratch) -> Result<u64, String> {
        let limits = Limits { decompressed_bytes_max: 1 << 30, ..Limits::default() };
        let records = read_with(bytes, &limits, scratch).map_err(|error| error.to_string())?;
        let (mut count, mut largest, mut last) = (0, i64::MIN, None);
        for record in &records {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset > header.last_offset() || last.is_some_and(|last| record.offset <= last) {
                return Err(format!("record {count} has offset {}, out of order", record.offset));
            }
            last = Some(record.offset);
            largest = largest.max(record.timestamp);
            count += 1;
        }
        let is_create_time = header.timestamp_type() == TimestampType::CreateTime;
        if is_create_time && count > 0 && largest != header.max_timestamp {
            let claimed = header.max_timestamp;
            return Err(format!("the largest timestamp is {largest}, the header says {claimed}"));
        }
        let (epoch, known) = (header.partition_leader_epoch, self.epochs.at(header.base_offset));
        match known {
            Some(known) if known != epoch => {
                Err(format!("leader epoch {epoch}, where the checkpoint has {known}"))
            }
            _ => Ok(count),
        }
    }

    /// What the checkpoint says of the segment as a whole.
    fn whole(&self, end_offset: i64, max_timestamp: i64, report: &mut Report) {
        let (said, synced) = (self.segment, self.segment.synced);
        if end_offset != said.end_offset {
            let what = format!("the segment ends at offset {end_offset}, not at {}", said.end_offset);
            report.damage(self.path, synced, what);
        }
        if max_timestamp != said.max_timestamp {
            let what = format!("the largest timestamp is {max_timestamp}, not {}", said.max_timestamp);
            report.damage(self.path, synced, what);
        }
    }
}
