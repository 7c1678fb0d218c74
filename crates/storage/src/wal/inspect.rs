//! The log for tools: every frame checked, or a line for each. Reads only.
//!
//! Where recovery refuses at the first damage, this goes on at the next multiple of a block with a valid frame, where a
//! group may begin.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use env::disk::{BLOCK_BYTES, Disk, DiskError};

use super::error::WalError;
use super::files::Generation;
use super::frame::{FileHeader, Kind};
use super::options::WalOptions;
use super::recovery::{self, Listed};
use super::scan::{Scanned, Scanner};
use crate::id::ShardId;
use crate::inspect::{DumpError, EntryCheck, Line, Report};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// What a shard has in the log.
pub(crate) struct VerifiedShard {
    pub(crate) id: ShardId,
    /// The last index that is gone.
    pub(crate) purged: Option<u64>,
}

/// A shard while its frames are read.
#[derive(Default)]
struct Indexes {
    purged: Option<u64>,
    entries: BTreeSet<u64>,
}

/// Checks the log in `dir`.
pub(crate) fn verify(
    disk: &dyn Disk,
    dir: &Path,
    check_entry: EntryCheck<'_>,
    report: &mut Report,
) -> Vec<VerifiedShard> {
    let mut shards = BTreeMap::new();
    match try_verify(disk, dir, check_entry, report, &mut shards) {
        Ok(()) => {}
        Err(WalError::Disk(error)) => report.unreadable(&error),
        Err(WalError::Corrupt { file, position, what }) => report.damage(&file, position, what),
        Err(error @ WalError::Version { .. }) => {
            let WalError::Version { file, .. } = &error else { unreachable!("matched") };
            report.damage(file, 0, error.to_string());
        }
        Err(error @ WalError::System(_)) => report.damage(dir, 0, error.to_string()),
    }
    for (id, shard) in &shards {
        if let Some(missing) = shard.missing() {
            report.damage(dir, 0, format!("the entry {missing} of shard {id} is in no file"));
        }
    }
    shards.into_iter().map(|(id, shard)| VerifiedShard { id, purged: shard.purged }).collect()
}

fn try_verify(
    disk: &dyn Disk,
    dir: &Path,
    check_entry: EntryCheck<'_>,
    report: &mut Report,
    shards: &mut BTreeMap<ShardId, Indexes>,
) -> Result<(), WalError> {
    let options = WalOptions::default();
    let listed = recovery::list(disk, dir, &options)?;
    let newest = listed.iter().rposition(|file| file.header.is_some());
    for file in &listed[newest.map_or(0, |at| at + 1)..] {
        match recovery::refuse_lost_header(disk, dir, file, &options) {
            Err(WalError::Corrupt { file, position, what }) => report.damage(&file, position, what),
            other => other?,
        }
    }
    let Some(newest) = newest else { return Ok(()) };
    let floor = recovery::floor_of(disk, dir, &listed[newest], &options)?;
    let chain = recovery::chain(dir, &listed, newest, floor)?;
    for (at, file) in chain.iter().enumerate() {
        let closed_at = chain.get(at + 1).map(|next| next.header.expect("in the chain").previous_end);
        let mut check = Check { disk, dir, options: &options, check_entry, report, shards };
        check.file(file, closed_at)?;
    }
    Ok(())
}

struct Check<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    options: &'a WalOptions,
    check_entry: EntryCheck<'a>,
    report: &'a mut Report,
    shards: &'a mut BTreeMap<ShardId, Indexes>,
}

impl Check<'_> {
    fn file(&mut self, file: &Listed, closed_at: Option<u64>) -> Result<(), DiskError> {
        let path = file.generation.path(self.dir);
        let mut scanner = Scanner::open(self.disk, &path, file.generation, self.options)?;
        self.report.wal.files += 1;
        loop {
            while closed_at.is_none_or(|end| scanner.position() < end) {
                let Some(frame) = scanner.next()? else { break };
                self.frame(&path, &frame);
            }
            let position = scanner.position();
            let proof = match closed_at {
                Some(end) if position >= end => None,
                Some(_) => Some("the next file says that it goes on".to_owned()),
                None => scanner.proof_of_damage()?.map(|at| format!("the frame at {at} was synced after it")),
            };
            let Some(proof) = proof else {
                self.report.wal.bytes += position;
                return Ok(());
            };
            self.report.damage(&path, position, format!("no valid frame, but {proof}"));
            let Some(next) = next_group(&mut scanner, position)? else { return Ok(()) };
            scanner.seek(next);
        }
    }

    fn frame(&mut self, path: &Path, frame: &Scanned) {
        self.report.wal.items += 1;
        let (header, index) = (frame.header, frame.header.at.index);
        let shard = match header.kind {
            Kind::FileHeader | Kind::Floor | Kind::Pad => return,
            _ => self.shards.entry(header.shard).or_default(),
        };
        match header.kind {
            Kind::Entry => {
                if let Err(what) = (self.check_entry)(&frame.payload) {
                    let what = format!("the entry {index} of shard {} is none: {what}", header.shard);
                    self.report.damage(path, frame.position, what);
                }
                if shard.purged.is_none_or(|purged| purged < index) {
                    shard.entries.insert(index);
                }
            }
            Kind::Truncate => drop(shard.entries.split_off(&index)),
            Kind::Purge => {
                shard.purged = shard.purged.max(Some(index));
                shard.entries = shard.entries.split_off(&(index + 1));
            }
            _ => {}
        }
    }
}

