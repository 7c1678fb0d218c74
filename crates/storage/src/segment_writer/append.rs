//! From the batches of a cut to the bytes of segments: merged, distributed over segments, encoded. Pure.

use std::ops::Range;

use batch::merge::{MergeOptions, Merger, Part};

use super::write::WriteBuffer;
use crate::partition_log::{BATCH_START_BYTES, BatchAt, RollLimits, TailBatch, batch_start};

/// A batch as its segment gets it.
pub(super) struct Ready<'c> {
    /// What it was made of: one batch, or several that follow each other.
    pub(super) parts: &'c [TailBatch],
    /// What became of them; `None`: the one as it was sent.
    merged: Option<Vec<u8>>,
}

impl<'c> Ready<'c> {
    fn as_sent(batch: &'c TailBatch) -> Self {
        Self { parts: std::slice::from_ref(batch), merged: None }
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.parts[0].base_offset
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.parts[self.parts.len() - 1].last_offset
    }

    /// The largest timestamp of the records.
    pub(super) fn max_timestamp(&self) -> i64 {
        self.parts.iter().map(|part| part.max_timestamp).max().expect("there is a part")
    }

    pub(super) fn len(&self) -> u64 {
        self.merged.as_ref().map_or(self.parts[0].len(), |merged| merged.len() as u64)
    }
}

/// What to store of `batches`, which follow each other, and how many of them could not be merged though they should have been.
pub(super) fn prepare<'c>(
    merger: &mut Merger,
    batches: &'c [TailBatch],
    options: Option<&MergeOptions>,
) -> (Vec<Ready<'c>>, u64) {
    let Some(options) = options else { return (batches.iter().map(Ready::as_sent).collect(), 0) };
    let parts: Vec<Part<'_>> = batches.iter().map(part_of).collect();
    let (mut ready, mut failed, mut at) = (Vec::new(), 0, 0);
    while at < batches.len() {
        let stored = merger.next(&parts[at..], options);
        let these = &batches[at..at + stored.parts];
        at += stored.parts;
        match stored.batch {
            Some(merged) => ready.push(Ready { parts: these, merged: Some(merged) }),
            None => ready.extend(these.iter().map(Ready::as_sent)),
        }
        if stored.has_failed {
            failed += these.len() as u64;
        }
    }
    (ready, failed)
}

fn part_of(batch: &TailBatch) -> Part<'_> {
    Part {
        base_offset: batch.base_offset,
        last_offset: batch.last_offset,
        leader_epoch: batch.leader_epoch,
        bytes: &batch.bytes,
    }
}

/// Consecutive batches that go into one segment.
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
    fn takes(&self, batch: &Ready<'_>, limits: RollLimits) -> bool {
        let is_in_time = self.first_timestamp < 0
            || batch.max_timestamp().saturating_sub(self.first_timestamp) <= limits.segment_ms;
        let span = batch.last_offset() - self.base_offset;
        let fits = self.len + batch.len() <= limits.segment_bytes && span <= i64::from(i32::MAX);
        self.len == 0 || (fits && is_in_time)
    }
}

/// Distributes batches over segments: one rolls before it would grow beyond its bytes, before a batch whose largest
/// timestamp is too far behind that of the segment's first one, or before it would span more offsets than 31 bits hold
/// (Kafka's readers of segments count offsets from the base). A batch larger than a segment has one alone.
///
/// Time is that of the records, as in Kafka: what is planned is a function of the log, and no clock closes a segment.
pub(super) fn plan(active: Option<ActiveSegment>, batches: &[Ready<'_>], limits: RollLimits) -> Vec<Run> {
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
                let (base_offset, first_timestamp) = (batch.base_offset(), batch.max_timestamp());
                runs.push(Run { new_segment: Some(base_offset), batches: at..at + 1 });
                active = Some(ActiveSegment { base_offset, len, first_timestamp });
            }
        }
    }
    runs
}

/// Adds the bytes that a segment gets for `batches` to what is to be written, and says where each batch is.
pub(super) fn encode(batches: &[Ready<'_>], out: &mut WriteBuffer) -> Vec<BatchAt> {
    let one = |batch: &Ready<'_>| {
        let position = out.end();
        match &batch.merged {
            Some(merged) => out.extend_from_slice(merged),
            None => {
                let sent = &batch.parts[0];
                out.extend_from_slice(&batch_start(sent.base_offset, sent.leader_epoch, &sent.bytes));
                out.extend_from_slice(&sent.bytes[BATCH_START_BYTES..]);
            }
        }
        BatchAt {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp(),
            position,
            len: batch.len(),
        }
    };
    batches.iter().map(one).collect()
}
