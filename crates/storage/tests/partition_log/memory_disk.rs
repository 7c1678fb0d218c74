//! A disk in memory that forgets at a crash what was not synced: each write and each name by a throw of the dice.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use env::disk::{Access, Caching, Disk, DiskError, DiskFile, Operation, Space};

use crate::dice::Dice;

#[derive(Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    nodes: Vec<Node>,
    dirs: Vec<PathBuf>,
    is_full: bool,
    /// What the disk says is free, whatever is written; endless when `None`.
    free_bytes: Option<u64>,
    is_sync_broken: bool,
    /// Grows at each crash: files opened before it are of another life.
    life: u64,
}

#[derive(Clone, Default)]
struct Node {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

enum NameChange {
    Create(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn dir(&self) -> &Path {
        let (Self::Create(path, _) | Self::Remove(path) | Self::Rename(_, path, _)) = self;
        path.parent().unwrap()
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Create(path, node) => {
                names.insert(path, node);
            }
            Self::Remove(path) => {
                names.remove(&path);
            }
            Self::Rename(from, to, node) => {
                names.remove(&from);
                names.insert(to, node);
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len, 0),
            Self::Write { position, bytes: written } => {
                let end = position + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*position..end].copy_from_slice(written);
            }
        }
    }
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    pub(crate) fn set_free_bytes(&self, free_bytes: u64) {
        self.lock().free_bytes = Some(free_bytes);
    }

    pub(crate) fn break_sync(&self) {
        self.lock().is_sync_broken = true;
    }

    /// What was written so far outlives the next crash, as it may.
    pub(crate) fn make_durable(&self) {
        let mut state = self.lock();
        state.durable_names = state.names.clone();
        state.name_changes.clear();
        for node in &mut state.nodes {
            node.durable = node.current.clone();
            node.pending.clear();
        }
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }

    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.lock();
        state.nodes[state.names[path]].current.clone()
    }

    /// Changes a file behind everyone's back, durably.
    pub(crate) fn damage(&self, path: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let at = state.names[path];
        let node = &mut state.nodes[at];
        damage(&mut node.current);
        node.durable = node.current.clone();
        node.pending.clear();
    }

    /// The power fails and comes back.
    pub(crate) fn crash(&self, dice: &mut Dice) {
        let mut state = self.lock();
        let state = &mut *state;
        for change in std::mem::take(&mut state.name_changes) {
            if dice.one_in(2) {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        for node in &mut state.nodes {
            for change in std::mem::take(&mut node.pending) {
                match change {
                    Change::Write { position, mut bytes } => {
                        if dice.one_in(2) {
                            if dice.one_in(3) {
                                bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
                            }
                            Change::Write { position, bytes }.apply(&mut node.durable);
                        }
                    }
                    change @ Change::SetLen(_) => {
                        if dice.one_in(2) {
                            change.apply(&mut node.durable);
                        }
                    }
                }
            }
            node.current = node.durable.clone();
        }
        state.is_full = false;
        state.is_sync_broken = false;
        state.life += 1;
    }
}

impl State {
    fn grow(&mut self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        if self.is_full {
            return Err(DiskError::new(operation, path, io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync(&mut self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        if self.is_sync_broken {
            return Err(DiskError::new(operation, path, io::Error::other("sync failed")));
        }
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn space(&self, _dir: &Path) -> Result<Space, DiskError> {
        let free_bytes = self.lock().free_bytes.unwrap_or(u64::MAX);
        Ok(Space { free_bytes, ..Space::ENDLESS })
    }

    fn open(&self, path: &Path, access: Access, _: Caching) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut state = self.lock();
        let found = state.names.get(path).copied();
        let fail = |kind: io::ErrorKind| Err(DiskError::new(Operation::Open, path, kind));
        let node = match (access, found) {
            (Access::CreateNew, Some(_)) => return fail(io::ErrorKind::AlreadyExists),
            (Access::Read | Access::Write, None) => return fail(io::ErrorKind::NotFound),
            (_, Some(node)) => node,
            (Access::CreateNew, None) => {
                state.grow(Operation::Open, path)?;
                let node = state.nodes.len();
                state.nodes.push(Node::default());
                state.names.insert(path.to_owned(), node);
                state.name_changes.push(NameChange::Create(path.to_owned(), node));
                node
            }
        };
        let life = state.life;
        Ok(Arc::new(MemoryFile { state: Arc::clone(&self.state), path: path.to_owned(), node, life }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let state = self.lock();
        let files = state.names.keys().filter(|path| path.parent() == Some(dir));
        let dirs = state.dirs.iter().filter(|path| path.parent() == Some(dir));
        Ok(files.chain(dirs).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = self.lock();
        if !state.dirs.iter().any(|known| known == dir) {
            state.grow(Operation::CreateDir, dir)?;
            state.dirs.push(dir.to_owned());
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.lock();
        match state.names.remove(path) {
            Some(_) => state.name_changes.push(NameChange::Remove(path.to_owned())),
            None => return Err(DiskError::new(Operation::Remove, path, io::ErrorKind::NotFound)),
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.lock();
        let node = state.names.remove(from).expect("renamed files exist");
        state.names.insert(to.to_owned(), node);
        state.name_changes.push(NameChange::Rename(from.to_owned(), to.to_owned(), node));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.sync(Operation::SyncDir, dir)?;
        let changes = std::mem::take(&mut state.name_changes);
        for change in changes {
            if change.dir() == dir {
                change.apply(&mut state.durable_names);
            } else {
                state.name_changes.push(change);
            }
        }
        Ok(())
    }
}

struct MemoryFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    node: usize,
    life: u64,
}

impl MemoryFile {
    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap();
        assert_eq!(state.life, self.life, "{} is used after the crash", self.path.display());
        state
    }

    fn change(&self, state: &mut State, change: Change) {
        let node = &mut state.nodes[self.node];
        change.apply(&mut node.current);
        node.pending.push(change);
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        let state = self.lock();
        let bytes = &state.nodes[self.node].current;
        let from = (position as usize).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        let mut state = self.lock();
        let position = position as usize;
        if let Err(failed) = state.grow(Operation::Write, &self.path) {
            // Some of it may have been written.
            let bytes = bytes[..bytes.len() / 2].to_vec();
            self.change(&mut state, Change::Write { position, bytes });
            return Err(failed);
        }
        self.change(&mut state, Change::Write { position, bytes: bytes.to_vec() });
        Ok(())
    }

    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.write_at(bytes, position)?;
        let mut state = self.lock();
        state.sync(Operation::Sync, &self.path)?;
        let node = &mut state.nodes[self.node];
        let written = node.pending.pop().expect("just written");
        written.apply(&mut node.durable);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.sync(Operation::Sync, &self.path)?;
        let node = &mut state.nodes[self.node];
        node.durable = node.current.clone();
        node.pending.clear();
        Ok(())
    }

    fn size(&self) -> Result<u64, DiskError> {
        Ok(self.lock().nodes[self.node].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let mut state = self.lock();
        self.change(&mut state, Change::SetLen(len as usize));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> Result<(), DiskError> {
        let has = self.size()?;
        if has < len { self.set_len(len) } else { Ok(()) }
    }
}