impl Indexes {
    /// An index that should be here and is not.
    fn missing(&self) -> Option<u64> {
        let first = *self.entries.first()?;
        match self.purged {
            Some(purged) if first != purged + 1 => return Some(purged + 1),
            None if first > 1 => return Some(first - 1),
            _ => {}
        }
        self.entries.iter().zip(first..).find(|(index, expected)| *index != expected).map(|(_, gap)| gap)
    }
}

/// The next multiple of a block behind `position` at which a frame of this file begins.
fn next_group(scanner: &mut Scanner<'_>, position: u64) -> Result<Option<u64>, DiskError> {
    let mut candidate = (position / BLOCK + 1) * BLOCK;
    while candidate < scanner.bytes() {
        if scanner.frame_at(candidate)?.is_some() {
            return Ok(Some(candidate));
        }
        candidate += BLOCK;
    }
    Ok(None)
}

/// Hands `take` a line for each frame but pads, up to the first invalid one: there the log ends, or is damaged.
///
/// # Errors
/// [`DumpError`].
pub(crate) fn dump(
    disk: &dyn Disk,
    path: &Path,
    describe_entry: &dyn Fn(&Bytes) -> String,
    take: &mut dyn FnMut(Line) -> std::io::Result<()>,
) -> Result<(), DumpError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let generation =
        Generation::from_name(name).ok_or_else(|| DumpError::Unknown(path.display().to_string()))?;
    let options = WalOptions::default();
    let mut scanner = Scanner::open(disk, path, generation, &options)?;
    while let Some(frame) = scanner.next()? {
        take(line(&frame, describe_entry)).map_err(DumpError::Taker)?;
    }
    let position = scanner.position();
    if position < scanner.bytes() {
        let what =
            "no valid frame of this file: here its frames end, unless a later file says that they go on";
        take(Line::new(position, "end").text("what", what)).map_err(DumpError::Taker)?;
    }
    Ok(())
}

fn line(frame: &Scanned, describe_entry: &dyn Fn(&Bytes) -> String) -> Line {
    let (header, at) = (frame.header, frame.header.at);
    let of_shard = |kind| Line::new(frame.position, kind).number("shard", header.shard.0);
    let line = match header.kind {
        Kind::FileHeader => file_header(frame),
        Kind::Entry => of_shard("entry").number("term", at.term).number("index", at.index),
        Kind::Vote => of_shard("vote"),
        Kind::Truncate => of_shard("truncate").number("from", at.index),
        Kind::Purge => of_shard("purge").number("term", at.term).number("index", at.index),
        Kind::Committed => of_shard("committed").number("index", at.index),
        Kind::Floor => Line::new(frame.position, "floor").text("generation", hex(&frame.payload)),
        Kind::Pad => Line::new(frame.position, "pad"),
    };
    let line = line.number("bytes", header.length).number("synced", u64::from(header.synced_blocks) * BLOCK);
    if header.kind == Kind::Entry { line.text("what", describe_entry(&frame.payload)) } else { line }
}

fn file_header(frame: &Scanned) -> Line {
    let line = Line::new(frame.position, "file header");
    match FileHeader::parse(&frame.payload) {
        Some(Ok(header)) => line
            .text("floor", format!("{:016x}", header.floor))
            .text("previous", format!("{:016x}", header.previous))
            .number("previous_end", header.previous_end),
        Some(Err(version)) => line.number("version", version),
        None => line.text("what", "not one"),
    }
}

/// A generation as file names have it.
fn hex(payload: &[u8]) -> String {
    payload.iter().rev().map(|byte| format!("{byte:02x}")).collect()
}
