//! A segment: one file of record batches exactly as consumers get them, named by its first offset.
//!
//! The file is opened when someone needs it, and only [`SegmentFiles`]' bound of files is open at a time. How much of it
//! may be read is not known here: that is the view's business ([`super::view`]), so that bytes being written are nobody's.
//!
//! Invariant: bytes below a published length never change. A file is removed when it is doomed and nobody holds it.
//!
//! Bytes: docs/format/segment.md.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use env::disk::{Access, Caching, Disk, DiskError, DiskFile};
use wire::record::header::{BatchHeader, HEADER_BYTES, LENGTH_COVERS_FROM};

use super::index_file::{self, IndexMark};
use super::offset_index::{BatchAt, Boundary, INDEX_INTERVAL_BYTES, SparseIndex, StoredRange};
use super::reader::ReadError;
use super::segment_file::SegmentFile;
use crate::id::PartitionId;
use crate::planted::planted;

/// Bytes read at once while headers are scanned: an index interval and a header.
const SCAN_BYTES: usize = 16 << 10;
const _: () = assert!(SCAN_BYTES as u64 == INDEX_INTERVAL_BYTES, "one read covers an interval");

/// Where segments are, and which of their files are open; one per node.
pub(crate) struct SegmentFiles {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    open_max: usize,
    /// Segments with an open file, oldest first.
    open: Mutex<VecDeque<Weak<Segment>>>,
    /// Doomed segments that nobody holds any more.
    unheld: Mutex<Vec<(PartitionId, i64)>>,
    /// Called after an addition to `unheld`.
    on_unheld: Box<dyn Fn() + Send + Sync>,
}

impl SegmentFiles {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        root: PathBuf,
        open_max: usize,
        on_unheld: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self { disk, root, open_max, open: Mutex::default(), unheld: Mutex::default(), on_unheld })
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// The directory of all partitions.
    pub(crate) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// A partition's directory.
    pub(crate) fn dir(&self, partition: PartitionId) -> PathBuf {
        self.root.join(dir_name(partition))
    }

    pub(crate) fn path(&self, partition: PartitionId, base_offset: i64) -> PathBuf {
        self.dir(partition).join(file_name(base_offset))
    }

    pub(crate) fn index_path(&self, partition: PartitionId, base_offset: i64) -> PathBuf {
        self.dir(partition).join(index_file::file_name(base_offset))
    }

    /// Takes the list of doomed segments that nobody holds: their files can go.
    pub(crate) fn take_unheld(&self) -> Vec<(PartitionId, i64)> {
        std::mem::take(&mut self.unheld.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Files that are open; those in the hands of readers only are not counted.
    pub(crate) fn open_count(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter(|segment| segment.strong_count() > 0).count()
    }

    fn note_open(&self, segment: &Arc<Segment>) {
        let evicted = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push_back(Arc::downgrade(segment));
            if open.len() > self.open_max { open.pop_front() } else { None }
        };
        // Reads in progress hold the handle themselves; the next one opens the file again.
        if let Some(segment) = evicted.and_then(|weak| weak.upgrade()) {
            segment.file.lock().unwrap_or_else(PoisonError::into_inner).take();
            segment.let_go_of_index();
        }
    }
}

/// A partition's directory name: the topic id in hex and the partition's number.
pub(crate) fn dir_name(partition: PartitionId) -> String {
    let mut name = String::with_capacity(44);
    for byte in partition.topic_id.0 {
        for digit in [byte >> 4, byte & 15] {
            name.push(char::from_digit(u32::from(digit), 16).expect("half a byte is below 16"));
        }
    }
    name.push('-');
    name.push_str(&partition.partition.to_string());
    name
}

/// A segment's file name: its base offset in 20 digits, as in Kafka.
pub(crate) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

