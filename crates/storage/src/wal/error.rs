//! What the write-ahead log refuses, and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::DiskError;

use crate::id::ShardId;

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// Stop: what had been synced is not there any more. Nothing was changed.
    #[error("the write-ahead log is damaged: {} at position {position}: {what}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it.
        position: u64,
        /// What was found.
        what: String,
    },
    /// Stop: another program version wrote this. Nothing was changed.
    #[error("{} has format version {found}, this program reads {}", file.display(), super::frame::FORMAT_VERSION)]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Stop, or make space: the disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The operating system has no thread or no random number left.
    #[error("cannot start the write-ahead log: {0}")]
    System(std::io::Error),
}

/// Frames were not accepted; nothing of the call was queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Wait and retry: the bound protects memory.
    #[error("{queued_bytes} bytes wait for the write-ahead log, {queued_bytes_max} may")]
    Full {
        /// What waits.
        queued_bytes: u64,
        /// The bound.
        queued_bytes_max: u64,
    },
    /// Wait and retry: the disk has no space for the next file. Releasing entries or freeing space helps.
    #[error("no space for the write-ahead log")]
    NoSpace,
    /// Never: the entry is larger than the log takes.
    #[error("an entry of {bytes} bytes is larger than the {bytes_max} that the write-ahead log takes")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        bytes_max: u32,
    },
    /// A mistake of the caller: a gap in the shard's log, or a change to its purged part.
    #[error("shard {shard} expects index {expected}, not {index}")]
    OutOfOrder {
        /// The shard.
        shard: ShardId,
        /// What would be right.
        expected: u64,
        /// What was given.
        index: u64,
    },
    /// Stop: what the disk holds is unknown until recovery has read it again.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Writing has stopped for good: a write or sync failed. It is never tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("writes are stopped since the failure at {}: {cause}", path.display())]
pub struct Poisoned {
    /// Where it happened.
    pub path: Arc<Path>,
    /// What the disk said.
    pub cause: Arc<str>,
}

impl Poisoned {
    pub(super) fn by(error: &DiskError) -> Self {
        Self { path: error.path.clone().into(), cause: error.to_string().into() }
    }
}
