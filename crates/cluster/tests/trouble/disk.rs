//! The machine's disk, but it fills, fails and says what is free when it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use env::disk::{Access, Caching, Disk, DiskError, DiskFile, Operation, RealDisk, Space};

#[derive(Clone, Default)]
pub(crate) struct TroubledDisk(Arc<Switches>);

#[derive(Default)]
struct Switches {
    is_full: AtomicBool,
    fails_syncs: AtomicBool,
    /// 0: endless.
    free_bytes: AtomicU64,
}

struct TroubledFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    switches: Arc<Switches>,
}

impl TroubledDisk {
    /// Nothing gets longer or is created any more.
    pub(crate) fn fill(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Every sync and every durable write fails from now on, whether its bytes arrive or not.
    pub(crate) fn fail_syncs(&self) {
        self.0.fails_syncs.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_free_bytes(&self, bytes: u64) {
        self.0.free_bytes.store(bytes, Ordering::SeqCst);
    }
}

impl Switches {
    fn check_space(&self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(DiskError::new(operation, path, io::ErrorKind::StorageFull)),
            false => Ok(()),
        }
    }

    fn check_sync(&self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        match self.fails_syncs.load(Ordering::SeqCst) {
            true => Err(DiskError::new(operation, path, io::Error::other("the disk is dying"))),
            false => Ok(()),
        }
    }
}

impl Disk for TroubledDisk {
    fn open(&self, path: &Path, access: Access, caching: Caching) -> Result<Arc<dyn DiskFile>, DiskError> {
        if access == Access::CreateNew {
            self.0.check_space(Operation::Open, path)?;
        }
        let file = RealDisk.open(path, access, caching)?;
        Ok(Arc::new(TroubledFile { file, path: path.to_owned(), switches: self.0.clone() }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        RealDisk.create_dir_all(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.0.check_space(Operation::CreateDir, dir)?;
        RealDisk.create_dir(dir)
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), DiskError> {
        RealDisk.remove_dir(dir)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        RealDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.0.check_sync(Operation::SyncDir, dir)?;
        RealDisk.sync_dir(dir)
    }

    fn sync_below(&self, dir: &Path) -> Result<(), DiskError> {
        self.0.check_sync(Operation::Sync, dir)?;
        RealDisk.sync_below(dir)
    }

    fn space(&self, _dir: &Path) -> Result<Space, DiskError> {
        match self.0.free_bytes.load(Ordering::SeqCst) {
            0 => Ok(Space::ENDLESS),
            free_bytes => Ok(Space { free_bytes, ..Space::ENDLESS }),
        }
    }
}

impl TroubledFile {
    fn check_growth(&self, operation: Operation, end: u64) -> Result<(), DiskError> {
        match end > self.file.size()? {
            true => self.switches.check_space(operation, &self.path),
            false => Ok(()),
        }
    }
}

impl DiskFile for TroubledFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.check_growth(Operation::Write, position + bytes.len() as u64)?;
        self.file.write_at(bytes, position)
    }

    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.check_growth(Operation::Write, position + bytes.len() as u64)?;
        self.switches.check_sync(Operation::Write, &self.path)?;
        self.file.write_at_durable(bytes, position)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.switches.check_sync(Operation::Sync, &self.path)?;
        self.file.sync()
    }

    fn size(&self) -> Result<u64, DiskError> {
        self.file.size()
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.check_growth(Operation::Resize, len)?;
        self.file.set_len(len)
    }

    fn preallocate(&self, len: u64) -> Result<(), DiskError> {
        self.check_growth(Operation::Resize, len)?;
        self.file.preallocate(len)
    }
}
