//! A disk in memory that keeps only what it promised.
//!
//! What was written but not synced may be lost, kept or torn (at sectors of 512 bytes or blocks of 4 KiB), in any order, and
//! so may a length that was not synced. A block that is being written past the page cache when the power goes may become
//! garbage; a sector that is written through it is the old or the new one. Names that were not synced, of files and of
//! directories, may be missing, or old ones still be there; a directory that is lost takes along what is in it. A failed
//! sync leaves bytes that can be read through the page cache and never reach the disk. Space may run out in the middle of a
//! write, or for one more name. Any operation may be the last.

mod file;
mod inode;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use env::disk::{Access, Caching, Disk, DiskError, DiskFile, Operation};

use crate::dice::Dice;
use file::SimFile;
use inode::Inode;

/// The simulated disk; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The operation during which everything stops, counted from [`SimDisk::begin_life`].
    pub stop_at: Option<u64>,
    /// The rename behind which everything stops: done, and not synced.
    pub stop_behind_rename: Option<u64>,
    /// The operation that fails with an I/O error.
    pub fail_at: Option<u64>,
    /// The sync of a file that fails with an I/O error.
    pub fail_sync: Option<u64>,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process dies, the machine goes on: everything written can be read, nothing more is durable than before.
    Kill,
    /// The power goes.
    PowerLoss,
}

#[derive(Clone)]
struct State {
    dice: Dice,
    faults: Faults,
    operations: u64,
    renames: u64,
    syncs: u64,
    stopped: bool,
    has_failed: bool,
    inodes: Vec<Inode>,
    names: Names,
    names_durable: Names,
    names_pending: Vec<NameChange>,
    space_bytes: u64,
    last_write: Option<(PathBuf, u64)>,
}

type Names = BTreeMap<PathBuf, Node>;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    /// Which of the inodes.
    File(usize),
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, Node),
    Remove(PathBuf),
    /// From where, to where, and what: whatever else is lost, the new name is that file's.
    Rename(PathBuf, PathBuf, Node),
}

impl NameChange {
    /// The directory that has to be synced for it.
    fn dir(&self) -> Option<&Path> {
        let (Self::Set(path, _) | Self::Remove(path) | Self::Rename(_, path, _)) = self;
        path.parent()
    }
}

/// What is to become of an operation.
#[derive(Clone, Copy)]
enum Fate {
    Done,
    /// It fails, and how much of it happened is up to the dice.
    Failed,
    /// It is interrupted, and nothing happens any more.
    Stopped,
}

impl SimDisk {
    /// An empty disk with room for `space_bytes`.
    #[must_use]
    pub fn new(seed: u64, space_bytes: u64) -> Self {
        let state = State {
            dice: Dice::new(seed),
            faults: Faults::default(),
            operations: 0,
            renames: 0,
            syncs: 0,
            stopped: false,
            has_failed: false,
            inodes: Vec::new(),
            names: Names::new(),
            names_durable: Names::new(),
            names_pending: Vec::new(),
            space_bytes,
            last_write: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Another disk with the same bytes and the same future.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.lock().clone())) }
    }

    /// Counts operations from here, with these faults.
    pub fn begin_life(&self, faults: Faults) {
        let mut state = self.lock();
        state.faults = faults;
        (state.operations, state.renames, state.syncs) = (0, 0, 0);
        (state.stopped, state.has_failed) = (false, false);
    }

    /// Ends a life: what is left is what the next one finds. Handles from before must not be used any more.
    pub fn end_life(&self, end: End) {
        let state = &mut *self.lock();
        state.stopped = false;
        state.faults = Faults::default();
        if end == End::Kill {
            // What the dead process was writing, the machine finishes or not: the sectors are dirty, none is half written.
            state.inodes.iter_mut().for_each(Inode::forget_flight);
        } else {
            for inode in &mut state.inodes {
                inode.lose_power(&mut state.dice);
            }
            state.lose_names();
        }
        state.forget_unnamed();
    }

    /// Changing operations since the life began.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// True once the operation came at which everything stops.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// True once the operation came that fails.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// Sets how many bytes all files together may take.
    pub fn set_space(&self, space_bytes: u64) {
        self.lock().space_bytes = space_bytes;
    }

    /// Bytes that the files take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// File and position of the last durable write.
    #[must_use]
    pub fn last_write(&self) -> Option<(PathBuf, u64)> {
        self.lock().last_write.clone()
    }

    /// The files and their bytes as a reader sees them.
    #[must_use]
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let file = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(at) => Some((path.clone(), state.inodes[*at].current.clone())),
            Node::Dir => None,
        };
        state.names.iter().filter_map(file).collect()
    }

    /// Changes stored bytes behind everybody's back.
    pub fn overwrite(&self, path: &Path, position: usize, bytes: &[u8]) {
        let state = &mut *self.lock();
        if let Some(Node::File(at)) = state.names.get(path) {
            state.inodes[*at].rot(position, bytes);
        }
    }

    /// Loses a file behind everybody's back.
    pub fn lose_file(&self, path: &Path) {
        let state = &mut *self.lock();
        state.names.remove(path);
        state.names_durable.remove(path);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no simulation panics under the lock")
    }
}

