//! A segment's sparse offset and time index, in memory.
//!
//! One entry for about every [`INDEX_INTERVAL_BYTES`], at a batch's first byte. It is built from batch headers, in file
//! order and never ahead of them: by the segment writer as it appends, and by the first reader of a segment that was
//! there before the start. It is a hint about where to begin scanning headers, nothing more.

/// Bytes between two entries; what a look-up scans at most, plus one batch.
pub(crate) const INDEX_INTERVAL_BYTES: u64 = 16 << 10;

/// What the index needs to know of a batch in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchAt {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) position: u64,
    pub(crate) len: u64,
}

impl BatchAt {
    /// The position behind the batch.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.len
    }
}

#[derive(Clone, Copy, Debug)]
struct IndexEntry {
    offset: i64,
    position: u64,
    /// The largest timestamp of all batches before this one.
    max_timestamp_before: i64,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct SparseIndex {
    entries: Vec<IndexEntry>,
    indexed_to: u64,
    max_timestamp: i64,
}

impl Default for SparseIndex {
    fn default() -> Self {
        Self { entries: Vec::new(), indexed_to: 0, max_timestamp: i64::MIN }
    }
}

impl SparseIndex {
    /// The position up to which all batches are known.
    pub(crate) fn indexed_to(&self) -> u64 {
        self.indexed_to
    }

    /// Takes the next batch; any other than the next is left out, for someone else has taken it or will.
    pub(crate) fn push(&mut self, batch: &BatchAt) {
        if batch.position != self.indexed_to {
            return;
        }
        let due = |last: &IndexEntry| batch.position - last.position >= INDEX_INTERVAL_BYTES;
        if self.entries.last().is_none_or(due) {
            self.entries.push(IndexEntry {
                offset: batch.base_offset,
                position: batch.position,
                max_timestamp_before: self.max_timestamp,
            });
        }
        self.indexed_to = batch.end();
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
    }

    /// A batch boundary at or before the batch that contains `offset`.
    pub(crate) fn before_offset(&self, offset: i64) -> u64 {
        self.entry_before(|entry| entry.offset <= offset)
    }

    /// The last known batch boundary at or before `position`.
    pub(crate) fn before_position(&self, position: u64) -> u64 {
        self.entry_before(|entry| entry.position <= position)
    }

    /// A batch boundary with no batch before it whose largest timestamp is `timestamp` or more.
    pub(crate) fn before_timestamp(&self, timestamp: i64) -> u64 {
        self.entry_before(|entry| entry.max_timestamp_before < timestamp)
    }

    fn entry_before(&self, is_before: impl Fn(&IndexEntry) -> bool) -> u64 {
        let after = self.entries.partition_point(is_before);
        after.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }
}
