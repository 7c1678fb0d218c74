//! How a run's bytes get into a segment's file: few through the page cache, many past it.
//!
//! The kernel's copy into fresh pages costs more than all the rest of storing a large batch, and much more on a virtual
//! machine, whose host has to find those pages first. A long run is therefore written with `O_DIRECT` from memory that is used again:
//! what fills the last block that was begun, and what begins the next, go through the page cache as ever, whole blocks
//! between them past it. The file's bytes and length are the same either way. What is written past the cache is read from disk
//! by whoever is too late for the tail; short runs, of streams that many read late, stay in the cache.
//!
//! Invariant: nothing is durable by this, past the cache or through it: the checkpoint syncs the file.
//!
//! Why, and what was measured: docs/adr/0012-segments-past-the-page-cache.md.

use std::path::Path;

use env::disk::{Access, AlignedBuffer, BLOCK_BYTES, Caching, Disk, DiskError, DiskFile};

/// From so many bytes on a run goes past the page cache.
pub(super) const DIRECT_BYTES_MIN: usize = 512 << 10;

/// After a larger run its memory is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Bytes on their way to one place in a file.
#[derive(Default)]
pub(super) struct WriteBuffer {
    /// In memory the bytes lie as in the file relative to blocks: `lead` bytes of no meaning come first.
    buffer: AlignedBuffer,
    lead: usize,
    position: u64,
}

impl WriteBuffer {
    /// Forgets what was in it; what is added goes to `position`.
    pub(super) fn begin(&mut self, position: u64) {
        if self.buffer.capacity() > KEPT_BYTES_MAX {
            self.buffer = AlignedBuffer::new();
        }
        self.buffer.clear();
        self.position = position;
        self.lead = usize::try_from(position % BLOCK_BYTES as u64).expect("less than a block");
        self.buffer.resize(self.lead);
    }

    /// Adds bytes.
    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What was added.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.buffer.as_slice()[self.lead..]
    }

    /// The position behind what was added.
    pub(super) fn end(&self) -> u64 {
        self.position + self.as_slice().len() as u64
    }

    /// Writes what was added into the file at `path`, of which `file` is a handle through the page cache.
    ///
    /// # Errors
    /// When the disk refuses: any part may have been written.
    pub(super) fn write(&self, disk: &dyn Disk, path: &Path, file: &dyn DiskFile) -> Result<(), DiskError> {
        let bytes = self.as_slice();
        if bytes.len() < DIRECT_BYTES_MIN {
            return file.write_at(bytes, self.position);
        }
        let (head, rest) = bytes.split_at((BLOCK_BYTES - self.lead) % BLOCK_BYTES);
        let (blocks, tail) = rest.split_at(rest.len() - rest.len() % BLOCK_BYTES);
        if !head.is_empty() {
            file.write_at(head, self.position)?;
        }
        let position = self.position + head.len() as u64;
        disk.open(path, Access::Write, Caching::Direct)?.write_at(blocks, position)?;
        if !tail.is_empty() {
            file.write_at(tail, position + blocks.len() as u64)?;
        }
        Ok(())
    }
}
