//! The checkpoint log's file: read at the start, appended to, written anew when half of it is stale.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Access, Caching, Disk, DiskError, DiskFile};

use super::decode::{self, FileHeader};
use super::encode::{self, ALIGNMENT, FILE_HEADER_BYTES, FORMAT_VERSION, Place};
use super::error::CheckpointError;
use super::record::CheckpointRecord;
use super::state::CheckpointState;
use crate::planted::planted;

/// The log's name in its directory.
pub(crate) const FILE_NAME: &str = "checkpoint.log";
/// The file that will take the other's name when it is complete and synced.
pub(super) const NEXT_NAME: &str = "checkpoint.next";

/// Bytes collected before they are written while the log is written anew.
const WRITE_BYTES: usize = 1 << 20;

/// See the module's head.
pub(crate) struct CheckpointLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file: Arc<dyn DiskFile>,
    generation: u64,
    /// Everything below is synced records.
    end: u64,
    /// The log's length when it was last written anew: about what is not stale.
    live: u64,
    /// An append failed: bytes behind `end` may look like records.
    has_remains: bool,
    buffer: Vec<u8>,
}

impl CheckpointLog {
    /// Opens the log in `dir`, or begins one; gives back what it says.
    ///
    /// # Errors
    /// When the disk refuses, or the log is corrupt or of another version.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
    ) -> Result<(Self, CheckpointState), CheckpointError> {
        disk.create_dir_all(&dir)?;
        let names = disk.list(&dir)?;
        if names.iter().any(|name| name == NEXT_NAME) {
            disk.remove(&dir.join(NEXT_NAME))?;
        }
        if !names.iter().any(|name| name == FILE_NAME) {
            let state = CheckpointState::default();
            let (file, end) = write_anew(disk.as_ref(), &dir, 1, state)?;
            return Ok((Self::with(disk, dir, file, 1, end), CheckpointState::default()));
        }
        // A process that was killed may have given the log its name without syncing it. What will be appended is relied on, so
        // the name must not lead to an older log after a power loss.
        if !planted!(CheckpointNameTrusted) {
            disk.sync_dir(&dir)?;
        }
        let path = dir.join(FILE_NAME);
        let file = disk.open(&path, Access::Write, Caching::Cached)?;
        let bytes = read_whole(file.as_ref())?;
        let (state, header, end) = fold(&path, &bytes)?;
        if end < bytes.len() as u64 {
            // What was torn must not stand behind records that are appended in its place.
            file.set_len(end)?;
            file.sync()?;
        }
        // After a failed sync and a start without the machine's, these bytes may be in its cache only.
        let valid = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
        file.write_at_durable(&bytes[..valid], 0)?;
        Ok((Self { live: header.complete, ..Self::with(disk, dir, file, header.generation, end) }, state))
    }

    fn with(disk: Arc<dyn Disk>, dir: PathBuf, file: Arc<dyn DiskFile>, generation: u64, end: u64) -> Self {
        Self { disk, dir, file, generation, end, live: end, has_remains: false, buffer: Vec::new() }
    }

    /// Appends records, durable on return.
    ///
    /// # Errors
    /// When the disk refuses. After [`DiskError::is_no_space`] the same or other records may be appended later; after any
    /// other error the log must not be used again.
    pub(crate) fn append(
        &mut self,
        records: impl IntoIterator<Item = CheckpointRecord>,
    ) -> Result<(), DiskError> {
        if self.has_remains {
            self.file.set_len(self.end)?;
            self.file.sync()?;
            self.has_remains = false;
        }
        self.buffer.clear();
        for record in records {
            let position = self.end + self.buffer.len() as u64;
            let place = Place { generation: self.generation, position };
            encode::record(place, self.end, &record, &mut self.buffer);
        }
        self.has_remains = true;
        if planted!(CheckpointNotSynced) {
            self.file.write_at(&self.buffer, self.end)?;
        } else {
            self.file.write_at_durable(&self.buffer, self.end)?;
        }
        self.has_remains = false;
        self.end += self.buffer.len() as u64;
        self.buffer.shrink_to(WRITE_BYTES);
        Ok(())
    }

    /// The log's length.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// True when the log is twice as long as what it says, and at least `bytes_min` long.
    pub(crate) fn is_due_for_rewrite(&self, bytes_min: u64) -> bool {
        self.end >= self.live.saturating_mul(2).max(bytes_min)
    }

    /// Writes what the log says into a new file, which takes its place.
    ///
    /// # Errors
    /// When the disk refuses, or the log is not what was written. After [`DiskError::is_no_space`] the log is as before.
    pub(crate) fn rewrite(&mut self) -> Result<(), CheckpointError> {
        let bytes = read_whole(self.file.as_ref())?;
        let synced = usize::try_from(self.end).unwrap_or(usize::MAX).min(bytes.len());
        let (state, ..) = fold(&self.dir.join(FILE_NAME), &bytes[..synced])?;
        drop(bytes);
        let generation = self.generation + 1;
        let (file, end) = write_anew(self.disk.as_ref(), &self.dir, generation, state)?;
        self.file = file;
        self.generation = generation;
        self.end = end;
        self.live = end;
        self.has_remains = false;
        Ok(())
    }
}

