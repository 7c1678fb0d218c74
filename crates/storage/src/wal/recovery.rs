//! Reading the log back: which files, in which order, and what every shard is left with. Steps: docs/format/wal.md.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use bytes::Bytes;
use env::disk::{Access, Caching, Disk};

use super::error::WalError;
use super::files::{FreeFile, Generation, LiveFiles};
use super::frame::{FileHeader, Kind, LogPosition, u64_at};
use super::options::{WalOptions, planted};
use super::scan::{Scanned, Scanner};
use super::shard::{Location, ShardState};
use crate::id::ShardId;

/// An entry as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredEntry {
    /// Its term.
    pub term: u64,
    /// Its index.
    pub index: u64,
    /// The caller's.
    pub meta: u8,
    /// The caller's.
    pub payload: Bytes,
}

/// What a shard has in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredShard {
    /// The last vote.
    pub vote: Option<Bytes>,
    /// The last entry that is gone: as purged, or as released with the file it was in.
    pub purged: Option<LogPosition>,
    /// The last committed index that was written.
    pub committed: Option<u64>,
    /// The entries behind `purged`, in order, without a gap.
    pub entries: Vec<RecoveredEntry>,
}

/// What the log held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Every shard that ever wrote a frame.
    pub shards: BTreeMap<ShardId, RecoveredShard>,
}

/// What the writing side goes on from.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) recovered: Recovered,
    pub(super) shards: BTreeMap<ShardId, ShardState>,
    pub(super) files: LiveFiles,
    pub(super) free: Vec<FreeFile>,
    /// The newest file and where its frames end.
    pub(super) newest: Option<(Generation, u64)>,
    pub(super) floor: Option<Generation>,
    /// The highest sequence seen in a name.
    pub(super) sequence: u32,
}

/// A shard while frames are replayed.
#[derive(Default)]
struct Replayed {
    vote: Option<Bytes>,
    purged: Option<LogPosition>,
    committed: Option<u64>,
    entries: BTreeMap<u64, (Location, RecoveredEntry)>,
}

/// A file of ours in the directory.
pub(super) struct Listed {
    pub(super) generation: Generation,
    bytes: u64,
    pub(super) header: Option<FileHeader>,
}

/// Reads the log in `dir`; changes nothing but to sync what it read.
pub(super) fn recover(disk: &dyn Disk, dir: &Path, options: &WalOptions) -> Result<Found, WalError> {
    // A process that died behind a rename may have left the new name in memory only. Were the file renamed once more, a
    // power loss could leave it under its first name and its last, and whoever reuses the one would overwrite the other.
    disk.sync_dir(dir)?;
    let listed = list(disk, dir, options)?;
    let mut found = Found {
        sequence: listed.iter().map(|file| file.generation.sequence()).max().unwrap_or(0),
        ..Found::default()
    };
    let newest = listed.iter().rposition(|file| file.header.is_some());
    for file in &listed[newest.map_or(0, |at| at + 1)..] {
        refuse_lost_header(disk, dir, file, options)?;
    }
    if let Some(newest) = newest {
        let floor = floor_of(disk, dir, &listed[newest], options)?;
        let chain = chain(dir, &listed, newest, floor)?;
        let mut shards = BTreeMap::new();
        let mut end = 0;
        for (at, file) in chain.iter().enumerate() {
            let closed_at = chain.get(at + 1).map(|next| next.header.expect("in the chain").previous_end);
            end = replay(disk, dir, file, closed_at, options, &mut shards)?;
            found.files.push(file.generation, file.bytes);
        }
        let generation = listed[newest].generation;
        if !planted!(options, RecoveredNotSynced) {
            // A process that died may have left the tail in the page cache only.
            disk.open(&generation.path(dir), Access::Write, Caching::Cached)?.sync()?;
        }
        found.newest = Some((generation, end));
        found.floor = Some(floor);
        settle(dir, generation, end, shards, &mut found)?;
        let live = |file: &Listed| chain.iter().any(|live| live.generation == file.generation);
        found.free = listed.iter().filter(|file| !live(file)).map(Listed::free).collect();
    } else {
        found.free = listed.iter().map(Listed::free).collect();
    }
    Ok(found)
}

impl Listed {
    fn free(&self) -> FreeFile {
        FreeFile { generation: self.generation, bytes: self.bytes }
    }
}

fn corrupt<T>(
    dir: &Path,
    generation: Generation,
    position: u64,
    what: impl Into<String>,
) -> Result<T, WalError> {
    Err(WalError::Corrupt { file: generation.path(dir), position, what: what.into() })
}

/// Our files in order of generation, with their headers where these are valid.
pub(super) fn list(disk: &dyn Disk, dir: &Path, options: &WalOptions) -> Result<Vec<Listed>, WalError> {
    let names = disk.list(dir)?;
    let mut generations: Vec<_> = names.iter().filter_map(|name| Generation::from_name(name)).collect();
    generations.sort_unstable();
    let mut listed = Vec::new();
    for generation in generations {
        let path = generation.path(dir);
        let mut scanner = Scanner::open(disk, &path, generation, options)?;
        let header = match scanner.file_header()? {
            Some(Err(found)) => return Err(WalError::Version { file: path, found }),
            Some(Ok(header)) => Some(header),
            None => None,
        };
        listed.push(Listed { generation, bytes: scanner.bytes(), header });
    }
    Ok(listed)
}

