//! Reading a few entries back while the log is being written: for a follower that lags.
//!
//! The writer alone knows where entries lie, and looks that up between two groups, so that whatever it finds is written.
//! The reading is done elsewhere and takes no lock on files: one that is recycled meanwhile has frames of another
//! generation, which are not valid, and the entry counts as forgotten, which it is.

use std::ops::Range;
use std::path::Path;

use env::disk::{Disk, DiskError};

use super::files::Generation;
use super::frame::{Kind, LogPosition};
use super::options::WalOptions;
use super::recovery::RecoveredEntry;
use super::scan::Scanner;
use super::shard::Location;
use super::writer::WalCore;
use crate::id::ShardId;

/// Called with what was read.
pub type ThenRead = Box<dyn FnOnce(Result<Vec<RecoveredEntry>, ReadBackError>) + Send>;

/// Entries could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// Begin later, or elsewhere: the log has forgotten the entry, or never had it.
    #[error("the write-ahead log has no entry {index} of shard {shard}")]
    Gone {
        /// The shard.
        shard: ShardId,
        /// The first entry that was asked for.
        index: u64,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Entries are wanted.
pub(super) struct ReadRequest {
    pub(super) shard: ShardId,
    pub(super) range: Range<u64>,
    pub(super) bytes_max: u64,
    pub(super) then: ThenRead,
}

/// It is known where they lie.
pub(super) struct LocatedRead {
    shard: ShardId,
    first: u64,
    places: Vec<(Generation, Location)>,
    then: ThenRead,
}

impl WalCore {
    /// Looks up where the entries lie that `request` wants.
    pub(super) fn locate(&self, request: ReadRequest) -> LocatedRead {
        let ReadRequest { shard, range, bytes_max, then } = request;
        let mut places = Vec::new();
        let mut bytes = 0;
        for index in range.clone() {
            let location = self.shards.get(&shard).and_then(|state| state.location(index));
            let Some(location) = location else { break };
            let Some(generation) = self.files.generation(location.sequence) else { break };
            bytes += u64::from(location.length);
            if bytes > bytes_max && !places.is_empty() {
                break;
            }
            places.push((generation, location));
        }
        LocatedRead { shard, first: range.start, places, then }
    }
}

impl LocatedRead {
    /// Reads, and tells.
    pub(super) fn run(self, disk: &dyn Disk, dir: &Path, options: &WalOptions) {
        let read = self.read(disk, dir, options);
        (self.then)(read);
    }

    fn read(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        options: &WalOptions,
    ) -> Result<Vec<RecoveredEntry>, ReadBackError> {
        let mut entries = Vec::with_capacity(self.places.len());
        for file in self.places.chunk_by(|one, next| one.0 == next.0) {
            let generation = file[0].0;
            let opened = Scanner::open(disk, &generation.path(dir), generation, options);
            let mut scanner = match opened {
                Err(error) if error.is_not_found() => break,
                opened => opened?,
            };
            for (_, location) in file {
                let at = LogPosition { term: location.term, index: self.first + entries.len() as u64 };
                let frame = scanner.frame_at(location.position())?;
                let wanted = frame.filter(|frame| {
                    let header = &frame.header;
                    (header.kind, header.shard, header.at) == (Kind::Entry, self.shard, at)
                });
                let Some(frame) = wanted else { return self.checked(entries) };
                let LogPosition { term, index } = at;
                entries.push(RecoveredEntry { term, index, meta: frame.header.meta, payload: frame.payload });
            }
        }
        self.checked(entries)
    }

    fn checked(&self, entries: Vec<RecoveredEntry>) -> Result<Vec<RecoveredEntry>, ReadBackError> {
        if entries.is_empty() {
            return Err(ReadBackError::Gone { shard: self.shard, index: self.first });
        }
        Ok(entries)
    }
}
