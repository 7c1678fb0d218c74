//! From one file to the next: where it comes from, and what is written at its head so that older files can go.

use std::path::Path;

use env::disk::{Disk, DiskError};

use super::encode::Label;
use super::files::{FreeFile, Generation};
use super::frame::{FileHeader, HEADER_BYTES, Kind, LogPosition};
use super::options::{WalOptions, planted};
use super::scan::Scanner;
use super::shard::Location;
use super::upkeep::{self, ReadyFile};
use super::writer::{ActiveFile, BLOCK, RESERVE_BYTES, WalCore, reserve};
use crate::id::ShardId;

/// The smallest file worth opening when there is no space for a whole one.
const FILE_BYTES_MIN: u64 = 64 * BLOCK;

/// Entries to be written again, with their bytes, so that the files that hold them can go.
#[derive(Debug, Default)]
pub(super) struct CopyPlan {
    entries: Vec<Copied>,
    /// The oldest file that is still needed once the copies are synced.
    floor_after: Option<Generation>,
}

#[derive(Debug)]
struct Copied {
    shard: ShardId,
    index: u64,
    from: Location,
    meta: u8,
    payload: bytes::Bytes,
}

impl WalCore {
    /// Makes sure that the active file has room for a frame of `needed` bytes; `false` for want of space.
    pub(super) fn make_room(&mut self, needed: u64) -> Result<bool, DiskError> {
        if self.active.position != self.active.opening_end {
            let Some(ready) = self.next_file()? else { return Ok(false) };
            let plan = self.plan_copies()?;
            if !self.switch_to(ready, &plan)? {
                return Ok(false);
            }
        }
        let bytes = grown(self.active.bytes, self.active.position + needed);
        if bytes == self.active.bytes {
            return Ok(true);
        }
        let reserved = reserve_space(&self.active, bytes)?;
        if reserved {
            self.active.bytes = bytes;
            self.files.resize_newest(bytes);
        }
        Ok(reserved)
    }

    /// Writes header and state, and `plan`'s copies, into `ready`, and goes on there. `false` for want of space.
    pub(super) fn switch_to(&mut self, ready: ReadyFile, plan: &CopyPlan) -> Result<bool, DiskError> {
        let planted_floor = plan.floor_after.filter(|_| planted!(self.options, FloorBeforeCopies));
        let header = FileHeader {
            floor: planted_floor.unwrap_or(self.floor).0,
            previous: self.active.generation.0,
            previous_end: self.active.position,
        };
        self.encoder.begin_file(ready.generation);
        let label = Label::of_file(Kind::FileHeader);
        self.encoder.push(label, std::iter::once(&header.to_bytes()[..]), &self.options);
        self.push_state();
        let mut copies = Vec::with_capacity(plan.entries.len());
        for copied in &plan.entries {
            let at = LogPosition { term: copied.from.term, index: copied.index };
            let label = Label { meta: copied.meta, ..Label::new(Kind::Entry, copied.shard, at) };
            let position = self.encoder.push(label, std::iter::once(&copied.payload[..]), &self.options);
            let to = Location::new(copied.from.term, ready.generation, position, copied.from.length);
            copies.push((copied.shard, copied.index, to));
        }
        let end = self.encoder.finish(&self.options);

        let mut next = ActiveFile {
            generation: ready.generation,
            file: ready.file,
            bytes: ready.bytes,
            position: end,
            opening_end: end,
        };
        let bytes = grown(next.bytes, end);
        if bytes > next.bytes {
            if !reserve_space(&next, bytes)? {
                self.ready =
                    Some(ReadyFile { generation: next.generation, bytes: next.bytes, file: next.file });
                return Ok(false);
            }
            next.bytes = bytes;
        }
        self.files.push(next.generation, next.bytes);
        self.active = next;
        self.write_encoded()?;
        for (shard, index, to) in copies {
            let state = self.shards.get_mut(&shard).expect("it was planned from there");
            state.relocate(index, to, &mut self.files);
            self.stats.entries_copied += 1;
        }
        self.stats.files_opened += 1;
        Ok(true)
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.sequence += 1;
        Generation::new(self.sequence, self.salt)
    }

    /// Every shard's vote, purge and committed index: no older file is needed for them once they are synced here.
    fn push_state(&mut self) {
        if planted!(self.options, OpeningStateLeftOut) {
            return;
        }
        for (shard, state) in &self.shards {
            let mut push = |kind, term, index, payload: &[u8]| {
                let label = Label::new(kind, *shard, LogPosition { term, index });
                self.encoder.push(label, std::iter::once(payload), &self.options);
            };
            if let Some(vote) = &state.vote {
                push(Kind::Vote, 0, 0, vote);
            }
            if let Some(purged) = state.purged {
                push(Kind::Purge, purged.term, purged.index, &[]);
            }
            if let Some(committed) = state.committed {
                push(Kind::Committed, 0, committed, &[]);
            }
        }
    }