/// The index in memory, and its file.
#[derive(Default)]
struct SegmentIndex {
    sparse: SparseIndex,
    /// What of the file counts.
    mark: IndexMark,
    /// The file has what `sparse` has not: it is to be read first.
    is_unread: bool,
    /// Nothing is appended to the segment any more: the file has all there is to have.
    is_sealed: bool,
}

/// See the module's head.
pub(crate) struct Segment {
    files: Arc<SegmentFiles>,
    partition: PartitionId,
    base_offset: i64,
    file: Mutex<Option<Arc<SegmentFile>>>,
    index: RwLock<SegmentIndex>,
    /// No checkpoint names it any more: its file goes with the last holder.
    is_doomed: AtomicBool,
}

impl Segment {
    pub(crate) fn new(files: &Arc<SegmentFiles>, partition: PartitionId, base_offset: i64) -> Arc<Self> {
        Arc::new(Self {
            files: Arc::clone(files),
            partition,
            base_offset,
            file: Mutex::new(None),
            index: RwLock::default(),
            is_doomed: AtomicBool::new(false),
        })
    }

    /// A segment of before the start: `mark` is what its checkpoint says of its index file.
    pub(crate) fn recovered(
        files: &Arc<SegmentFiles>,
        partition: PartitionId,
        base_offset: i64,
        mark: IndexMark,
        is_sealed: bool,
    ) -> Arc<Self> {
        let index = SegmentIndex { mark, is_unread: mark.entries > 0, is_sealed, ..SegmentIndex::default() };
        Arc::new(Self {
            files: Arc::clone(files),
            partition,
            base_offset,
            file: Mutex::new(None),
            index: RwLock::new(index),
            is_doomed: AtomicBool::new(false),
        })
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// What names the segment on this node.
    pub(crate) fn key(&self) -> (PartitionId, i64) {
        (self.partition, self.base_offset)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.files.path(self.partition, self.base_offset)
    }

    /// The open file; opens it, and closes the one that has been open longest when there are too many.
    pub(crate) fn file(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.for_readers().map(|opened| Arc::clone(&opened.file))
    }

    /// As [`Segment::file`].
    pub(crate) fn for_readers(self: &Arc<Self>) -> Result<Arc<SegmentFile>, DiskError> {
        self.opened(Access::Write)
    }

    /// Creates the file, which must not be there.
    pub(crate) fn create(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.opened(Access::CreateNew).map(|opened| Arc::clone(&opened.file))
    }

    fn opened(self: &Arc<Self>, access: Access) -> Result<Arc<SegmentFile>, DiskError> {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = slot.as_ref() {
            return Ok(Arc::clone(file));
        }
        let file = SegmentFile::new(self.files.disk.open(&self.path(), access, Caching::Cached)?);
        *slot = Some(Arc::clone(&file));
        drop(slot);
        self.files.note_open(self);
        Ok(file)
    }

    /// Lets the file go when nobody holds the segment any more. Only when no durable checkpoint names it.
    pub(crate) fn doom(&self) {
        self.is_doomed.store(true, Ordering::Release);
    }

    /// Before batches are appended at `readable`: makes the index end there, so that it goes on with them.
    pub(crate) fn prepare_index(self: &Arc<Self>, readable: u64) {
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            // What lies behind is of an attempt that found no space.
            index.sparse.go_back_to(readable);
            if !index.is_unread && index.mark.count() > index.sparse.entries().len() {
                index.mark = IndexMark::default();
            }
        }
        let known = self.read_index(readable);
        if readable.saturating_sub(known) <= CATCH_UP_BYTES_MAX {
            // What can't be read now is what the next reader will be told.
            drop(self.indexed(readable));
        }
    }

