//! Reading a partition's log: record batches by offset, offsets by time and by leader epoch.
//!
//! Any thread, any number. A read takes one view and stays on it; it never waits for an append or for the segment writer
//! longer than it takes them to push a batch or swap a reference.

use std::path::PathBuf;
use std::sync::Arc;

use env::disk::DiskError;
use wire::record::{BatchError, Limits};

use super::offset_index::{Boundary, StoredRange};
use super::segment::Segment;
use super::slice::{LogSlice, ReadSliceError};
use super::tail::TailBatch;
use super::view::{LogView, MergeCounts, SegmentView, SharedLog, StoredPart};
use crate::id::{PartitionId, ShardId};

/// A partition's log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Begin elsewhere.
    #[error("offset {offset} is not between log start {log_start} and high watermark {high_watermark}")]
    OutOfRange {
        /// Where the read should have begun.
        offset: i64,
        /// The first offset there is.
        log_start: i64,
        /// The offset that the next record gets.
        high_watermark: i64,
    },
    /// The partition is gone for good.
    #[error("the partition was deleted")]
    Deleted,
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A stored batch is not one: something else wrote into the file, or the disk did.
    #[error("no record batch at position {position} of {}", path.display())]
    Corrupt {
        /// The segment's file.
        path: PathBuf,
        /// The batch's first byte.
        position: u64,
    },
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    /// The first offset that may be read.
    pub log_start: i64,
    /// Everything below is in segments.
    pub stored_end: i64,
    /// The offset that the next record gets: log end offset and high watermark.
    pub high_watermark: i64,
}

/// What of a log is in segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredSize {
    /// Segments.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the one that is appended to.
    pub active_bytes: u64,
    /// What merging made of what came since the start.
    pub merged: MergeCounts,
}

/// What a read found.
#[derive(Clone)]
pub struct LogRead {
    /// Whole batches in offset order; none when the read began at the high watermark.
    pub slices: Vec<LogSlice>,
    /// Bytes of all slices.
    pub bytes: usize,
    /// The offset after the last record in them; where the read began, if there is none.
    pub end: i64,
    /// The log's bounds in the view that was read.
    pub offsets: LogOffsets,
}

/// The batch in which a record with a wanted timestamp is, and what is known of the record.
pub struct TimestampedBatch {
    /// The batch: the caller walks its records, since they may be compressed.
    pub slice: LogSlice,
    /// The largest timestamp in the batch.
    pub max_timestamp: i64,
    /// Records before this offset do not count: the log start may lie inside the batch.
    pub log_start: i64,
}

/// The largest timestamp of a log and the first offset that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxTimestamp {
    /// Milliseconds.
    pub timestamp: i64,
    /// A record's offset.
    pub offset: i64,
    /// False where the log start cuts the segment that holds the record: the first one with the timestamp lies at `offset` or
    /// behind it.
    pub is_exact: bool,
}

/// Reads one partition; cheap to clone, and it outlives the partition.
#[derive(Clone)]
pub struct LogReader {
    pub(super) log: Arc<SharedLog>,
}

impl LogReader {
    pub(super) fn new(log: Arc<SharedLog>) -> Self {
        Self { log }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.log.partition
    }

