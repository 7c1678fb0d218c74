//! A cut's way into segments, the pure parts: how much at once, what the checkpoint is told, what is there already.

use env::disk::DiskError;

use super::append::ActiveSegment;
use crate::checkpoint::{PartitionRecord, SegmentRecord};
use crate::partition_log::{Cut, ReadError, SegmentView, StoredPart, TailBatch};

/// Bytes collected before they are written: a huge page with room for a batch of common size behind.
const WRITE_BYTES: usize = 3 << 19;

/// How many of `batches` are merged and written at once.
pub(super) fn chunk_len(batches: &[&TailBatch]) -> usize {
    let mut bytes = 0;
    let is_more = |batch: &&&TailBatch| {
        let is_more = bytes < WRITE_BYTES;
        bytes += batch.bytes.len();
        is_more
    };
    batches.iter().take_while(is_more).count()
}

pub(super) fn record_of(cut: &Cut) -> PartitionRecord {
    let mut record = PartitionRecord {
        is_whole: cut.is_new,
        epoch_base: cut.epoch_base,
        log_start: cut.log_start,
        stored_end: cut.log_end,
        epochs: cut.epochs.clone(),
        ..PartitionRecord::change(cut.log.partition, cut.log.shard, cut.index)
    };
    record.set_producers(cut.producers.clone());
    record
}

pub(super) fn segment_record(view: &SegmentView) -> SegmentRecord {
    SegmentRecord {
        synced: view.readable,
        end_offset: view.end_offset,
        max_timestamp: view.max_timestamp,
        offset_of_max_timestamp: view.offset_of_max_timestamp,
        index: view.segment.index_mark(),
    }
}

/// The segment that is appended to, as far as the plan needs to know it.
pub(super) fn active_of(stored: &mut StoredPart) -> Result<Option<ActiveSegment>, DiskError> {
    let Some(view) = &mut stored.active else { return Ok(None) };
    if view.first_timestamp.is_none() {
        let first = match view.segment.scan(0, view.readable, |_| true) {
            Err(ReadError::Disk(error)) => return Err(error),
            // Readers are told what is wrong with the batch; here it has no age.
            Err(_) | Ok(None) => None,
            Ok(Some(batch)) => Some(batch.max_timestamp),
        };
        view.first_timestamp = Some(first.unwrap_or(-1));
    }
    Ok(Some(ActiveSegment {
        base_offset: view.segment.base_offset(),
        len: view.readable,
        first_timestamp: view.first_timestamp.unwrap_or(-1),
    }))
}

/// Takes out segments that lie below the log start as a whole. If the active one does, nothing is left, and the next batch
/// begins a new segment: a log whose records are all deleted takes no space.
pub(super) fn drop_below(stored: &mut StoredPart, log_start: i64) -> Vec<SegmentView> {
    let count = stored.sealed.partition_point(|view| view.end_offset <= log_start);
    let mut dropped = stored.sealed[..count].to_vec();
    if count > 0 {
        stored.sealed = stored.sealed[count..].into();
    }
    if stored.sealed.is_empty() {
        dropped.extend(stored.active.take_if(|active| active.end_offset <= log_start));
    }
    dropped
}