    /// The prepared file, else a free one, else a new one; `None` for want of space.
    fn next_file(&mut self) -> Result<Option<ReadyFile>, DiskError> {
        if let Some(ready) = self.ready.take() {
            return Ok(Some(ready));
        }
        self.stats.files_opened_unprepared += 1;
        let generation = self.next_generation();
        let bytes = self.options.file_bytes;
        let ready = match obtain(&*self.disk, &self.dir, &self.options, generation, bytes, &mut self.free) {
            // Also a directory may have no room for one more name.
            Err(error) if error.is_no_space() => None,
            obtained => obtained?,
        };
        self.short_of_space = ready.is_none();
        Ok(ready)
    }

    /// When there is more log than should be kept: the oldest files' entries, as long as they are few.
    fn plan_copies(&mut self) -> Result<CopyPlan, DiskError> {
        let mut plan = CopyPlan::default();
        let mut excess =
            (self.files.bytes() + self.options.file_bytes).saturating_sub(self.options.kept_bytes_max);
        let mut budget = self.options.copied_bytes_max.min(self.options.file_bytes / 4);
        for file in self.files.iter() {
            let cost = file.needed_bytes + file.needed * (2 * HEADER_BYTES) as u64;
            if excess == 0 || cost > budget || file.generation == self.active.generation {
                break;
            }
            let path = file.generation.path(&self.dir);
            let mut scanner = Scanner::open(&*self.disk, &path, file.generation, &self.options)?;
            for (shard, state) in &self.shards {
                for (index, from) in state.needed_in(file.generation) {
                    let frame =
                        scanner.frame_at(from.position())?.ok_or_else(|| damaged(&path, from.position()))?;
                    let (meta, payload) = (frame.header.meta, frame.payload);
                    plan.entries.push(Copied { shard: *shard, index, from, meta, payload });
                }
            }
            budget -= cost;
            excess = excess.saturating_sub(file.bytes);
            plan.floor_after = self.files.iter().map(|f| f.generation).find(|next| *next > file.generation);
        }
        Ok(plan)
    }
}

/// The file that a log is opened with: a left-over one of full size, else a new one, smaller when space is short.
pub(super) fn first_file(
    disk: &dyn Disk,
    dir: &Path,
    options: &WalOptions,
    salt: u32,
    sequence: &mut u32,
    free: &mut Vec<FreeFile>,
) -> Result<ReadyFile, DiskError> {
    *sequence += 1;
    let generation = Generation::new(*sequence, salt);
    if let Some(ready) = obtain(disk, dir, options, generation, options.file_bytes, free)? {
        return Ok(ready);
    }
    // A broker whose disk is full must still start, or nobody can read, delete and make space.
    upkeep::create(disk, dir, generation, FILE_BYTES_MIN.min(options.file_bytes), &upkeep::reserve, true)
}

/// A free file of full size under a new name, else a new file, else any free one that is not tiny.
fn obtain(
    disk: &dyn Disk,
    dir: &Path,
    options: &WalOptions,
    generation: Generation,
    bytes: u64,
    free: &mut Vec<FreeFile>,
) -> Result<Option<ReadyFile>, DiskError> {
    let smallest = FILE_BYTES_MIN.min(bytes);
    if let Some(at) = free.iter().position(|file| file.bytes == bytes) {
        return upkeep::rename(disk, dir, free.swap_remove(at), generation).map(Some);
    }
    let named = !planted!(options, DirectoryNotSynced);
    match upkeep::create(disk, dir, generation, bytes, &upkeep::reserve, named) {
        Err(error) if error.is_no_space() => {}
        created => return created.map(Some),
    }
    match free.iter().position(|file| file.bytes >= smallest) {
        Some(at) => upkeep::rename(disk, dir, free.swap_remove(at), generation).map(Some),
        None => Ok(None),
    }
}

/// The length of a file of `bytes` in which frames up to `end` leave the reserve free: `bytes`, or more.
fn grown(bytes: u64, end: u64) -> u64 {
    let end = end.next_multiple_of(BLOCK);
    if end + reserve(bytes) <= bytes { bytes } else { end + RESERVE_BYTES }
}

/// Reserves more space for a file; `false` when there is none.
fn reserve_space(file: &ActiveFile, bytes: u64) -> Result<bool, DiskError> {
    match file.file.preallocate(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.is_no_space() => Ok(false),
        Err(error) => Err(error),
    }
}

fn damaged(path: &Path, position: u64) -> DiskError {
    let what = format!("no valid frame at position {position}, where a needed entry was written");
    DiskError::new(
        env::disk::Operation::Read,
        path,
        std::io::Error::new(std::io::ErrorKind::InvalidData, what),
    )
}
