//! The log's writing side without a thread: takes what is queued, writes it group by group, and goes from file to file.
//!
//! Whoever owns a [`WalCore`] steps it: the WAL thread, or a simulator that lets the disk fail at any write.
//!
//! Invariant: one write is under way at a time, so a group is written only after all before it are synced.
//! Invariant: the floor that is on disk never lies above a file that recovery would need.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::Instant;
use env::disk::{BLOCK_BYTES, Disk, DiskError, DiskFile};

use super::encode::{GroupEncoder, Label};
use super::error::{Poisoned, WalError};
use super::files::{FreeFile, Generation, LiveFiles};
use super::frame::{Frame, HEADER_BYTES, Kind, LogPosition};
use super::handle::WalListener;
use super::options::{WalOptions, planted};
use super::queue::{Queued, WalQueue, cost};
use super::recovery::{self, Found, Recovered};
use super::shard::{Location, ShardState};
use super::stats::WalStats;
use super::switch::{CopyPlan, first_file};
use super::upkeep::{Prepare, ReadyFile, Upkeep, UpkeepDone};
use crate::id::ShardId;

/// Space at a file's end that entries leave to votes, purges and floors, which can free a full disk.
pub(super) const RESERVE_BYTES: u64 = 16 * BLOCK_BYTES as u64;
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing was waiting.
    Idle,
    /// A group was written and its tickets were answered; there may be more.
    Wrote,
    /// There is no space for the next file: what waits goes on waiting. Step again after a while or a release.
    NoSpace,
    /// Everything that waited has failed, and so will everything that comes.
    Poisoned,
}

/// The file that groups go to.
pub(super) struct ActiveFile {
    pub(super) generation: Generation,
    pub(super) file: Arc<dyn DiskFile>,
    /// Its length on disk.
    pub(super) bytes: u64,
    /// Where the next group begins.
    pub(super) position: u64,
    /// Behind its opening group.
    pub(super) opening_end: u64,
}

/// The log's writing side; see the module's head.
pub struct WalCore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) options: WalOptions,
    pub(super) salt: u32,
    pub(super) shards: BTreeMap<ShardId, ShardState>,
    pub(super) active: ActiveFile,
    pub(super) files: LiveFiles,
    pub(super) free: Vec<FreeFile>,
    pub(super) ready: Option<ReadyFile>,
    /// The highest sequence given to a file.
    pub(super) sequence: u32,
    pub(super) preparing: bool,
    /// Preparing a file failed for want of space.
    pub(super) short_of_space: bool,
    /// It may be tried again.
    pub(super) retry_due: bool,
    /// What waits has no place.
    pub(super) stuck: bool,
    /// The floor that is on disk.
    pub(super) floor: Generation,
    pub(super) encoder: GroupEncoder,
    pub(super) pending: VecDeque<Queued>,
    /// Of frames put into a group: what the queue may forget.
    pub(super) pending_bytes_gone: u64,
    pub(super) tickets: Vec<(ShardId, u64)>,
    pub(super) poisoned: Option<Poisoned>,
    pub(super) stats: WalStats,
}

