//! What this machine has.

use std::io;
use std::path::Path;

/// Bytes of memory, whoever uses them.
#[must_use]
pub fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    system.totalram.saturating_mul(u64::from(system.mem_unit))
}

/// The size of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystemBytes {
    /// All of it.
    pub total: u64,
    /// What this process may still write.
    pub usable: u64,
}

/// How large the file system is that `path` is on.
///
/// # Errors
/// When it can't be asked, as where nothing is at `path`.
pub fn file_system_bytes(path: &Path) -> io::Result<FileSystemBytes> {
    let system = rustix::fs::statvfs(path)?;
    Ok(FileSystemBytes {
        total: system.f_blocks.saturating_mul(system.f_frsize),
        usable: system.f_bavail.saturating_mul(system.f_frsize),
    })
}
