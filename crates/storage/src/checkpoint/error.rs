//! Why a checkpoint can't be read or written.

use std::path::PathBuf;

use env::disk::DiskError;

/// The checkpoint log failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Synced bytes are not what was written: restore the file or the node.
    #[error("{} is corrupt at position {position}: {what}", path.display())]
    Corrupt {
        /// The checkpoint log.
        path: PathBuf,
        /// First byte of the record.
        position: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Start the version that wrote it.
    #[error("{} has format version {version}, this program reads {supported}", path.display())]
    Version {
        /// The checkpoint log.
        path: PathBuf,
        /// What it says.
        version: u32,
        /// What is known here.
        supported: u32,
    },
}
