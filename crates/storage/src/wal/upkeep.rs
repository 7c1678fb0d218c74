//! Work on files that nobody waits for: the next file is recycled or prewritten, what is left over is removed.
//!
//! Asked for by the core, done anywhere (a thread of its own; the simulator whenever it likes), and told to the core afterwards.

use std::path::Path;
use std::sync::Arc;

use env::disk::{Access, AlignedBuffer, Caching, Disk, DiskError, DiskFile};

use super::files::{FreeFile, Generation};

/// One write while prewriting: large enough to be fast, small enough that a commit's write waits little behind it.
const PREWRITE_BYTES: usize = 256 << 10;

/// What is to be done.
#[derive(Debug, Default)]
pub struct Upkeep {
    pub(super) prepare: Option<Prepare>,
    pub(super) remove: Vec<FreeFile>,
}

/// A file is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepare {
    pub(super) generation: Generation,
    pub(super) bytes: u64,
    /// The file to make it from.
    pub(super) recycle: Option<FreeFile>,
}

/// What was done.
pub struct UpkeepDone {
    pub(super) prepared: Option<Result<ReadyFile, DiskError>>,
}

/// A file that only wants its header: its name is durable, its space is reserved.
pub(super) struct ReadyFile {
    pub(super) generation: Generation,
    pub(super) bytes: u64,
    pub(super) file: Arc<dyn DiskFile>,
}

impl Upkeep {
    /// Adds what `other` asks for; only one of the two wants a file.
    pub(super) fn join(&mut self, other: Self) {
        assert!(self.prepare.is_none() || other.prepare.is_none(), "one file is prepared at a time");
        self.prepare = self.prepare.or(other.prepare);
        self.remove.extend(other.remove);
    }

    /// Does it.
    #[must_use]
    pub fn run(self, disk: &dyn Disk, dir: &Path) -> UpkeepDone {
        for file in &self.remove {
            // A file that stays is found and removed at the next start; nothing reads it.
            let _ = disk.remove(&file.generation.path(dir));
        }
        UpkeepDone { prepared: self.prepare.map(|prepare| prepare.run(disk, dir)) }
    }
}

impl Prepare {
    fn run(&self, disk: &dyn Disk, dir: &Path) -> Result<ReadyFile, DiskError> {
        if let Some(recycle) = self.recycle {
            return rename(disk, dir, recycle, self.generation);
        }
        create(disk, dir, self.generation, self.bytes, &prewrite, true)
    }
}

/// Gives a free file the name of a new generation.
pub(super) fn rename(
    disk: &dyn Disk,
    dir: &Path,
    from: FreeFile,
    generation: Generation,
) -> Result<ReadyFile, DiskError> {
    let path = generation.path(dir);
    disk.rename(&from.generation.path(dir), &path)?;
    disk.sync_dir(dir)?;
    let file = disk.open(&path, Access::Write, Caching::Direct)?;
    Ok(ReadyFile { generation, bytes: from.bytes, file })
}

/// Creates a file that `fill` gives its space; it is gone again when that fails.
pub(super) fn create(
    disk: &dyn Disk,
    dir: &Path,
    generation: Generation,
    bytes: u64,
    fill: &dyn Fn(&dyn DiskFile, u64) -> Result<(), DiskError>,
    sync_dir: bool,
) -> Result<ReadyFile, DiskError> {
    let path = generation.path(dir);
    let file = disk.open(&path, Access::CreateNew, Caching::Direct)?;
    if let Err(error) = fill(&*file, bytes) {
        disk.remove(&path)?;
        return Err(error);
    }
    if sync_dir {
        disk.sync_dir(dir)?;
    }
    Ok(ReadyFile { generation, bytes, file })
}

/// Reserves the space; writes into it pay for turning reserved blocks into written ones.
pub(super) fn reserve(file: &dyn DiskFile, bytes: u64) -> Result<(), DiskError> {
    file.preallocate(bytes)?;
    file.sync()
}

/// Writes the file once from end to end, so that later writes change nothing but its bytes.
fn prewrite(file: &dyn DiskFile, bytes: u64) -> Result<(), DiskError> {
    file.preallocate(bytes)?;
    let mut zeros = AlignedBuffer::new();
    zeros.resize(PREWRITE_BYTES);
    let mut position = 0;
    while position < bytes {
        let count = usize::try_from(bytes - position).map_or(PREWRITE_BYTES, |left| left.min(PREWRITE_BYTES));
        file.write_at(&zeros.as_slice()[..count], position)?;
        position += count as u64;
    }
    file.sync()
}
