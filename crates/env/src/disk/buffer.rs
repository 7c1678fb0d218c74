//! Memory that `O_DIRECT` accepts, filled like a vector and used again.
//!
//! Large buffers ask for huge pages: a direct write of 1 MiB from small ones is 256 pieces, which disks take in two requests.
//!
//! `unsafe` for `madvise` alone: the advice is about memory that the buffer owns whole pages of, and it changes neither the bytes
//! nor who may use them.
#![allow(unsafe_code)]

/// What direct writes are multiples of, in memory, in position and in length; also the unit that is never rewritten once synced.
pub const BLOCK_BYTES: usize = 4096;

/// Where the kernel has them, huge pages are this large; buffers from half of it on ask for them.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Bytes that begin on a multiple of [`BLOCK_BYTES`] in memory.
///
/// Grows by copying, never shrinks by itself: [`AlignedBuffer::clear`] keeps the memory, because first touch of fresh memory
/// costs more than the copy into it.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    /// Up to a block longer than asked for, so that an aligned start is inside.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// An empty buffer; nothing is allocated yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes fit before it grows.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len() - self.start
    }

    /// Forgets the bytes, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `additional` bytes more.
    pub fn reserve(&mut self, additional: usize) {
        let wanted = self.len + additional;
        if wanted <= self.capacity() {
            return;
        }
        let capacity = wanted.max(self.capacity() * 2);
        let align = if capacity < HUGE_PAGE_BYTES / 2 { BLOCK_BYTES } else { HUGE_PAGE_BYTES };
        let mut memory = vec![0; capacity.next_multiple_of(align) + align];
        let start = memory.as_ptr().align_offset(align);
        if align == HUGE_PAGE_BYTES {
            advise_huge_pages(&mut memory[start..]);
        }
        memory[start..start + self.len].copy_from_slice(self.as_slice());
        self.memory = memory;
        self.start = start;
    }

    /// Adds `bytes` at the end.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.start + self.len;
        self.memory[end..end + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Makes it `len` long: cuts it, or fills up with zeros.
    pub fn resize(&mut self, len: usize) {
        if len > self.len {
            self.reserve(len - self.len);
            let (from, to) = (self.start + self.len, self.start + len);
            self.memory[from..to].fill(0);
        }
        self.len = len;
    }

    /// The first `len` bytes, whatever is in them, to be overwritten: it grows to that, but is never cut.
    pub fn at_least(&mut self, len: usize) -> &mut [u8] {
        if self.len < len {
            self.resize(len);
        }
        &mut self.as_mut_slice()[..len]
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    /// The bytes, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// Asks for huge pages under `memory`, which begins at one. Before its first use, because that is when pages are given.
fn advise_huge_pages(memory: &mut [u8]) {
    let whole = memory.len() - memory.len() % HUGE_PAGE_BYTES;
    // SAFETY: the range is whole pages of memory that the caller has borrowed mutably, and the advice keeps its contents.
    let advised =
        unsafe { rustix::mm::madvise(memory.as_mut_ptr().cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    // Kernels without huge pages refuse: then small ones it is.
    let _ = advised;
}
