//! Parts of files that lie in the page cache, to be sent from there.
//!
//! A send from a mapping saves the copy that a read makes. Who asks must not wait for a disk, so what is not in memory is left
//! out: `mincore` tells. (A read with `RWF_NOWAIT` does not do: where nothing is in memory it has the kernel begin to read, and
//! pays for the pages.) What is taken out of memory between the question and the use costs one wait, as any memory may. What
//! a page costs to map is paid by page, so files are brought in by huge ones (docs/adr/0008).
//!
//! `unsafe` for the mapping and its question: both concern addresses that the kernel gave to this mapping alone, it is unmapped
//! with its owner, and its bytes are shown to be written elsewhere only. Files whose ranges are asked for never change there and
//! are never cut, else a send from them fails (`EFAULT`).
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::fs::Advice as FileAdvice;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// Where the kernel has them, huge pages are this large.
const HUGE_PAGE_BYTES: usize = 2 << 20;
const HUGE_PAGE: Option<NonZeroU64> = NonZeroU64::new(HUGE_PAGE_BYTES as u64);

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

    /// What of `len` bytes from `position` on lies in memory without a gap; `None` when the first does not.
    pub(super) fn of_file(fd: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<Option<Self>> {
        let (pages, lead) = Mapping::around(fd, position, len)?;
        // Else the kernel would begin to read what comes behind, with the first use of some of them.
        pages.advise(0..pages.len, Advice::Random)?;
        let range = lead..lead + pages.resident(lead, len)?;
        Ok((!range.is_empty()).then_some(Self(Kept::Mapped { pages, range })))
    }

    /// All of `len` bytes from `position` on, after waiting until the disk has brought them into memory in huge pages; `None`
    /// where the file system or the kernel has none for them (Linux 5.18), so that they have to be read in the usual way.
    ///
    /// # Errors
    /// When the disk can't, or the file is shorter.
    pub(super) fn bring_in(fd: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<Option<Self>> {
        let (pages, lead) = Mapping::around(fd, position, len)?;
        // One huge page at each touch, and none ahead: what comes behind is read by others at the same time, and the kernel
        // resorts to single pages where it meets them.
        pages.advise(0..pages.len, Advice::Random)?;
        pages.advise(0..pages.len, Advice::LinuxHugepage)?;
        let page = rustix::param::page_size();
        for window in (0..pages.len).step_by(HUGE_PAGE_BYTES) {
            let wanted = window.max(lead)..(window + HUGE_PAGE_BYTES).min(lead + len);
            if pages.resident(wanted.start, wanted.len())? < wanted.len() {
                // Single pages that are there, such as those in which appends met, are in the way.
                let from = position - lead as u64 + window as u64;
                let _ = rustix::fs::fadvise(fd, from, HUGE_PAGE, FileAdvice::DontNeed);
                let first = wanted.start - wanted.start % page;
                pages.advise(first..first + page, Advice::LinuxPopulateRead)?;
            }
        }
        if pages.resident(lead, len)? < len {
            return Ok(None);
        }
        Ok(Some(Self(Kept::Mapped { pages, range: lead..lead + len })))
    }
}

/// To be written elsewhere only: see the module's head.
impl AsRef<[u8]> for CachedBytes {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Kept::Mapped { pages, range } => &pages.as_slice()[range.clone()],
            Kept::Copied(bytes) => bytes,
        }
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

// SAFETY: a mapping belongs to the process, and nothing about it depends on the thread.
unsafe impl Send for Mapping {}
// SAFETY: it is only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Of at least `len` bytes from `position` on, and where in it they begin. Whole huge pages, for one that the cache has is
    /// then one entry of the page table instead of 512.
    fn around(fd: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<(Self, usize)> {
        let lead = usize::try_from(position % HUGE_PAGE_BYTES as u64).expect("less than a huge page");
        let whole = (lead + len).next_multiple_of(HUGE_PAGE_BYTES);
        // SAFETY: at an address of the kernel's choice, so that nothing of ours is replaced.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                whole,
                ProtFlags::READ,
                MapFlags::SHARED,
                fd,
                position - lead as u64,
            )
        }?;
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at 0 unless it is told to");
        Ok((Self { base, len: whole }, lead))
    }

    /// How many of `len` bytes from `at` on are in memory, up to the first page that is not.
    fn resident(&self, at: usize, len: usize) -> io::Result<usize> {
        let page = rustix::param::page_size();
        let first = at - at % page;
        let asked = (at + len).next_multiple_of(page) - first;
        assert!(first + asked <= self.len, "what is asked for was mapped");
        let mut is_resident = vec![0u8; asked / page];
        // SAFETY: the range is in this mapping, and there is a byte for each of its pages.
        let answer =
            unsafe { libc::mincore(self.base.as_ptr().add(first).cast(), asked, is_resident.as_mut_ptr()) };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        let pages = is_resident.iter().take_while(|page| **page & 1 == 1).count();
        Ok((first + pages * page).clamp(at, at + len) - at)
    }

    /// `range` begins with a page.
    fn advise(&self, range: Range<usize>, advice: Advice) -> io::Result<()> {
        assert!(range.end <= self.len, "advice is about what was mapped");
        // SAFETY: the range is in this mapping, and no advice that is given here changes its bytes.
        unsafe {
            let from = self.base.as_ptr().add(range.start);
            rustix::mm::madvise(from.cast(), range.len(), advice)?;
        }
        Ok(())
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
