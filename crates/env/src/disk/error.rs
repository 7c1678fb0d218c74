//! What can go wrong with a file: one line with path, deed and cause.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was being done to a path when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Listing a directory.
    List,
    /// Creating a directory.
    CreateDir,
    /// Removing a name.
    Remove,
    /// Renaming a file.
    Rename,
    /// Syncing a directory.
    SyncDir,
    /// Reading.
    Read,
    /// Writing, durably or not.
    Write,
    /// Syncing a file.
    Sync,
    /// Asking for or setting a length, or reserving space.
    Resize,
    /// Locking.
    Lock,
    /// Asking how much space is left.
    AskSpace,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::List => "list",
            Self::CreateDir => "create directory",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::SyncDir => "sync directory",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Resize => "resize",
            Self::Lock => "lock",
            Self::AskSpace => "ask for the free space of",
        })
    }
}

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct DiskError {
    /// What was being done.
    pub operation: Operation,
    /// To which path.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl DiskError {
    /// An error of `operation` on `path`.
    pub fn new(operation: Operation, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { operation, path: path.to_owned(), source: source.into() }
    }

    /// True when there is no space (or quota) left: waiting may help, and nothing else is wrong.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// True when there is no such file or directory.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}