    /// The shard whose log the partition's batches go through.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.log.shard
    }

    /// Log start, stored end and high watermark at one moment.
    #[must_use]
    pub fn offsets(&self) -> LogOffsets {
        offsets_of(&self.log.view())
    }

    /// How much of it is in segments.
    #[must_use]
    pub fn stored_size(&self) -> StoredSize {
        let stored = self.log.stored();
        StoredSize {
            segments: stored.segments().count(),
            bytes: stored.segments().map(|segment| segment.readable).sum(),
            active_bytes: stored.active.as_ref().map_or(0, |active| active.readable),
            merged: stored.merged,
        }
    }

    /// The newest leader epoch that wrote a batch.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<i32> {
        self.log.view().epochs.latest()
    }

    /// The leader epoch of the record at `offset`.
    #[must_use]
    pub fn epoch_at(&self, offset: i64) -> Option<i32> {
        self.log.view().epochs.at(offset)
    }

    /// Where a leader epoch ended, while `current` is in force: that one begins at the log's end until it has written, as
    /// in Kafka, whose leaders note it when they begin. See [`super::LeaderEpochs::end_of`].
    #[must_use]
    pub fn end_of_epoch(&self, epoch: i32, current: i32) -> Option<(i32, i64)> {
        let view = self.log.view();
        if epoch == current {
            return Some((epoch, view.log_end));
        }
        let mut epochs = view.epochs.clone();
        epochs.assign(current, view.log_end);
        epochs.end_of(epoch, view.log_end)
    }

    /// Reads whole record batches from `start` towards the high watermark.
    ///
    /// `start` is a record offset and may fall inside a batch: that batch is returned whole and the client skips.
    /// `bytes_max` is soft: the first batch always fits (KIP-74), so a reader never stalls. Base offsets ascend, with gaps
    /// only where compaction removed records.
    /// Cost: from memory a binary search and a reference per batch; from segments up to two reads of headers besides.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] when `start` is below the log start offset or above the high watermark.
    pub fn read(&self, start: i64, bytes_max: usize) -> Result<LogRead, ReadError> {
        let view = self.log.view();
        let mut read = LogRead { slices: Vec::new(), bytes: 0, end: start, offsets: checked(&view, start)? };
        if start >= view.stored.end {
            read.add_tail(&view, start, bytes_max);
            return Ok(read);
        }
        let stored = Arc::clone(&view.stored);
        drop(view);
        let ended = read.add_stored(&stored, start, bytes_max)?;
        if ended && read.bytes < bytes_max {
            // The stored end is a batch boundary in every view; in a newer one more may be stored: the next read's.
            let view = self.log.view();
            if Arc::ptr_eq(&view.stored, &stored) && !view.is_deleted {
                read.offsets = offsets_of(&view);
                read.add_tail(&view, stored.end, bytes_max);
            }
        }
        Ok(read)
    }

    /// The first batch, in offset order, with a record of `timestamp` or later at or above the log start.
    ///
    /// A batch that the log start cuts is returned when its largest timestamp qualifies; if all qualifying records lie
    /// before the log start, the caller asks again from the batch's end with [`LogReader::batch_for_timestamp_from`].
    ///
    /// # Errors
    /// When a segment can't be read, or the partition is gone.
    pub fn batch_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampedBatch>, ReadError> {
        self.batch_for_timestamp_from(timestamp, i64::MIN)
    }

    /// As [`LogReader::batch_for_timestamp`], leaving out batches that end before `offset`.
    ///
    /// # Errors
    /// When a segment can't be read, or the partition is gone.
    pub fn batch_for_timestamp_from(
        &self,
        timestamp: i64,
        offset: i64,
    ) -> Result<Option<TimestampedBatch>, ReadError> {
        let (stored, log_start, in_tail) = {
            let view = self.log.view();
            if view.is_deleted {
                return Err(ReadError::Deleted);
            }
            let from = offset.max(view.log_start);
            let found = view.tail.starting_at(from).find(|batch| batch.max_timestamp >= timestamp);
            (Arc::clone(&view.stored), view.log_start, found.cloned())
        };
        let from = offset.max(log_start);
        for segment in stored.segments_from(from).filter(|segment| segment.max_timestamp >= timestamp) {
            if let Some(batch) = segment.segment.find_timestamp(timestamp, from, segment.readable)? {
                let slice = file_slice(&segment.segment, batch.position, batch.end())?;
                return Ok(Some(TimestampedBatch { slice, max_timestamp: batch.max_timestamp, log_start }));
            }
        }
        Ok(in_tail.map(|batch: TailBatch| TimestampedBatch {
            slice: LogSlice::of_tail(&batch),
            max_timestamp: batch.max_timestamp,
            log_start,
        }))
    }

    /// The largest timestamp in the log and the first offset that has it; `None` when there is no record.
    ///
    /// Where the log start cuts a segment [`MaxTimestamp::is_exact`] says that the record is to be looked for.
    ///
    /// # Errors
    /// When a segment can't be read, or the partition is gone.
    pub fn max_timestamp(&self) -> Result<Option<MaxTimestamp>, ReadError> {
        let (stored, log_start, mut best) = {
            let view = self.log.view();
            if view.is_deleted {
                return Err(ReadError::Deleted);
            }
            let mut best = None;
            for batch in view.tail.starting_at(view.log_start) {
                let offset = batch.offset_of_max_timestamp;
                let whole = MaxTimestamp { timestamp: batch.max_timestamp, offset, is_exact: true };
                let found = if offset >= view.log_start {
                    Some(whole)
                } else {
                    max_of_cut(&batch.bytes, batch.base_offset, view.log_start).unwrap_or_else(|_| {
                        Some(MaxTimestamp { offset: view.log_start, is_exact: false, ..whole })
                    })
                };
                found.into_iter().for_each(|found| take_larger(&mut best, found));
            }
            (Arc::clone(&view.stored), view.log_start, best)
        };
        // From the newest on: of equal timestamps the earliest offset wins.
        for segment in stored.segments().rev().filter(|segment| segment.end_offset > log_start) {
            let whole = MaxTimestamp {
                timestamp: segment.max_timestamp,
                offset: segment.offset_of_max_timestamp,
                is_exact: true,
            };
            let found = if whole.offset >= log_start { Some(whole) } else { max_from(segment, log_start)? };
            if let Some(found) = found
                && best.is_none_or(|best: MaxTimestamp| found.timestamp >= best.timestamp)
            {
                best = Some(found);
            }
        }
        Ok(best)
    }
}

