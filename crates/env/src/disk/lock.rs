//! "This directory is in use": a lock that ends with the process that holds it, however it ends.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{DiskError, Operation};

/// The lock file's name inside the directory.
const LOCK_FILE: &str = "LOCK";

/// Held while a process uses a directory; the `LOCK` file stays behind, the lock on it does not.
#[derive(Debug)]
pub struct DirLock {
    _file: OwnedFd,
    path: PathBuf,
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process (or another lock in this one) holds it.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The lock file could not be opened or locked.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl DirLock {
    /// Locks `dir`, which must exist, until the value is dropped or the process ends.
    ///
    /// # Errors
    /// [`LockError::InUse`] at once when somebody else holds it; it never waits.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| DiskError::new(Operation::Open, &path, errno))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file, path }),
            Err(Errno::WOULDBLOCK) => Err(LockError::InUse { dir: dir.to_owned() }),
            Err(errno) => Err(DiskError::new(Operation::Lock, &path, errno).into()),
        }
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