    /// Adds batches just written to the index.
    pub(crate) fn note_written(&self, batches: &[BatchAt]) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        batches.iter().for_each(|batch| index.sparse.push(batch));
    }

    /// Writes into the index file what is due; when the segment is sealed, all that is left.
    pub(crate) fn save_index(&self, is_sealed: bool) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let (mark, entries) = (index.mark, index.sparse.entries());
        let saved = if !index.is_unread && mark.is_due(entries.len(), is_sealed) {
            let path = self.files.index_path(self.partition, self.base_offset);
            // A file that could not be written is as good as none.
            index_file::append(self.files.disk(), &path, self.base_offset, mark, entries).unwrap_or(mark)
        } else {
            mark
        };
        drop(index);
        if saved != mark || is_sealed {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            index.mark = saved;
            index.is_sealed |= is_sealed;
        }
    }

    /// How much of the index file counts.
    pub(crate) fn index_mark(&self) -> IndexMark {
        self.index.read().unwrap_or_else(PoisonError::into_inner).mark
    }

    /// Gives the index's memory back when it can be read again.
    fn let_go_of_index(&self) {
        if let Ok(mut index) = self.index.try_write()
            && index.is_sealed
            && index.mark.entries > 0
        {
            index.sparse = SparseIndex::default();
            index.is_unread = true;
        }
    }

    /// What [`Segment::find_offset`] and [`Segment::floor_boundary`] would find, or a little less than that, where the index
    /// alone knows it: a reader that goes on where it was asks the disk for nothing but its batches.
    pub(crate) fn indexed_range(
        self: &Arc<Self>,
        offset: i64,
        len_max: u64,
        readable: Boundary,
    ) -> Result<Option<StoredRange>, ReadError> {
        let index = self.indexed(readable.position)?;
        let first = if offset == self.base_offset { Some(0) } else { index.sparse.position_of(offset) };
        let Some(begin) = first.filter(|first| *first < readable.position) else { return Ok(None) };
        let limit = begin.saturating_add(len_max);
        let end =
            if limit >= readable.position { Some(readable) } else { index.sparse.before_position(limit) };
        let is_enough = |end: &Boundary| {
            end.position > begin && (*end == readable || limit - end.position <= len_max / 4)
        };
        Ok(end.filter(is_enough).map(|end| StoredRange { begin, end }))
    }

    /// The first batch in `..readable` whose last offset is `offset` or more.
    pub(crate) fn find_offset(
        self: &Arc<Self>,
        offset: i64,
        readable: u64,
    ) -> Result<Option<BatchAt>, ReadError> {
        let from = self.indexed(readable)?.sparse.before_offset(offset);
        self.scan(from, readable, |batch| batch.last_offset >= offset || planted!(IndexTrusted))
    }

    /// The first batch in `..readable` whose largest timestamp is `timestamp` or more and that ends at or after `offset`.
    pub(crate) fn find_timestamp(
        self: &Arc<Self>,
        timestamp: i64,
        offset: i64,
        readable: u64,
    ) -> Result<Option<BatchAt>, ReadError> {
        let index = self.indexed(readable)?;
        let from = index.sparse.before_timestamp(timestamp).max(index.sparse.before_offset(offset));
        drop(index);
        self.scan(from, readable, |batch| batch.max_timestamp >= timestamp && batch.last_offset >= offset)
    }

    /// The last batch boundary in `first.end()..=limit`, where `first` is a batch of this segment.
    pub(crate) fn floor_boundary(
        self: &Arc<Self>,
        first: &BatchAt,
        limit: u64,
        readable: Boundary,
    ) -> Result<Boundary, ReadError> {
        if limit >= readable.position {
            return Ok(readable);
        }
        let known = self.indexed(readable.position)?.sparse.before_position(limit);
        let from = known.map_or(0, |known| known.position).max(first.end());
        let crossing = self.scan(from, readable.position, |batch| batch.end() > limit)?;
        Ok(crossing
            .map_or(readable, |batch| Boundary { position: batch.position, offset: batch.base_offset }))
    }

    /// Calls `is_wanted` with one batch after the other, from the boundary `from` on, until it says yes.
    pub(crate) fn scan(
        self: &Arc<Self>,
        from: u64,
        readable: u64,
        mut is_wanted: impl FnMut(&BatchAt) -> bool,
    ) -> Result<Option<BatchAt>, ReadError> {
        if from >= readable {
            return Ok(None);
        }
        let file = self.file()?;
        let mut buffer = vec![0; SCAN_BYTES];
        let mut position = from;
        while position < readable {
            let filled = file.read_at(&mut buffer, position)?;
            let mut at = 0;
            while let Some(header) = buffer[at..filled].first_chunk::<HEADER_BYTES>() {
                let batch = self.batch_at(header, position + at as u64, readable)?;
                if is_wanted(&batch) {
                    return Ok(Some(batch));
                }
                at = usize::try_from(batch.end() - position).unwrap_or(usize::MAX);
                if at >= filled || batch.end() >= readable {
                    break;
                }
            }
            if at == 0 {
                return Err(self.corrupt(position));
            }
            position += at as u64;
        }
        Ok(None)
    }

    /// The index, knowing all batches in `..readable`.
    fn indexed(
        self: &Arc<Self>,
        readable: u64,
    ) -> Result<std::sync::RwLockReadGuard<'_, SegmentIndex>, ReadError> {
        loop {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let (from, is_unread) = (index.sparse.indexed_to(), index.is_unread);
            if from >= readable && !is_unread {
                return Ok(index);
            }
            drop(index);
            let from = if is_unread { self.read_index(readable) } else { from };
            let mut found = Vec::new();
            self.scan(from, readable, |batch| {
                found.push(*batch);
                found.len() == INDEXED_AT_ONCE
            })?;
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            found.iter().for_each(|batch| index.sparse.push(batch));
        }
    }

    /// Takes in what the index file has, if it was not read yet; up to which position the index then knows the batches.
    fn read_index(self: &Arc<Self>, readable: u64) -> u64 {
        let (mark, known, is_unread) = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            (index.mark, index.sparse.indexed_to(), index.is_unread)
        };
        if !is_unread {
            return known;
        }
        let path = self.files.index_path(self.partition, self.base_offset);
        let entries = index_file::read(self.files.disk(), &path, self.base_offset, mark);
        // Its last entry must be what the segment has there: the rest is scanned from it.
        let entries = entries.filter(|entries| {
            let Some(last) = entries.last().filter(|last| last.position < readable) else { return false };
            let there = self.scan(last.position, readable, |_| true);
            there.is_ok_and(|batch| batch.is_some_and(|batch| batch.base_offset == last.offset))
        });
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.is_unread {
            index.is_unread = false;
            match entries {
                Some(entries) => index.sparse = SparseIndex::of(entries),
                None => index.mark = IndexMark::default(),
            }
        }
        index.sparse.indexed_to()
    }

    fn batch_at(
        &self,
        header: &[u8; HEADER_BYTES],
        position: u64,
        readable: u64,
    ) -> Result<BatchAt, ReadError> {
        let header = BatchHeader::parse(header).map_err(|_| self.corrupt(position))?;
        let len = u64::try_from(header.batch_length).map_err(|_| self.corrupt(position))?
            + LENGTH_COVERS_FROM as u64;
        let batch = BatchAt {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            position,
            len,
        };
        if len < HEADER_BYTES as u64 || batch.end() > readable || batch.last_offset < batch.base_offset {
            return Err(self.corrupt(position));
        }
        Ok(batch)
    }

    fn corrupt(&self, position: u64) -> ReadError {
        ReadError::Corrupt { path: self.path(), position }
    }
}

/// Headers collected before the index is locked for them, so that nobody waits long for it.
const INDEXED_AT_ONCE: usize = 4096;

/// What the segment writer scans to go on with an index; more than that is left to the first reader.
const CATCH_UP_BYTES_MAX: u64 = 4 << 20;

impl Drop for Segment {
    fn drop(&mut self) {
        if self.is_doomed.load(Ordering::Acquire) {
            let segment = (self.partition, self.base_offset);
            self.files.unheld.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
            (self.files.on_unheld)();
        }
    }
}