impl State {
    /// Counts a changing operation and decides what becomes of it.
    fn operate(&mut self) -> Fate {
        self.operations += 1;
        if self.stopped || self.faults.stop_at.is_some_and(|at| self.operations >= at) {
            self.stopped = true;
            return Fate::Stopped;
        }
        if self.faults.fail_at == Some(self.operations) { self.fail() } else { Fate::Done }
    }

    /// As [`State::operate`], for a file's sync.
    fn operate_sync(&mut self) -> Fate {
        self.syncs += 1;
        match self.operate() {
            Fate::Done if self.faults.fail_sync == Some(self.syncs) => self.fail(),
            fate => fate,
        }
    }

    fn fail(&mut self) -> Fate {
        self.has_failed = true;
        Fate::Failed
    }

    fn used(&self) -> u64 {
        let bytes = |node: &Node| match node {
            Node::File(at) => self.inodes[*at].current.len() as u64,
            Node::Dir => 0,
        };
        self.names.values().map(bytes).sum()
    }

    /// Names as a power loss leaves them: changes since the last sync of the directory up to some point, or any of them.
    fn lose_names(&mut self) {
        let count = self.dice.index(self.names_pending.len() + 1);
        let in_order = self.dice.chance(50);
        for (at, change) in std::mem::take(&mut self.names_pending).into_iter().enumerate() {
            let kept = if in_order { at < count } else { self.dice.chance(50) };
            if kept {
                apply(&mut self.names_durable, &change);
            }
        }
        let mut kept = Names::new();
        // Parents order before what is in them.
        for (path, node) in &self.names_durable {
            if is_root(path.parent()) || path.parent().is_some_and(|dir| kept.contains_key(dir)) {
                kept.insert(path.clone(), *node);
            }
        }
        self.names_durable = kept;
        self.names = self.names_durable.clone();
    }

    /// Gives the memory back of files that no name can lead to any more.
    fn forget_unnamed(&mut self) {
        let mut is_named = vec![false; self.inodes.len()];
        let pending = self.names_pending.iter().filter_map(|change| match change {
            NameChange::Set(_, node) | NameChange::Rename(_, _, node) => Some(node),
            NameChange::Remove(_) => None,
        });
        for node in self.names.values().chain(self.names_durable.values()).chain(pending) {
            if let Node::File(at) = node {
                is_named[*at] = true;
            }
        }
        for (inode, _) in self.inodes.iter_mut().zip(is_named).filter(|(_, is_named)| !is_named) {
            *inode = Inode::default();
        }
    }

    fn has_dir(&self, dir: Option<&Path>) -> bool {
        is_root(dir) || dir.is_some_and(|dir| self.names.get(dir) == Some(&Node::Dir))
    }

    fn change_name(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.names_pending.push(change);
    }

    fn sync_names(&mut self, dir: &Path) {
        let Self { names_pending, names_durable, .. } = self;
        names_pending.retain(|change| {
            let is_elsewhere = change.dir() != Some(dir);
            if !is_elsewhere {
                apply(names_durable, change);
            }
            is_elsewhere
        });
    }
}

fn is_root(dir: Option<&Path>) -> bool {
    dir == Some(Path::new("/"))
}

fn apply(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Set(path, node) => {
            names.insert(path.clone(), *node);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Rename(from, to, node) => {
            names.remove(from);
            names.insert(to.clone(), *node);
        }
    }
}

