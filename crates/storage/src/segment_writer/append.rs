//! From the batches of a cut to the bytes of segments: merged, distributed over segments, encoded. Pure.

use batch::merge::{MergeOptions, Merger, Part, Stored};

use super::write::WriteBuffer;
use crate::partition_log::{BATCH_START_BYTES, BatchAt, RollLimits, TailBatch, batch_start};
use crate::planted::planted;

/// A batch as its segment gets it.
pub(super) struct Ready<'c> {
    /// What it was made of: one batch, or several that follow each other.
    pub(super) parts: &'c [&'c TailBatch],
    /// What became of them; `None`: the one as it was sent.
    merged: Option<Vec<u8>>,
}

impl<'c> Ready<'c> {
    fn as_sent(batch: &'c &'c TailBatch) -> Self {
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

/// Batches that follow each other and go into one segment.
pub(super) struct Run<'c> {
    /// A new segment begins with them, at this base offset.
    pub(super) new_segment: Option<i64>,
    pub(super) batches: Vec<Ready<'c>>,
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
    fn begin(first: &TailBatch) -> Self {
        Self { base_offset: first.base_offset, len: 0, first_timestamp: first.max_timestamp }
    }

    /// Whether a batch may be in it, but for its bytes.
    fn reaches(&self, batch: &TailBatch, limits: RollLimits) -> bool {
        let is_in_time = self.first_timestamp < 0
            || batch.max_timestamp.saturating_sub(self.first_timestamp) <= limits.segment_ms;
        is_in_time && batch.last_offset - self.base_offset <= i64::from(i32::MAX)
    }
}

/// Merges batches that follow each other and distributes them over segments: one rolls before it would grow beyond its bytes,
/// before a batch whose largest timestamp is too far behind that of the segment's first one, or before it would span more
/// offsets than 31 bits hold (Kafka's readers of segments count offsets from the base). A batch larger than a segment has one
/// alone, and nothing is merged that belongs into two.
///
/// Time is that of the records, as in Kafka: what is planned is a function of the log, and no clock closes a segment.
pub(super) struct Planner<'c, 'o> {
    merger: &'o mut Merger,
    merge: Option<MergeOptions>,
    limits: RollLimits,
    batches: &'c [&'c TailBatch],
    active: Option<ActiveSegment>,
    /// How many of `batches` have a place, and how many the active segment reaches.
    placed: usize,
    reached: usize,
    pub(super) runs: Vec<Run<'c>>,
    /// Batches that are stored as they were sent because merging them failed.
    pub(super) failed: u64,
}

impl<'c, 'o> Planner<'c, 'o> {
    /// With nothing placed; without `merge` all is stored as it was sent.
    pub(super) fn new(
        merger: &'o mut Merger,
        active: Option<ActiveSegment>,
        batches: &'c [&'c TailBatch],
        limits: RollLimits,
        merge: Option<MergeOptions>,
    ) -> Self {
        let merge = merge.map(|options| MergeOptions {
            encoded_bytes_max: usize::try_from(limits.segment_bytes)
                .map_or(options.encoded_bytes_max, |bytes| bytes.min(options.encoded_bytes_max)),
            ..options
        });
        let runs = Vec::new();
        Self { merger, merge, limits, batches, active, placed: 0, reached: 0, runs, failed: 0 }
    }

    /// Gives every batch its place. `between` is called after each that was encoded anew, or should have been, some 100 µs of work: that is the one long
    /// computation of the store's thread, and what commits may be waiting for its processor.
    pub(super) fn plan(mut self, between: impl Fn()) -> Self {
        let batches = self.batches;
        let parts: Vec<Part<'_>> = batches.iter().map(|batch| part_of(batch)).collect();
        self.reach();
        while self.placed < batches.len() {
            if self.reached == self.placed {
                self.roll();
            }
            let (from, to) = (self.placed, self.reached);
            let stored = match &self.merge {
                Some(options) if planted!(PartLeftOut) => {
                    let stored = self.merger.next(&parts[from..to], options);
                    let fewer = (from + stored.parts).saturating_sub(1).max(from + 1);
                    Stored { parts: stored.parts, ..self.merger.next(&parts[from..fewer], options) }
                }
                Some(options) => self.merger.next(&parts[from..to], options),
                None => Stored { parts: 1, batch: None, has_failed: false },
            };
            let these = &batches[from..from + stored.parts];
            if stored.has_failed {
                self.failed += these.len() as u64;
            }
            let took_long = stored.batch.is_some() || stored.parts > 1;
            match stored.batch {
                Some(merged) => self.place(Ready { parts: these, merged: Some(merged) }),
                None => these.iter().for_each(|batch| self.place(Ready::as_sent(batch))),
            }
            if took_long {
                between();
            }
        }
        self
    }

    /// Finds out how far the active segment reaches.
    fn reach(&mut self) {
        let rest = &self.batches[self.placed..];
        let reached = self
            .active
            .map_or(0, |active| rest.iter().take_while(|batch| active.reaches(batch, self.limits)).count());
        self.reached = self.placed + reached;
    }

    /// Begins a segment with the next batch, which it takes whatever that is.
    fn roll(&mut self) {
        let first = &self.batches[self.placed];
        self.active = Some(ActiveSegment::begin(first));
        self.runs.push(Run { new_segment: Some(first.base_offset), batches: Vec::new() });
        self.reach();
        self.reached = self.reached.max(self.placed + 1);
    }

    fn place(&mut self, ready: Ready<'c>) {
        let len = ready.len();
        let is_full = |active: &ActiveSegment| active.len > 0 && active.len + len > self.limits.segment_bytes;
        if self.active.as_ref().is_none_or(is_full) {
            self.roll();
        }
        if let Some(active) = &mut self.active {
            active.len += len;
        }
        self.placed += ready.parts.len();
        match self.runs.last_mut() {
            Some(run) => run.batches.push(ready),
            None => self.runs.push(Run { new_segment: None, batches: vec![ready] }),
        }
    }
}

fn part_of(batch: &TailBatch) -> Part<'_> {
    Part {
        base_offset: batch.base_offset,
        last_offset: batch.last_offset,
        leader_epoch: batch.leader_epoch,
        bytes: &batch.bytes,
    }
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
