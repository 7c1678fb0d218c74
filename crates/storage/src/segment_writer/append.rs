//! From the batches of a cut to the bytes of segments. Pure.

use std::ops::Range;

use super::write::WriteBuffer;
use crate::partition_log::{BATCH_START_BYTES, BatchAt, RollLimits, TailBatch, batch_start};

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
    /// The largest timestamp of its first batch; negative when that has none, and then the segment has no age.
    pub(super) first_timestamp: i64,
}

impl ActiveSegment {
    fn takes(&self, batch: &TailBatch, limits: RollLimits) -> bool {
        let is_in_time = self.first_timestamp < 0
            || batch.max_timestamp.saturating_sub(self.first_timestamp) <= limits.segment_ms;
        let span = batch.last_offset - self.base_offset;
        let fits = self.len + batch.len() <= limits.segment_bytes && span <= i64::from(i32::MAX);
        self.len == 0 || (fits && is_in_time)
    }
}

/// Distributes batches over segments: one rolls before it would grow beyond its bytes, before a batch whose largest
/// timestamp is too far behind that of the segment's first one, or before it would span more offsets than 31 bits hold
/// (Kafka's readers of segments count offsets from the base). A batch larger than a segment has one alone.
///
/// Time is that of the records, as in Kafka: what is planned is a function of the log, and no clock closes a segment.
pub(super) fn plan(active: Option<ActiveSegment>, batches: &[TailBatch], limits: RollLimits) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut active = active;
    for (at, batch) in batches.iter().enumerate() {
        let len = batch.len();
        let fits = |active: &ActiveSegment| active.takes(batch, limits);
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
                let first_timestamp = batch.max_timestamp;
                active = Some(ActiveSegment { base_offset: batch.base_offset, len, first_timestamp });
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
