//! From the batches of a cut to the bytes of segments. Pure.

use std::ops::Range;

use super::write::WriteBuffer;
use crate::partition_log::{BATCH_START_BYTES, BatchAt, TailBatch, batch_start};

/// Consecutive batches of a cut that go into one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// A new segment begins with these batches, at this base offset.
    pub(super) new_segment: Option<i64>,
    pub(super) batches: Range<usize>,
}

/// The segment that is appended to.
#[derive(Clone, Copy)]
pub(super) struct ActiveSegment {
    pub(super) base_offset: i64,
    pub(super) len: u64,
}

/// Distributes batches over segments: one rolls before it would grow beyond `segment_bytes`, or span more offsets than 31
/// bits hold (Kafka's readers of segments count offsets from the base). A batch larger than a segment has one alone.
pub(super) fn plan(active: Option<ActiveSegment>, batches: &[TailBatch], segment_bytes: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut active = active;
    for (at, batch) in batches.iter().enumerate() {
        let len = batch.bytes.len() as u64;
        let fits = |active: &ActiveSegment| {
            let span = batch.last_offset - active.base_offset;
            active.len == 0 || (active.len + len <= segment_bytes && span <= i64::from(i32::MAX))
        };
        match (active.filter(fits), runs.last_mut()) {
            (Some(segment), Some(run)) => {
                run.batches.end = at + 1;
                active = Some(ActiveSegment { len: segment.len + len, ..segment });
            }
            (Some(segment), None) => {
                runs.push(Run { new_segment: None, batches: at..at + 1 });
                active = Some(ActiveSegment { len: segment.len + len, ..segment });
            }
            (None, _) => {
                runs.push(Run { new_segment: Some(batch.base_offset), batches: at..at + 1 });
                active = Some(ActiveSegment { base_offset: batch.base_offset, len });
            }
        }
    }
    runs
}

/// Adds the bytes that a segment gets for `batches` to what is to be written, and says where each batch is.
///
/// Here batches stay as they came. Merging several into one belongs here: whatever offsets go in must come out.
pub(super) fn encode(batches: &[TailBatch], out: &mut WriteBuffer) -> Vec<BatchAt> {
    let one = |batch: &TailBatch| {
        let position = out.end();
        out.extend_from_slice(&batch_start(batch.base_offset, batch.leader_epoch, &batch.bytes));
        out.extend_from_slice(&batch.bytes[BATCH_START_BYTES..]);
        BatchAt {
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            max_timestamp: batch.max_timestamp,
            position,
            len: batch.bytes.len() as u64,
        }
    };
    batches.iter().map(one).collect()
}