fn error(operation: Operation, path: &Path, kind: io::ErrorKind) -> DiskError {
    DiskError::new(operation, path, io::Error::new(kind, format!("simulated: {kind}")))
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access, caching: Caching) -> Result<Arc<dyn DiskFile>, DiskError> {
        let state = &mut *self.lock();
        let fail = |kind| Err(error(Operation::Open, path, kind));
        let inode = match (access, state.names.get(path)) {
            _ if state.stopped => return fail(io::ErrorKind::Other),
            (_, Some(Node::Dir)) => return fail(io::ErrorKind::IsADirectory),
            (Access::CreateNew, Some(_)) => return fail(io::ErrorKind::AlreadyExists),
            (Access::Read | Access::Write, None) => return fail(io::ErrorKind::NotFound),
            (Access::Read | Access::Write, Some(Node::File(inode))) => *inode,
            (Access::CreateNew, None) => {
                if !state.has_dir(path.parent()) {
                    return fail(io::ErrorKind::NotFound);
                }
                let node = Node::File(state.inodes.len());
                state.inodes.push(Inode::default());
                state.create_name(Operation::Open, path, node)?;
                state.inodes.len() - 1
            }
        };
        Ok(Arc::new(SimFile { disk: self.clone(), inode, path: path.to_owned(), caching }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let state = self.lock();
        if state.stopped {
            return Err(error(Operation::List, dir, io::ErrorKind::Other));
        }
        if !state.has_dir(Some(dir)) {
            return Err(error(Operation::List, dir, io::ErrorKind::NotFound));
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        let Some(parent) = dir.parent() else { return Ok(()) };
        let is_there = self.lock().has_dir(Some(dir));
        if !is_there {
            self.create_dir_all(parent)?;
            self.create_dir(dir)?;
        }
        self.sync_dir(parent)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let state = &mut *self.lock();
        match state.names.get(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(error(Operation::CreateDir, dir, io::ErrorKind::AlreadyExists)),
            None if !state.has_dir(dir.parent()) => {
                Err(error(Operation::CreateDir, dir, io::ErrorKind::NotFound))
            }
            None => state.create_name(Operation::CreateDir, dir, Node::Dir),
        }
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let state = &mut *self.lock();
        let fail = |kind| Err(error(Operation::Remove, dir, kind));
        if state.names.get(dir) != Some(&Node::Dir) {
            return fail(io::ErrorKind::NotFound);
        }
        if state.names.keys().any(|path| path.parent() == Some(dir)) {
            return fail(io::ErrorKind::DirectoryNotEmpty);
        }
        state.change_names(Operation::Remove, dir, NameChange::Remove(dir.to_owned()))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let state = &mut *self.lock();
        if !matches!(state.names.get(path), Some(Node::File(_))) {
            return Err(error(Operation::Remove, path, io::ErrorKind::NotFound));
        }
        state.change_names(Operation::Remove, path, NameChange::Remove(path.to_owned()))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let state = &mut *self.lock();
        let Some(node) = state.names.get(from).copied() else {
            return Err(error(Operation::Rename, from, io::ErrorKind::NotFound));
        };
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), node);
        state.change_names(Operation::Rename, from, change)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let state = &mut *self.lock();
        match state.operate() {
            Fate::Done => {
                state.sync_names(dir);
                Ok(())
            }
            Fate::Failed | Fate::Stopped => Err(error(Operation::SyncDir, dir, io::ErrorKind::Other)),
        }
    }
}

impl State {
    /// A new name takes no bytes, but on a full disk there is no room for it.
    fn create_name(&mut self, operation: Operation, path: &Path, node: Node) -> Result<(), DiskError> {
        if !self.stopped && self.used() >= self.space_bytes {
            return Err(error(operation, path, io::ErrorKind::StorageFull));
        }
        self.change_names(operation, path, NameChange::Set(path.to_owned(), node))
    }

    fn change_names(
        &mut self,
        operation: Operation,
        path: &Path,
        change: NameChange,
    ) -> Result<(), DiskError> {
        let fate = self.operate();
        let happens = matches!(fate, Fate::Done) || !self.stopped_before() && self.dice.chance(50);
        if happens {
            self.renames += u64::from(matches!(change, NameChange::Rename(..)));
            self.change_name(change);
            self.stopped |= self.faults.stop_behind_rename.is_some_and(|at| at <= self.renames);
        }
        if matches!(fate, Fate::Done) { Ok(()) } else { Err(error(operation, path, io::ErrorKind::Other)) }
    }

    /// True for every operation behind the one at which everything stopped.
    fn stopped_before(&self) -> bool {
        self.stopped && self.faults.stop_at.is_some_and(|at| self.operations > at)
    }
}
