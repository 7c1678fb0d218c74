//! A handle to a simulated file.

use std::io;
use std::path::PathBuf;

use env::disk::{BLOCK_BYTES, Caching, DiskError, DiskFile, Operation};

use super::{Fate, SimDisk, State, error};

/// An open file.
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) inode: usize,
    pub(super) path: PathBuf,
    pub(super) caching: Caching,
}

impl SimFile {
    fn fail<T>(&self, operation: Operation, kind: io::ErrorKind) -> Result<T, DiskError> {
        Err(error(operation, &self.path, kind))
    }

    /// A write that is not durable yet; what became of it.
    fn put(&self, state: &mut State, bytes: &[u8], position: u64) -> Result<Fate, DiskError> {
        let position = usize::try_from(position).expect("simulated files fit memory");
        if self.caching == Caching::Direct {
            let aligned = position.is_multiple_of(BLOCK_BYTES) && bytes.len().is_multiple_of(BLOCK_BYTES);
            assert!(
                aligned && bytes.as_ptr().addr().is_multiple_of(BLOCK_BYTES),
                "a direct write that is not aligned"
            );
        }
        if state.stopped {
            return Ok(Fate::Stopped);
        }
        let grows = (position + bytes.len()).saturating_sub(state.inodes[self.inode].current.len()) as u64;
        if grows > 0 && state.used() + grows > state.space_bytes {
            return self.put_what_fits(state, bytes, position);
        }
        let fate = state.operate();
        let State { inodes, dice, .. } = state;
        let inode = &mut inodes[self.inode];
        match (fate, self.caching) {
            (Fate::Done, _) => inode.write(bytes, position),
            (_, Caching::Direct) => inode.write_interrupted(bytes, position, dice),
            (_, Caching::Cached) => inode.write_interrupted_cached(bytes, position, dice),
        }
        Ok(fate)
    }
}

impl SimFile {
    /// A write ends where the space does, or nothing of it happens.
    fn put_what_fits(&self, state: &mut State, bytes: &[u8], position: usize) -> Result<Fate, DiskError> {
        let free = usize::try_from(state.space_bytes.saturating_sub(state.used())).unwrap_or(usize::MAX);
        let end = state.inodes[self.inode].current.len().saturating_add(free);
        let fits = end.saturating_sub(position).min(bytes.len());
        if state.dice.chance(50) && position < end {
            state.inodes[self.inode].write(&bytes[..fits], position);
        }
        self.fail(Operation::Write, io::ErrorKind::StorageFull)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        let state = self.disk.lock();
        if state.stopped {
            return self.fail(Operation::Read, io::ErrorKind::Other);
        }
        let inode = &state.inodes[self.inode];
        let len = inode.current.len();
        let begin = usize::try_from(position).unwrap_or(usize::MAX).min(len);
        let count = buffer.len().min(len - begin);
        match self.caching {
            Caching::Cached => buffer[..count].copy_from_slice(&inode.current[begin..begin + count]),
            Caching::Direct => inode.read_direct(&mut buffer[..count], begin),
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        let state = &mut *self.disk.lock();
        match self.put(state, bytes, position)? {
            Fate::Done => Ok(()),
            Fate::Failed | Fate::Stopped => self.fail(Operation::Write, io::ErrorKind::Other),
        }
    }

    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        let state = &mut *self.disk.lock();
        let fate = self.put(state, bytes, position)?;
        let State { inodes, dice, .. } = state;
        match fate {
            Fate::Done => {
                let begin = usize::try_from(position).expect("simulated files fit memory");
                inodes[self.inode].sync_range(begin, bytes.len());
                state.last_write = Some((self.path.clone(), position));
                return Ok(());
            }
            Fate::Failed => inodes[self.inode].sync_failed(dice),
            Fate::Stopped => {}
        }
        self.fail(Operation::Write, io::ErrorKind::Other)
    }

    fn sync(&self) -> Result<(), DiskError> {
        let state = &mut *self.disk.lock();
        let fate = state.operate_sync();
        let State { inodes, dice, .. } = state;
        match fate {
            Fate::Done => {
                inodes[self.inode].sync();
                return Ok(());
            }
            Fate::Failed => inodes[self.inode].sync_failed(dice),
            Fate::Stopped => {}
        }
        self.fail(Operation::Sync, io::ErrorKind::Other)
    }

    fn size(&self) -> Result<u64, DiskError> {
        let state = self.disk.lock();
        if state.stopped {
            return self.fail(Operation::Resize, io::ErrorKind::Other);
        }
        Ok(state.inodes[self.inode].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let state = &mut *self.disk.lock();
        let fate = state.operate();
        if !matches!(fate, Fate::Done) {
            return self.fail(Operation::Resize, io::ErrorKind::Other);
        }
        state.inodes[self.inode].set_len(usize::try_from(len).expect("simulated files fit memory"));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> Result<(), DiskError> {
        let state = &mut *self.disk.lock();
        let len = usize::try_from(len).expect("simulated files fit memory");
        let present = state.inodes[self.inode].current.len();
        if !state.stopped && state.used() + len.saturating_sub(present) as u64 > state.space_bytes {
            return self.fail(Operation::Resize, io::ErrorKind::StorageFull);
        }
        match state.operate() {
            Fate::Done => {
                state.inodes[self.inode].set_len(len.max(present));
                Ok(())
            }
            Fate::Failed | Fate::Stopped => self.fail(Operation::Resize, io::ErrorKind::Other),
        }
    }
}