impl LogRead {
    fn add_tail(&mut self, view: &LogView, start: i64, bytes_max: usize) {
        for batch in view.tail.starting_at(start) {
            if !self.slices.is_empty() && self.bytes + batch.bytes.len() > bytes_max {
                return;
            }
            self.bytes += batch.bytes.len();
            self.end = batch.last_offset + 1;
            self.slices.push(LogSlice::of_tail(batch));
        }
    }

    /// True when everything up to the stored end was taken.
    fn add_stored(&mut self, stored: &StoredPart, start: i64, bytes_max: usize) -> Result<bool, ReadError> {
        for view in stored.segments_from(start) {
            let left = bytes_max.saturating_sub(self.bytes) as u64;
            let Some(found) = find_stored(view, start, left, self.slices.is_empty())? else { continue };
            let StoredRange { begin, end } = found;
            if begin == end.position {
                return Ok(false);
            }
            let slice = file_slice(&view.segment, begin, end.position)?;
            self.bytes += slice.len();
            self.end = end.offset;
            self.slices.push(slice);
            if end.position < view.readable {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn offsets_of(view: &LogView) -> LogOffsets {
    LogOffsets { log_start: view.log_start, stored_end: view.stored.end, high_watermark: view.log_end }
}

fn checked(view: &LogView, offset: i64) -> Result<LogOffsets, ReadError> {
    if view.is_deleted {
        return Err(ReadError::Deleted);
    }
    let offsets = offsets_of(view);
    if offset < offsets.log_start || offset > offsets.high_watermark {
        let LogOffsets { log_start, high_watermark, .. } = offsets;
        return Err(ReadError::OutOfRange { offset, log_start, high_watermark });
    }
    Ok(offsets)
}

/// Where in a segment the batches from `start` on are, up to `len_max` bytes of them, and one at least if `is_first`: else
/// none, when the first does not fit. `None` when the segment ends before `start`.
fn find_stored(
    view: &SegmentView,
    start: i64,
    len_max: u64,
    is_first: bool,
) -> Result<Option<StoredRange>, ReadError> {
    let readable = Boundary { position: view.readable, offset: view.end_offset };
    if let Some(known) = view.segment.indexed_range(start, len_max, readable)? {
        return Ok(Some(known));
    }
    let Some(first) = view.segment.find_offset(start, view.readable)? else { return Ok(None) };
    if first.len > len_max && !is_first {
        let nothing = Boundary { position: first.position, offset: first.base_offset };
        return Ok(Some(StoredRange { begin: first.position, end: nothing }));
    }
    let limit = first.position.saturating_add(len_max.max(first.len));
    let end = view.segment.floor_boundary(&first, limit, readable)?;
    Ok(Some(StoredRange { begin: first.position, end }))
}

fn file_slice(segment: &Arc<Segment>, position: u64, end: u64) -> Result<LogSlice, ReadError> {
    let len =
        usize::try_from(end - position).map_err(|_| ReadError::Corrupt { path: segment.path(), position })?;
    Ok(LogSlice::File { file: segment.for_readers()?, position, len })
}

/// The largest timestamp in a segment from the log start on, which lies in it.
fn max_from(view: &SegmentView, log_start: i64) -> Result<Option<MaxTimestamp>, ReadError> {
    let mut best = None;
    let Some(first) = view.segment.find_offset(log_start, view.readable)? else { return Ok(None) };
    let mut from = first.position;
    if first.base_offset < log_start {
        from = first.end();
        let mut bytes = Vec::new();
        file_slice(&view.segment, first.position, from)?.copy_into(&mut bytes).map_err(
            |error| match error {
                ReadSliceError::Disk(error) => ReadError::Disk(error),
                ReadSliceError::Short { .. } => {
                    ReadError::Corrupt { path: view.segment.path(), position: first.position }
                }
            },
        )?;
        // Who looks for the record is told what is wrong with the batch.
        let header = MaxTimestamp { timestamp: first.max_timestamp, offset: log_start, is_exact: false };
        best = max_of_cut(&bytes, first.base_offset, log_start).unwrap_or(Some(header));
    }
    view.segment.scan(from, view.readable, |batch| {
        let (timestamp, offset) = (batch.max_timestamp, batch.base_offset);
        take_larger(&mut best, MaxTimestamp { timestamp, offset, is_exact: false });
        false
    })?;
    Ok(best)
}

/// The largest timestamp of a batch's records from the log start on, which cuts the batch.
fn max_of_cut(batch: &[u8], base_offset: i64, log_start: i64) -> Result<Option<MaxTimestamp>, BatchError> {
    let records = wire::record::read(batch, &Limits::default())?;
    let moved = base_offset - records.header().base_offset;
    let mut best = None;
    for record in &records {
        let record = record?;
        let offset = record.offset + moved;
        if offset >= log_start {
            take_larger(&mut best, MaxTimestamp { timestamp: record.timestamp, offset, is_exact: true });
        }
    }
    Ok(best)
}

fn take_larger(best: &mut Option<MaxTimestamp>, found: MaxTimestamp) {
    if best.is_none_or(|best| found.timestamp > best.timestamp) {
        *best = Some(found);
    }
}