impl WalCore {
    /// Reads the log in `dir` back, or begins one, and opens a new file for writing.
    ///
    /// # Errors
    /// Damage, another format, or a disk that fails: then nothing was changed.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<(Self, Recovered), WalError> {
        let options =
            WalOptions { file_bytes: options.file_bytes.max(32 * BLOCK).next_multiple_of(BLOCK), ..options };
        let salt = match options.salt {
            Some(salt) => salt,
            None => draw_salt().map_err(WalError::System)?,
        };
        disk.create_dir_all(dir)?;
        let Found { recovered, shards, files, mut free, newest, floor, mut sequence } =
            recovery::recover(&*disk, dir, &options)?;
        let ready = first_file(&*disk, dir, &options, salt, &mut sequence, &mut free)?;
        let (previous, previous_end) = newest.unwrap_or((Generation(0), 0));
        let mut core = Self {
            active: ActiveFile {
                generation: previous,
                file: ready.file.clone(),
                bytes: 0,
                position: previous_end,
                // Never taken for a file that was just opened: if there is no space to begin it now, the next group tries again.
                opening_end: u64::MAX,
            },
            disk,
            dir: dir.to_owned(),
            salt,
            shards,
            files,
            free,
            ready: None,
            sequence,
            preparing: false,
            short_of_space: false,
            retry_due: false,
            stuck: false,
            floor: floor.unwrap_or(ready.generation),
            encoder: GroupEncoder::default(),
            pending: VecDeque::new(),
            pending_bytes_gone: 0,
            tickets: Vec::new(),
            poisoned: None,
            stats: WalStats::default(),
            options,
        };
        core.switch_to(ready, &CopyPlan::default())?;
        Ok((core, recovered))
    }

    /// Takes over what was submitted.
    pub fn take(&mut self, queue: &mut WalQueue) {
        queue.written(std::mem::take(&mut self.pending_bytes_gone));
        queue.take_into(&mut self.pending);
    }

    /// Writes one group of what was taken and answers its tickets.
    pub fn step(&mut self, listener: &dyn WalListener) -> Step {
        if planted!(self.options, AcknowledgedAtAppend) {
            self.tickets
                .extend(self.pending.iter_mut().filter_map(|q| q.ticket.take().map(|t| (q.shard, t))));
            self.answer(listener);
        }
        if self.poisoned.is_some() {
            return self.fail(listener);
        }
        let freeing = self.short_of_space && self.files.floor() > self.floor;
        if self.pending.is_empty() && !freeing {
            return Step::Idle;
        }
        match self.assemble() {
            Ok(true) => {}
            Ok(false) => {
                self.stuck = true;
                return Step::NoSpace;
            }
            Err(error) => {
                self.poison(&error);
                return self.fail(listener);
            }
        }
        self.stuck = false;
        if planted!(self.options, ReplyBeforeSync) {
            self.answer(listener);
        }
        if let Err(error) = self.write_group() {
            self.poison(&error);
            return self.fail(listener);
        }
        self.answer(listener);
        Step::Wrote
    }

    /// The shard's entries up to `index` are not needed any more.
    pub fn release(&mut self, shard: ShardId, index: u64) {
        if planted!(self.options, ReleaseIgnoresOtherShards) {
            self.shards.values_mut().for_each(|state| state.release(u64::MAX, &mut self.files));
        }
        if let Some(state) = self.shards.get_mut(&shard) {
            state.release(index, &mut self.files);
        }
    }

    /// Work to be done elsewhere, its outcome to be told to [`WalCore::upkeep_done`].
    pub fn upkeep(&mut self) -> Option<Upkeep> {
        let mut upkeep = Upkeep::default();
        let whole = |file: &FreeFile| file.bytes == self.options.file_bytes;
        let wanted = self.active.position * 2 > self.active.bytes;
        let hopeful = !self.short_of_space || self.retry_due || self.free.iter().any(whole);
        if wanted && hopeful && self.ready.is_none() && !self.preparing && self.poisoned.is_none() {
            let recycle = self.free.iter().position(whole).map(|at| self.free.swap_remove(at));
            let generation = self.next_generation();
            upkeep.prepare = Some(Prepare { generation, bytes: self.options.file_bytes, recycle });
            self.preparing = true;
            self.retry_due = false;
        }
        if !self.short_of_space {
            // Sizes of their own come from oversized entries and from full disks: not worth keeping.
            upkeep.remove.extend(self.free.extract_if(.., |file| file.bytes != self.options.file_bytes));
            let kept = self.options.files_free_max.min(self.free.len());
            upkeep.remove.extend(self.free.drain(kept..));
        }
        (upkeep.prepare.is_some() || !upkeep.remove.is_empty()).then_some(upkeep)
    }

    /// Takes the outcome of [`Upkeep::run`].
    pub fn upkeep_done(&mut self, done: UpkeepDone) {
        let Some(prepared) = done.prepared else { return };
        self.preparing = false;
        match prepared {
            Ok(ready) if ready.generation < self.active.generation => {
                self.free.push(FreeFile { generation: ready.generation, bytes: ready.bytes });
            }
            Ok(ready) => {
                self.ready = Some(ready);
                self.short_of_space = false;
            }
            Err(error) if error.is_no_space() => self.short_of_space = true,
            Err(error) => self.poison(&error),
        }
    }

    /// Lets the next [`WalCore::upkeep`] ask for a file again after space had run out.
    pub fn retry(&mut self) {
        self.retry_due = true;
    }

    /// True while entries should be refused: there is no next file, and this one has little room for more than is queued.
    #[must_use]
    pub fn refuses_entries(&self) -> bool {
        let room = self.active.bytes.saturating_sub(self.active.position);
        let last_file = self.short_of_space && self.ready.is_none() && self.free.is_empty();
        self.stuck || last_file && room < self.options.queued_bytes_max
    }

    /// Why nothing is written any more.
    #[must_use]
    pub fn poisoned(&self) -> Option<&Poisoned> {
        self.poisoned.as_ref()
    }

    /// The counters; `queued_bytes` is the queue's.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        let prepared_bytes = self.ready.as_ref().map_or(0, |ready| ready.bytes);
        WalStats {
            files_live: self.files.len() as u64,
            files_live_bytes: self.files.bytes(),
            files_free: (self.free.len() + usize::from(self.ready.is_some())) as u64,
            files_free_bytes: self.free.iter().map(|file| file.bytes).sum::<u64>() + prepared_bytes,
            file_prepared_bytes: prepared_bytes,
            write_mode: self.active.file.write_mode(),
            is_short_of_space: self.refuses_entries(),
            ..self.stats
        }
    }

    /// Puts a group together. `false` when the first frame has no place for want of space.
    fn assemble(&mut self) -> Result<bool, DiskError> {
        self.encoder.begin(self.active.generation, self.active.position, &self.options);
        self.fill();
        if self.encoder.frames() == 0
            && self.tickets.is_empty()
            && let Some(front) = self.pending.front()
        {
            let needed = frame_bytes(front);
            if !self.make_room(needed)? {
                return Ok(false);
            }
            self.encoder.begin(self.active.generation, self.active.position, &self.options);
            self.fill();
            assert!(self.encoder.frames() > 0, "a file has room for the frame it was opened for");
        }
        Ok(true)
    }

    /// Moves frames from the queue into the group while file and group have room.
    fn fill(&mut self) {
        while let Some(front) = self.pending.front() {
            let needed = frame_bytes(front);
            let reserve = match front.frame {
                Some(Frame::Entry { .. }) => reserve(self.active.bytes),
                _ => reserve(self.active.bytes) / 2,
            };
            let end = (self.encoder.position() + needed).next_multiple_of(BLOCK);
            let group_is_full = self.encoder.frames() > 0
                && self.encoder.len() as u64 + needed > self.options.group_bytes_max as u64;
            if front.frame.is_some() && (end + reserve > self.active.bytes || group_is_full) {
                break;
            }
            let queued = self.pending.pop_front().expect("there is a front");
            if let Some(frame) = queued.frame {
                self.pending_bytes_gone += cost(&frame);
                self.push(queued.shard, frame);
            }
            self.tickets.extend(queued.ticket.map(|ticket| (queued.shard, ticket)));
        }
        self.push_floor();
    }

    fn push(&mut self, shard: ShardId, frame: Frame) {
        let state = self.shards.entry(shard).or_default();
        let (encoder, options, nowhere) =
            (&mut self.encoder, &self.options, LogPosition { term: 0, index: 0 });
        let mut control = |kind, at, payload: &[u8]| {
            encoder.push(Label::new(kind, shard, at), std::iter::once(payload), options)
        };
        match frame {
            Frame::Entry { term, index, meta, payload } => {
                let length = u32::try_from(payload.len()).expect("the queue bounds entries");
                let label = Label { meta, ..Label::new(Kind::Entry, shard, LogPosition { term, index }) };
                let position = encoder.push(label, payload.parts().iter().map(Bytes::as_ref), options);
                let location = Location::new(term, self.active.generation, position, length);
                state.push(index, location, &mut self.files);
            }
            Frame::Vote(vote) => {
                control(Kind::Vote, nowhere, &vote);
                state.vote = Some(vote);
            }
            Frame::Truncate { from } => {
                control(Kind::Truncate, LogPosition { term: 0, index: from }, &[]);
                state.truncate(from, &mut self.files);
            }
            Frame::Purge(to) => {
                control(Kind::Purge, to, &[]);
                state.purge(to, &mut self.files);
            }
            Frame::Committed { index } => {
                control(Kind::Committed, LogPosition { term: 0, index }, &[]);
                state.committed = Some(index);
            }
        }
    }

    /// Adds a floor frame when older files are not needed any more; released entries in them count as purged from then on.
    fn push_floor(&mut self) {
        let floor = self.files.floor();
        let frames = self.shards.len() as u64 + 2;
        let end = self.encoder.position() + frames * 2 * HEADER_BYTES as u64;
        if floor <= self.floor || end.next_multiple_of(BLOCK) > self.active.bytes {
            return;
        }
        for (shard, state) in &mut self.shards {
            if let Some(last) = state.last_below(floor) {
                self.encoder.push(Label::new(Kind::Purge, *shard, last), std::iter::empty(), &self.options);
                state.purge(last, &mut self.files);
            }
        }
        let bytes = floor.0.to_le_bytes();
        self.encoder.push(Label::of_file(Kind::Floor), std::iter::once(&bytes[..]), &self.options);
        self.floor = floor;
    }
}

