//! Files and directories, behind a trait small enough that a disk which loses, tears and reorders what was not synced is
//! a page of code (the simulator's is the other implementor).
//!
//! Only what storage needs: whole directories are listed, files are read and written at positions, and there are two ways
//! to make bytes durable: [`DiskFile::write_at_durable`] for these bytes, [`DiskFile::sync`] for all bytes. A name is durable
//! only after [`Disk::sync_dir`] of its directory. There is no cursor, no append mode and no memory map.
//!
//! Invariant: every error names the path and what was being done to it.
//! Invariant: nothing is retried here. After a failed write or sync, what the disk holds is unknown to the caller.

mod buffer;
#[cfg(test)]
mod buffer_test;
mod error;
mod lock;
mod mapped;
mod real;
#[cfg(test)]
mod real_test;
mod space;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use buffer::{AlignedBuffer, BLOCK_BYTES};
pub use error::{DiskError, Operation};
pub use lock::{DirLock, LockError};
pub use mapped::CachedBytes;
pub use real::{DiskUse, RealDisk};
pub use space::{Space, WriteMode};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read an existing file.
    Read,
    /// Read and write an existing file.
    Write,
    /// Read and write a file that must not exist yet.
    CreateNew,
}

/// Whether the operating system keeps a copy of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Through the page cache: any position, any length.
    Cached,
    /// Past the page cache where the file system can (`O_DIRECT`), else cached. Memory, position and length of every write
    /// and read must be multiples of [`BLOCK_BYTES`]; [`AlignedBuffer`] is such memory.
    Direct,
}

/// A directory tree.
pub trait Disk: Send + Sync {
    /// Opens or creates a file; a created name is durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Not found, already there, no space, no permission: [`DiskError`] tells which.
    fn open(&self, path: &Path, access: Access, caching: Caching) -> Result<Arc<dyn DiskFile>, DiskError>;

    /// The names of the files and directories in `dir`, in no order; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When `dir` can't be read.
    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError>;

    /// Creates `dir` and its missing parents, durable on return. A directory that is there already is fine, and is made
    /// durable too: whoever created it may have died before that.
    ///
    /// # Errors
    /// When a directory can't be created or synced.
    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError>;

    /// Creates `dir` in a directory that is there; durable after [`Disk::sync_dir`] of that, if not before. A directory that
    /// is there already is fine.
    ///
    /// # Errors
    /// When the directory can't be created.
    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.create_dir_all(dir)
    }

    /// Removes an empty directory, where the disk has directories that are more than their files' names.
    ///
    /// # Errors
    /// When it is not empty, not there, or can't be removed.
    fn remove_dir(&self, _dir: &Path) -> Result<(), DiskError> {
        Ok(())
    }

    /// Removes a file's name; its bytes go with the last open handle. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// When there is no such file, or it can't be removed.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Gives a file another name in one step, replacing a file that has it. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// When there is no such file, or it can't be renamed.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Makes the names in `dir` durable.
    ///
    /// # Errors
    /// When the sync fails: which of the names are durable is then unknown.
    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;

    /// Makes all files and names below `dir` durable, and perhaps others: one call for many files (`syncfs`).
    ///
    /// # Errors
    /// When any sync fails: what the disk holds is then unknown, and a later success means nothing.
    fn sync_below(&self, dir: &Path) -> Result<(), DiskError> {
        for name in self.list(dir)? {
            let path = dir.join(name);
            match self.open(&path, Access::Write, Caching::Cached) {
                Ok(file) => file.sync()?,
                Err(_) => self.sync_below(&path)?,
            }
        }
        self.sync_dir(dir)
    }

    /// What the file system of `dir` has and has left. A disk that does not fill, or does not tell, is endless.
    ///
    /// # Errors
    /// When it can't be asked.
    fn space(&self, _dir: &Path) -> Result<Space, DiskError> {
        Ok(Space::ENDLESS)
    }
}

/// An open file. Handles may be shared by threads; overlapping writes at once are the caller's mistake.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes from `position`; fewer only at the end of the file.
    ///
    /// # Errors
    /// When the read fails.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError>;

    /// What of `len` bytes from `position` on lies in memory without a gap, for threads that must not wait for a device. `None`
    /// when the first does not, or the disk can't tell. The bytes must be some that never change.
    ///
    /// # Errors
    /// When the file can't be asked.
    fn cached(&self, _position: u64, _len: usize) -> Result<Option<CachedBytes>, DiskError> {
        Ok(None)
    }

    /// As [`DiskFile::read_at`], of `len` bytes for one reader only: past the page cache where the disk can, so that
    /// neither the kernel's copy nor memory for it is paid for. `buffer` is overwritten, and keeps its memory; the answer
    /// says where in it the bytes are, for whole blocks are read.
    ///
    /// # Errors
    /// When the read fails.
    fn read_past_cache(
        &self,
        buffer: &mut AlignedBuffer,
        position: u64,
        len: usize,
    ) -> Result<Range<usize>, DiskError> {
        Ok(0..self.read_at(buffer.at_least(len), position)?)
    }

    /// Waits until `len` bytes from `position` on lie in memory, where others will find them too. `None` when that fails or the
    /// disk can't: a read tells why. The bytes must be some that never change.
    fn bring_in(&self, _position: u64, _len: usize) -> Option<CachedBytes> {
        None
    }

    /// Writes all of `bytes` at `position`; durable after [`DiskFile::sync`].
    ///
    /// # Errors
    /// When the write fails; some of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError>;

    /// Writes all of `bytes` at `position`, durable on return (`RWF_DSYNC`, else a write and a sync).
    ///
    /// Promises these bytes only: what earlier [`DiskFile::write_at`] calls wrote still waits for a sync.
    ///
    /// # Errors
    /// When the write or the sync fails; what the disk holds there is then unknown.
    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError>;

    /// Makes all bytes written so far, and the length, durable (`fdatasync`).
    ///
    /// # Errors
    /// When the sync fails: what the disk holds is then unknown, and a later success means nothing (never retry).
    fn sync(&self) -> Result<(), DiskError>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// When the file can't be asked.
    fn size(&self) -> Result<u64, DiskError>;

    /// Cuts or extends the file to `len` bytes; extended bytes read as zeros. Durable after [`DiskFile::sync`].
    ///
    /// # Errors
    /// When the length can't be set.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;

    /// Reserves space so that writes below `len` can't run out of it; the file is at least `len` long afterwards. Where the
    /// file system can't reserve, zeros are written beyond the present end. Durable after [`DiskFile::sync`].
    ///
    /// # Errors
    /// No space, mostly.
    fn preallocate(&self, len: u64) -> Result<(), DiskError>;

    /// How bytes get to this file; certain once something was written durably.
    fn write_mode(&self) -> WriteMode {
        WriteMode::BEST
    }
}
