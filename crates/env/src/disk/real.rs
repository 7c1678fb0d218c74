//! The machine's own disk.
//!
//! Direct files that their file system or this position refuses (`EINVAL`) go on through the page cache, and durable writes
//! where `RWF_DSYNC` is not known become a write and an `fdatasync`: slower, never less durable.

use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{
    Access, AlignedBuffer, BLOCK_BYTES, CachedBytes, Caching, Disk, DiskError, DiskFile, Operation, Space,
    WriteMode,
};

/// Written at once where a file system can't reserve space.
const ZEROS_BYTES: usize = 1 << 20;

/// Of the process: its files are opened in many places, and whoever watches it asks for all.
static READS: AtomicU64 = AtomicU64::new(0);
static WRITES: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// What the process has done with files of [`RealDisk`] since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUse {
    /// Reads that succeeded, from the page cache or past it; not what is sent from a mapping of pages that lie in memory.
    pub reads: u64,
    /// Writes that succeeded.
    pub writes: u64,
    /// Reads, writes, syncs and changes of size that failed. Opening and removing are not among them: a name that is not
    /// there is often what was asked.
    pub errors: u64,
}

impl DiskUse {
    /// Up to now.
    #[must_use]
    pub fn of_process() -> Self {
        let [reads, writes, errors] = [&READS, &WRITES, &ERRORS].map(|count| count.load(Ordering::Relaxed));
        Self { reads, writes, errors }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    fd: OwnedFd,
    path: PathBuf,
    /// Cleared at the first write that the file system refuses to do directly.
    direct: AtomicBool,
    /// Opened when it is first wanted; `None` where the file system has no direct reads.
    past_cache: OnceLock<Option<OwnedFd>>,
    /// Cleared at the first write whose flag the kernel or file system does not know.
    dsync: AtomicBool,
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access, caching: Caching) -> Result<Arc<dyn DiskFile>, DiskError> {
        let flags = OFlags::CLOEXEC
            | match access {
                Access::Read => OFlags::RDONLY,
                Access::Write => OFlags::RDWR,
                Access::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
        let mode = Mode::from_raw_mode(0o644);
        let open = |flags| rustix::fs::open(path, flags, mode);
        let (opened, direct) = match caching {
            Caching::Cached => (open(flags), false),
            Caching::Direct => match open(flags | OFlags::DIRECT) {
                // A new file may have been created before the flag was refused: the second open must accept that.
                Err(Errno::INVAL) => (open(flags.difference(OFlags::EXCL)), false),
                opened => (opened, true),
            },
        };
        let fd = opened.map_err(|errno| DiskError::new(Operation::Open, path, errno))?;
        Ok(Arc::new(RealFile {
            fd,
            path: path.to_owned(),
            direct: AtomicBool::new(direct),
            past_cache: OnceLock::new(),
            dsync: AtomicBool::new(true),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let fail = |errno| DiskError::new(Operation::List, dir, errno);
        let fd = open_dir(dir).map_err(fail)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        let parent = match dir.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        match rustix::fs::stat(dir) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                // A process that was killed may have created it without syncing its name. Where we may not look it was not us.
                return match open_dir(parent) {
                    Err(Errno::ACCESS | Errno::PERM) => Ok(()),
                    _ => self.sync_dir(parent),
                };
            }
            Ok(_) => return Err(DiskError::new(Operation::CreateDir, dir, Errno::NOTDIR)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(DiskError::new(Operation::CreateDir, dir, errno)),
        }
        if parent != Path::new(".") {
            self.create_dir_all(parent)?;
        }
        match rustix::fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => self.sync_dir(parent),
            Err(errno) => Err(DiskError::new(Operation::CreateDir, dir, errno)),
        }
    }

    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        match rustix::fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(DiskError::new(Operation::CreateDir, dir, errno)),
        }
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), DiskError> {
        rustix::fs::rmdir(dir).map_err(|errno| DiskError::new(Operation::Remove, dir, errno))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        rustix::fs::unlink(path).map_err(|errno| DiskError::new(Operation::Remove, path, errno))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        rustix::fs::rename(from, to).map_err(|errno| DiskError::new(Operation::Rename, from, errno))
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        open_dir(dir)
            .and_then(rustix::fs::fsync)
            .map_err(|errno| DiskError::new(Operation::SyncDir, dir, errno))
    }

    fn sync_below(&self, dir: &Path) -> Result<(), DiskError> {
        // A write-back that failed before this descriptor was opened is reported all the same, as nobody has seen it: only
        // descriptors of syncfs look at the file system's errors.
        open_dir(dir)
            .and_then(rustix::fs::syncfs)
            .map_err(|errno| DiskError::new(Operation::Sync, dir, errno))
    }