impl WalCore {
    fn write_group(&mut self) -> Result<(), DiskError> {
        let frames = self.encoder.frames();
        if frames == 0 {
            return Ok(());
        }
        let end = self.encoder.finish(&self.options);
        self.write_encoded()?;
        self.active.position = end;
        self.stats.groups += 1;
        self.stats.frames += frames;
        self.free.extend(self.files.drain_below(self.floor));
        Ok(())
    }

    /// Writes the encoder's bytes to the active file, durably.
    pub(super) fn write_encoded(&mut self) -> Result<(), DiskError> {
        let (file, bytes, position) = (&self.active.file, self.encoder.bytes(), self.encoder.base());
        let begin = Instant::now();
        let written = if planted!(self.options, VoteNotSynced) && self.encoder.only_votes() {
            file.write_at(bytes, position)
        } else {
            file.write_at_durable(bytes, position)
        };
        let spent = begin.elapsed();
        self.stats.synced(spent, bytes.len());
        match written {
            Err(_) if planted!(self.options, FailedSyncRetried) => file.sync(),
            written => written,
        }
    }

    fn answer(&mut self, listener: &dyn WalListener) {
        if !self.tickets.is_empty() {
            listener.synced(&mut self.tickets, Ok(()));
            self.tickets.clear();
        }
    }

