//! What a look at a data directory found.

use std::fmt;
use std::path::{Path, PathBuf};

use env::disk::DiskError;

/// Something at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The first byte of what it is about.
    pub position: u64,
    /// What was found, in words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}: {}", self.path.display(), self.position, self.what)
    }
}

/// How much of one kind was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Files.
    pub files: u64,
    /// Their bytes that count.
    pub bytes: u64,
    /// Frames, records of the checkpoint, record batches or index entries in them.
    pub items: u64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The write-ahead log; items are frames.
    pub wal: Part,
    /// The checkpoint; items are its records.
    pub checkpoint: Part,
    /// Segments; items are record batches.
    pub segments: Part,
    /// Their index files; items are entries.
    pub indexes: Part,
    /// Records in the batches of segments.
    pub records: u64,
    /// What is not as it was written: a start refuses it, or readers will meet it.
    pub damages: Vec<Finding>,
    /// What a start repairs or removes without losing anything.
    pub notes: Vec<Finding>,
}

impl Report {
    /// Notes damage.
    pub(crate) fn damage(&mut self, path: &Path, position: u64, what: impl Into<String>) {
        self.damages.push(Finding { path: path.to_owned(), position, what: what.into() });
    }

    /// Notes what is worth knowing.
    pub(crate) fn note(&mut self, path: &Path, position: u64, what: impl Into<String>) {
        self.notes.push(Finding { path: path.to_owned(), position, what: what.into() });
    }

    /// What can't be read is as good as damaged.
    pub(crate) fn unreadable(&mut self, error: &DiskError) {
        let what = format!("cannot {}: {}", error.operation, error.source);
        self.damage(&error.path, 0, what);
    }
}