    fn space(&self, dir: &Path) -> Result<Space, DiskError> {
        let has = crate::machine::file_system_bytes(dir)
            .map_err(|error| DiskError::new(Operation::AskSpace, dir, error))?;
        Ok(Space { free_bytes: has.usable, total_bytes: has.total })
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::pread(&self.fd, &mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    // A direct read stops within a block only at the end of the file, and can't go on from there.
                    if !count.is_multiple_of(BLOCK_BYTES) && self.direct.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) if self.direct.swap(false, Ordering::Relaxed) => {
                    self.drop_direct().map_err(|errno| self.error(Operation::Read, errno))?;
                }
                Err(errno) => return Err(self.error(Operation::Read, errno)),
            }
        }
        count(&READS);
        Ok(filled)
    }

    fn cached(&self, position: u64, len: usize) -> Result<Option<CachedBytes>, DiskError> {
        CachedBytes::of_file(self.fd.as_fd(), position, len).map_err(|error| {
            count(&ERRORS);
            DiskError::new(Operation::Read, &self.path, error)
        })
    }

    fn bring_in(&self, position: u64, len: usize) -> Option<CachedBytes> {
        CachedBytes::bring_in(self.fd.as_fd(), position, len).ok().flatten().inspect(|_| count(&READS))
    }

    fn read_past_cache(
        &self,
        buffer: &mut AlignedBuffer,
        position: u64,
        len: usize,
    ) -> Result<Range<usize>, DiskError> {
        let lead = usize::try_from(position % BLOCK_BYTES as u64).expect("less than a block");
        let blocks = buffer.at_least((lead + len).next_multiple_of(BLOCK_BYTES));
        let Some(direct) = self.past_cache.get_or_init(|| self.open_past_cache()) else {
            return Ok(0..self.read_at(&mut blocks[..len], position)?);
        };
        let from = position - lead as u64;
        let mut filled = 0;
        // A direct read stops within a block only at the end of the file.
        while filled < lead + len && filled.is_multiple_of(BLOCK_BYTES) {
            match rustix::io::pread(direct, &mut blocks[filled..], from + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) => return Ok(0..self.read_at(&mut blocks[..len], position)?),
                Err(errno) => return Err(self.error(Operation::Read, errno)),
            }
        }
        count(&READS);
        Ok(lead..filled.clamp(lead, lead + len))
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.write_all(bytes, position, ReadWriteFlags::empty())
            .map_err(|errno| self.error(Operation::Write, errno))
    }

    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        if self.dsync.load(Ordering::Relaxed) {
            match self.write_all(bytes, position, ReadWriteFlags::DSYNC) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.dsync.store(false, Ordering::Relaxed),
                written => return written.map_err(|errno| self.error(Operation::Write, errno)),
            }
        }
        self.write_at(bytes, position)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), DiskError> {
        rustix::fs::fdatasync(&self.fd).map_err(|errno| self.error(Operation::Sync, errno))
    }

    fn size(&self) -> Result<u64, DiskError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| self.error(Operation::Resize, errno))?;
        u64::try_from(stat.st_size).map_err(|_| self.error(Operation::Resize, Errno::OVERFLOW))
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        rustix::fs::ftruncate(&self.fd, len).map_err(|errno| self.error(Operation::Resize, errno))
    }

    fn preallocate(&self, len: u64) -> Result<(), DiskError> {
        match rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill_with_zeros(len),
            Err(errno) => Err(self.error(Operation::Resize, errno)),
        }
    }

    fn write_mode(&self) -> WriteMode {
        WriteMode {
            is_direct: self.direct.load(Ordering::Relaxed),
            is_one_call: self.dsync.load(Ordering::Relaxed),
        }
    }
}

impl RealFile {
    fn error(&self, operation: Operation, errno: Errno) -> DiskError {
        count(&ERRORS);
        DiskError::new(operation, &self.path, errno)
    }

    /// The same file once more: by its descriptor, because its name may be gone.
    fn open_past_cache(&self) -> Option<OwnedFd> {
        let same = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        rustix::fs::open(same, OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty()).ok()
    }

    fn write_all(&self, bytes: &[u8], position: u64, flags: ReadWriteFlags) -> Result<(), Errno> {
        let mut written = 0;
        while written < bytes.len() {
            let rest = [IoSlice::new(&bytes[written..])];
            match rustix::io::pwritev2(&self.fd, &rest, position + written as u64, flags) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) if self.direct.swap(false, Ordering::Relaxed) => self.drop_direct()?,
                Err(errno) => return Err(errno),
            }
        }
        count(&WRITES);
        Ok(())
    }

    fn drop_direct(&self) -> Result<(), Errno> {
        let kept = rustix::fs::fcntl_getfl(&self.fd)?.difference(OFlags::DIRECT);
        rustix::fs::fcntl_setfl(&self.fd, kept)
    }

    fn fill_with_zeros(&self, len: u64) -> Result<(), DiskError> {
        let mut zeros = AlignedBuffer::new();
        zeros.resize(ZEROS_BYTES);
        let mut position = self.size()?;
        while position < len {
            let count = usize::try_from(len - position).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
            self.write_at(&zeros.as_slice()[..count], position)?;
            position += count as u64;
        }
        Ok(())
    }
}

fn open_dir(dir: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
