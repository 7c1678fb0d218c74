//! A segment's sparse offset and time index: where in the file to begin scanning headers.
//!
//! One entry for about every [`INDEX_INTERVAL_BYTES`], at a batch's first byte; none for the file's beginning, which needs
//! none. It is built from batch headers, in file order and never ahead of them. It is a hint, nothing more: a look-up that
//! begins too early scans longer. What is kept of it in a file is [`super::index_file`]'s.

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

/// A place between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) position: u64,
    /// The offset after the last record before it, or where the log was compacted one behind that.
    pub(crate) offset: i64,
}

/// Batches of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredRange {
    /// The first one's first byte.
    pub(crate) begin: u64,
    pub(crate) end: Boundary,
}

/// A batch boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The base offset of the batch there.
    pub(crate) offset: i64,
    pub(crate) position: u64,
    /// The largest timestamp of all batches before this one.
    pub(crate) max_timestamp_before: i64,
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
    /// An index that knows the batches before its last entry.
    pub(crate) fn of(entries: Vec<IndexEntry>) -> Self {
        match entries.last().copied() {
            None => Self::default(),
            Some(last) => {
                Self { entries, indexed_to: last.position, max_timestamp: last.max_timestamp_before }
            }
        }
    }

    pub(crate) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The position up to which all batches are known.
    pub(crate) fn indexed_to(&self) -> u64 {
        self.indexed_to
    }

    /// Takes the next batch; any other than the next is left out, for someone else has taken it or will.
    pub(crate) fn push(&mut self, batch: &BatchAt) {
        if batch.position != self.indexed_to {
            return;
        }
        let last = self.entries.last().map_or(0, |last| last.position);
        if batch.position - last >= INDEX_INTERVAL_BYTES {
            self.entries.push(IndexEntry {
                offset: batch.base_offset,
                position: batch.position,
                max_timestamp_before: self.max_timestamp,
            });
        }
        self.indexed_to = batch.end();
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
    }

    /// Forgets what lies at `end` and behind: it is going to be written again.
    pub(crate) fn go_back_to(&mut self, end: u64) {
        if self.indexed_to > end {
            self.entries.truncate(self.entries.partition_point(|entry| entry.position < end));
            *self = Self::of(std::mem::take(&mut self.entries));
        }
    }

    /// Where the batch begins whose base offset is `offset`, if it has an entry.
    pub(crate) fn position_of(&self, offset: i64) -> Option<u64> {
        let at = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        Some(self.entries[at].position)
    }

    /// A batch boundary at or before the batch that contains `offset`.
    pub(crate) fn before_offset(&self, offset: i64) -> u64 {
        position_of(self.entry_before(|entry| entry.offset <= offset))
    }

    /// The last known batch boundary at or before `position`; `None`: that is the file's beginning.
    pub(crate) fn before_position(&self, position: u64) -> Option<Boundary> {
        let entry = self.entry_before(|entry| entry.position <= position)?;
        Some(Boundary { position: entry.position, offset: entry.offset })
    }

    /// A batch boundary with no batch before it whose largest timestamp is `timestamp` or more.
    pub(crate) fn before_timestamp(&self, timestamp: i64) -> u64 {
        position_of(self.entry_before(|entry| entry.max_timestamp_before < timestamp))
    }

    fn entry_before(&self, is_before: impl Fn(&IndexEntry) -> bool) -> Option<&IndexEntry> {
        let after = self.entries.partition_point(is_before);
        after.checked_sub(1).map(|at| &self.entries[at])
    }
}

fn position_of(entry: Option<&IndexEntry>) -> u64 {
    entry.map_or(0, |entry| entry.position)
}
