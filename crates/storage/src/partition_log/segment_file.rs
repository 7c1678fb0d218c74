//! An open segment as readers have it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use env::disk::{AlignedBuffer, CachedBytes, DiskFile};

use super::slice::ReadSliceError;

/// See the module's head.
pub struct SegmentFile {
    pub(super) file: Arc<dyn DiskFile>,
    /// Where the reads that came farthest ended, and the second ones.
    read_to: AtomicU64,
    read_again_to: AtomicU64,
}

/// A range that is in no memory, to be read by a thread that may wait for the disk.
pub struct ColdRange {
    file: Arc<SegmentFile>,
    position: u64,
    len: usize,
    /// Many seem to want it.
    is_wanted: bool,
}

impl SegmentFile {
    /// Of an open file.
    #[must_use]
    pub fn new(file: Arc<dyn DiskFile>) -> Arc<Self> {
        Arc::new(Self { file, read_to: AtomicU64::new(0), read_again_to: AtomicU64::new(0) })
    }

    /// The front of a range as far as it lies in memory, `None` when its first byte does not.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn cached(&self, position: u64, len: usize) -> Result<Option<CachedBytes>, ReadSliceError> {
        Ok(self.file.cached(position, len)?)
    }

    /// A range that somebody is about to read; ranges that come one behind the other must be asked for in that order.
    #[must_use]
    pub fn cold_range(self: &Arc<Self>, position: u64, len: usize) -> ColdRange {
        let end = position + len as u64;
        let was_read = |to: &AtomicU64| position < to.fetch_max(end, Ordering::Relaxed);
        let is_wanted = was_read(&self.read_to) && was_read(&self.read_again_to);
        ColdRange { file: Arc::clone(self), position, len, is_wanted }
    }
}

impl ColdRange {
    /// Brings it into the page cache, when it was read twice before: what is read so often may be read by many. `None` when it
    /// was not, or the disk can't.
    #[must_use]
    pub fn bring_in(&self) -> Option<CachedBytes> {
        self.is_wanted.then(|| self.file.file.bring_in(self.position, self.len)).flatten()
    }

    /// Reads it all; where in `buffer` it lies. The first two times past the page cache, whose fresh pages cost more than the
    /// disk's work.
    ///
    /// # Errors
    /// When the segment can't be read, or ends before the range.
    pub fn read(&self, buffer: &mut AlignedBuffer) -> Result<Range<usize>, ReadSliceError> {
        let Self { file, position, len, is_wanted } = self;
        let read = if *is_wanted {
            0..file.file.read_at(buffer.at_least(*len), *position)?
        } else {
            file.file.read_past_cache(buffer, *position, *len)?
        };
        if read.len() < *len { Err(short(*position, *len, read.len())) } else { Ok(read) }
    }
}

pub(super) fn short(position: u64, len: usize, read: usize) -> ReadSliceError {
    ReadSliceError::Short { end: position + len as u64, missing: len - read }
}