/// A file newer than all with headers is prepared or torn at its first write, unless a frame in it was written later.
pub(super) fn refuse_lost_header(
    disk: &dyn Disk,
    dir: &Path,
    file: &Listed,
    options: &WalOptions,
) -> Result<(), WalError> {
    let mut scanner = Scanner::open(disk, &file.generation.path(dir), file.generation, options)?;
    match scanner.proof_of_damage()? {
        None => Ok(()),
        Some(proof) => corrupt(
            dir,
            file.generation,
            0,
            format!("the file's header is not valid, but the frame at {proof} says that it had been synced"),
        ),
    }
}

/// The floor as the newest file has it: in its header, or raised since.
pub(super) fn floor_of(
    disk: &dyn Disk,
    dir: &Path,
    newest: &Listed,
    options: &WalOptions,
) -> Result<Generation, WalError> {
    let mut floor = newest.header.expect("the newest has one").floor;
    let mut scanner = Scanner::open(disk, &newest.generation.path(dir), newest.generation, options)?;
    while let Some(frame) = scanner.next()? {
        if frame.header.kind == Kind::Floor && frame.payload.len() == 8 {
            floor = floor.max(u64_at(&frame.payload, 0));
        }
    }
    Ok(Generation(floor))
}

/// The files from the floor to the newest, each named by the one behind it.
pub(super) fn chain<'a>(
    dir: &Path,
    listed: &'a [Listed],
    newest: usize,
    floor: Generation,
) -> Result<Vec<&'a Listed>, WalError> {
    let mut chain = VecDeque::from([&listed[newest]]);
    loop {
        let file = chain[0];
        let previous = Generation(file.header.expect("in the chain").previous);
        if previous.0 == 0 || previous < floor {
            return Ok(chain.into());
        }
        match listed.iter().find(|file| file.generation == previous) {
            Some(older) if older.header.is_some() && previous < file.generation => chain.push_front(older),
            Some(_) => return corrupt(dir, previous, 0, "the file's header is not valid"),
            None => return corrupt(dir, previous, 0, "the file is missing"),
        }
    }
}

/// Applies a file's frames; returns where they end. `closed_at` is where its successor says so.
fn replay(
    disk: &dyn Disk,
    dir: &Path,
    file: &Listed,
    closed_at: Option<u64>,
    options: &WalOptions,
    shards: &mut BTreeMap<ShardId, Replayed>,
) -> Result<u64, WalError> {
    let generation = file.generation;
    let mut scanner = Scanner::open(disk, &generation.path(dir), generation, options)?;
    while closed_at.is_none_or(|end| scanner.position() < end) {
        let Some(frame) = scanner.next()? else { break };
        apply(generation, frame, options, shards);
    }
    let position = scanner.position();
    match closed_at {
        Some(end) if position == end => Ok(end),
        Some(end) => {
            corrupt(dir, generation, position, format!("no valid frame, but the file goes on to {end}"))
        }
        None => match scanner.proof_of_damage()? {
            None => Ok(position),
            Some(proof) => {
                let what = format!("no valid frame, but the frame at {proof} says that it had been synced");
                corrupt(dir, generation, position, what)
            }
        },
    }
}

fn apply(
    generation: Generation,
    frame: Scanned,
    options: &WalOptions,
    shards: &mut BTreeMap<ShardId, Replayed>,
) {
    let header = frame.header;
    if matches!(header.kind, Kind::FileHeader | Kind::Floor | Kind::Pad) {
        return;
    }
    let shard = shards.entry(header.shard).or_default();
    let LogPosition { term, index } = header.at;
    match header.kind {
        Kind::Entry if shard.purged.is_none_or(|purged| purged.index < index) => {
            let location = Location::new(term, generation, frame.position, header.length);
            let entry = RecoveredEntry { term, index, meta: header.meta, payload: frame.payload };
            shard.entries.insert(index, (location, entry));
        }
        Kind::Vote => shard.vote = Some(frame.payload),
        Kind::Truncate if !planted!(options, TruncateIgnored) => drop(shard.entries.split_off(&index)),
        Kind::Purge => {
            shard.purged = shard.purged.max(Some(header.at));
            shard.entries = shard.entries.split_off(&(index + 1));
        }
        Kind::Committed => shard.committed = Some(index),
        Kind::Entry | Kind::Truncate | Kind::FileHeader | Kind::Floor | Kind::Pad => {}
    }
}

/// Refuses gaps, and turns what was replayed into what callers and the writing side go on with.
fn settle(
    dir: &Path,
    newest: Generation,
    end: u64,
    shards: BTreeMap<ShardId, Replayed>,
    found: &mut Found,
) -> Result<(), WalError> {
    for (id, shard) in shards {
        let first = shard.entries.keys().next().copied().unwrap_or(0);
        let begins = match shard.purged {
            Some(purged) => shard.entries.is_empty() || first == purged.index + 1,
            None => first <= 1,
        };
        let gap = shard.entries.keys().zip(first..).find(|(index, expected)| **index != *expected);
        if let Some(missing) =
            gap.map(|(_, expected)| expected).or((!begins).then(|| first.saturating_sub(1)))
        {
            return corrupt(dir, newest, end, format!("the entry {missing} of shard {id} is in no file"));
        }
        let mut locations = VecDeque::with_capacity(shard.entries.len());
        let mut entries = Vec::with_capacity(shard.entries.len());
        for (location, entry) in shard.entries.into_values() {
            found.files.need(location.sequence, location.length);
            locations.push_back(location);
            entries.push(entry);
        }
        let state =
            ShardState::recovered(shard.vote.clone(), shard.committed, shard.purged, first, locations);
        found.shards.insert(id, state);
        let recovered =
            RecoveredShard { vote: shard.vote, purged: shard.purged, committed: shard.committed, entries };
        found.recovered.shards.insert(id, recovered);
    }
    Ok(())
}
