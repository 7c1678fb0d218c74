//! Parts of files that lie in the page cache, to be sent from there.
//!
//! A send from a mapping saves the copy that a read makes. Who asks must not wait for a disk, so what is not in memory is left
//! out: `mincore` tells. (A read with `RWF_NOWAIT` does not do: where nothing is in memory it has the kernel begin to read, and
//! pays for the pages.) What is taken out of memory between the question and the use costs one wait, as any memory may.
//!
//! `unsafe` for the mapping and its question: both concern addresses that the kernel gave to this mapping alone, it is unmapped
//! with its owner, and its bytes are shown to be written elsewhere only. Files whose ranges are asked for never change there and
//! are never cut, else a send from them fails (`EFAULT`).
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of a file that are in memory.
pub struct CachedBytes(Kept);

enum Kept {
    Mapped { pages: Mapping, range: Range<usize> },
    Copied(Vec<u8>),
}

impl CachedBytes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Mapped { range, .. } => range.len(),
            Kept::Copied(bytes) => bytes.len(),
        }
    }

    /// Never true: where nothing is in memory there is none of this.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, to be written elsewhere.
    #[must_use]
    pub fn as_io_slice(&self) -> IoSlice<'_> {
        IoSlice::new(match &self.0 {
            Kept::Mapped { pages, range } => &pages.as_slice()[range.clone()],
            Kept::Copied(bytes) => bytes,
        })
    }

    /// What of `len` bytes from `position` on lies in memory without a gap; `None` when the first does not.
    pub(super) fn of_file(fd: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<Option<Self>> {
        let page = rustix::param::page_size();
        let lead = usize::try_from(position % page as u64).expect("less than a page");
        let pages = Mapping::new(fd, position - lead as u64, lead + len)?;
        let resident = pages.resident(page)? * page;
        if resident <= lead {
            return Ok(None);
        }
        Ok(Some(Self(Kept::Mapped { pages, range: lead..resident.min(lead + len) })))
    }
}

/// Of a disk without a page cache.
impl From<Vec<u8>> for CachedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kept::Copied(bytes))
    }
}

/// Pages of a file in this process's addresses, to be read.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<Self> {
        // SAFETY: at an address of the kernel's choice, so that nothing of ours is replaced.
        let base = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, fd, position)
        }?;
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at 0 unless it is told to");
        Ok(Self { base, len })
    }

    /// How many pages from the first on are in memory.
    fn resident(&self, page: usize) -> io::Result<usize> {
        let mut is_resident = vec![0u8; self.len.div_ceil(page)];
        // SAFETY: the range is this mapping's, and there is a byte for each of its pages.
        let asked = unsafe { libc::mincore(self.base.as_ptr().cast(), self.len, is_resident.as_mut_ptr()) };
        if asked != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(is_resident.iter().take_while(|page| **page & 1 == 1).count())
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: mapped for reading until `self` is dropped; see the module's head for who may change it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and no reference into it outlives it.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        unmapped.expect("what was mapped can be unmapped");
    }
}