/// Folds all records of a log; its second result is where the last valid one ends.
pub(super) fn fold(path: &Path, bytes: &[u8]) -> Result<(CheckpointState, FileHeader, u64), CheckpointError> {
    let Some(header) = decode::file_header(bytes) else {
        let what = "there is no file header";
        return Err(CheckpointError::Corrupt { path: path.to_owned(), position: 0, what });
    };
    let FileHeader { generation, version, complete } = header;
    if version != FORMAT_VERSION {
        return Err(CheckpointError::Version { path: path.to_owned(), version, supported: FORMAT_VERSION });
    }
    let mut state = CheckpointState::default();
    let mut at = FILE_HEADER_BYTES;
    let place = |at: usize| Place { generation, position: at as u64 };
    let corrupt =
        |at: usize, what| CheckpointError::Corrupt { path: path.to_owned(), position: at as u64, what };
    while let Some(framed) = bytes.get(at..).and_then(|rest| decode::frame(place(at), rest)) {
        let record = framed.parse().map_err(|what| corrupt(at, what))?;
        state.apply(record).map_err(|what| corrupt(at, what))?;
        at += framed.len;
    }
    // The first invalid record is a torn append, unless the header or a later one says that it had been synced.
    if (at as u64) < complete {
        return Err(corrupt(at, "a record that had been synced is not valid"));
    }
    let later = (at + ALIGNMENT..bytes.len()).step_by(ALIGNMENT);
    let knows_better = |from: usize| {
        decode::frame(place(from), &bytes[from..]).is_some_and(|framed| framed.synced > at as u64)
    };
    if later.into_iter().any(knows_better) {
        return Err(corrupt(at, "a record that had been synced is not valid"));
    }
    Ok((state, header, at as u64))
}

/// Writes a whole log beside the old one, and gives it the old one's name when it is synced.
fn write_anew(
    disk: &dyn Disk,
    dir: &Path,
    generation: u64,
    state: CheckpointState,
) -> Result<(Arc<dyn DiskFile>, u64), DiskError> {
    let next = dir.join(NEXT_NAME);
    let file = match disk.open(&next, Access::CreateNew, Caching::Cached) {
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
            // Left there when space ran out.
            disk.remove(&next)?;
            disk.open(&next, Access::CreateNew, Caching::Cached)?
        }
        opened => opened?,
    };
    // The header says where the file was complete: it is written again when that is known.
    let mut buffer = encode::file_header(generation, 0).to_vec();
    let mut written = 0;
    for record in state.into_records() {
        let position = written + buffer.len() as u64;
        encode::record(Place { generation, position }, 0, &record, &mut buffer);
        if buffer.len() >= WRITE_BYTES {
            file.write_at(&buffer, written)?;
            written += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_at(&buffer, written)?;
    written += buffer.len() as u64;
    file.write_at(&encode::file_header(generation, written), 0)?;
    if !planted!(RewriteNotSynced) {
        file.sync()?;
    }
    disk.rename(&next, &dir.join(FILE_NAME))?;
    disk.sync_dir(dir)?;
    Ok((file, written))
}

pub(super) fn read_whole(file: &dyn DiskFile) -> Result<Vec<u8>, DiskError> {
    let len = usize::try_from(file.size()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let count = file.read_at(&mut bytes, 0)?;
    bytes.truncate(count);
    Ok(bytes)
}