    fn poison(&mut self, error: &DiskError) {
        self.poisoned.get_or_insert_with(|| Poisoned::by(error));
    }

    /// Answers everything that waits with the failure.
    fn fail(&mut self, listener: &dyn WalListener) -> Step {
        let poisoned = self.poisoned.clone().expect("called after a failure");
        for queued in self.pending.drain(..) {
            self.pending_bytes_gone += queued.frame.as_ref().map_or(0, cost);
            self.tickets.extend(queued.ticket.map(|ticket| (queued.shard, ticket)));
        }
        if !self.tickets.is_empty() {
            listener.synced(&mut self.tickets, Err(poisoned));
            self.tickets.clear();
        }
        Step::Poisoned
    }
}

/// What a frame takes at most, alignment included.
fn frame_bytes(queued: &Queued) -> u64 {
    (HEADER_BYTES + super::frame::ALIGNMENT) as u64 + queued.frame.as_ref().map_or(0, cost)
}

/// What entries leave of a file to frames that can free others.
pub(super) fn reserve(file_bytes: u64) -> u64 {
    (file_bytes / 8).min(RESERVE_BYTES).next_multiple_of(2 * BLOCK)
}

fn draw_salt() -> std::io::Result<u32> {
    let mut salt = [0; 4];
    env::random::fill(&mut salt)?;
    Ok(u32::from_le_bytes(salt))
}
