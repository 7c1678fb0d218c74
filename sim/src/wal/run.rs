//! One run from a seed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use storage::id::ShardId;
use storage::wal::{
    AppendError, Frame, LogPosition, Planted, Poisoned, Recovered, Step, Upkeep, WalCore, WalError,
    WalListener, WalOptions, WalQueue,
};

use super::model::Model;
use crate::dice::Dice;
use crate::disk::{End, Faults, SimDisk};

const DIR: &str = "/sim/wal";
const SHARDS: u64 = 4;
/// How often a run's last log is damaged.
const DAMAGES: u64 = 5;
/// Room for all that a run writes, when space is not the point.
const SPACE_BYTES: u64 = 64 << 20;

/// What a run did, for whoever wants to know that it was not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lives begun.
    pub lives: u64,
    /// Frames appended.
    pub frames: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Openings that recovered something.
    pub recoveries: u64,
    /// Damaged logs that were refused.
    pub refused: u64,
    /// Files opened for writing.
    pub files: u64,
    /// Times that entries had to wait for space.
    pub without_space: u64,
    /// Logs that stopped at a failed write or sync.
    pub poisoned: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.frames += other.frames;
        self.acknowledged += other.acknowledged;
        self.recoveries += other.recoveries;
        self.refused += other.refused;
        self.files += other.files;
        self.without_space += other.without_space;
        self.poisoned += other.poisoned;
    }
}

/// Runs one seed, with a mistake or without.
///
/// # Errors
/// The rule that was broken, and how.
pub fn run(seed: u64, planted: Option<Planted>) -> Result<Outcome, String> {
    let mut run = Run::new(seed, planted);
    let lives = 2 + run.dice.below(5);
    for life in 0..lives {
        run.outcome.lives += 1;
        run.live().map_err(|broken| format!("life {life}: {broken}"))?;
    }
    run.damage()?;
    Ok(run.outcome)
}

/// As [`run`], but the first life goes on until operation `at` and stops there; `None` when it has fewer.
///
/// # Errors
/// As [`run`].
pub fn run_stopping_at(seed: u64, at: u64) -> Result<Option<Outcome>, String> {
    let mut run = Run::new(seed, None);
    run.live_with(Faults { stop_at: Some(at), ..Faults::default() })
        .map_err(|broken| format!("first life: {broken}"))?;
    if run.disk.operations() < at {
        return Ok(None);
    }
    run.live_with(Faults::default()).map_err(|broken| format!("second life: {broken}"))?;
    Ok(Some(run.outcome))
}

/// What the WAL answered.
#[derive(Default)]
struct Answers {
    answered: Mutex<Vec<(u64, bool)>>,
}

impl WalListener for Answers {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        let mut answered = self.answered.lock().expect("nobody panics under it");
        answered.extend(batch.drain(..).map(|(_, ticket)| (ticket, result.is_ok())));
    }
}

struct Run {
    dice: Dice,
    disk: SimDisk,
    options: WalOptions,
    /// As of what was acknowledged, or recovered.
    durable: Model,
    /// Appended behind `durable`, in order.
    ahead: VecDeque<(ShardId, Frame)>,
    /// Frames ever taken into `durable`: the number of the first of `ahead`.
    acknowledged: u64,
    /// Frames of `ahead` that the WAL has got.
    handed_over: usize,
    /// As of everything appended.
    latest: Model,
    /// Grows, as Raft's terms do.
    term: u64,
    quiet: ShardId,
    outcome: Outcome,
}

/// A life's log.
struct Life {
    core: WalCore,
    queue: WalQueue,
    answers: Answers,
    upkeep: Vec<Upkeep>,
    failed: bool,
}

impl Run {
    fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut dice = Dice::new(seed);
        let options = WalOptions {
            file_bytes: 128 << 10,
            files_free_max: dice.index(3),
            kept_bytes_max: 384 << 10,
            copied_bytes_max: 32 << 10,
            group_bytes_max: 48 << 10,
            queued_bytes_max: 96 << 10,
            entry_bytes_max: 300 << 10,
            salt: Some(0x5eed_5a17),
            planted,
        };
        let space = if dice.chance(25) { 600 << 10 } else { SPACE_BYTES };
        let quiet = ShardId(u16::try_from(dice.below(SHARDS)).expect("a few"));
        Self {
            disk: SimDisk::new(dice.roll(), space),
            dice,
            options,
            durable: Model::default(),
            ahead: VecDeque::new(),
            acknowledged: 0,
            handed_over: 0,
            latest: Model::default(),
            term: 1,
            quiet,
            outcome: Outcome::default(),
        }
    }

    /// From opening to death, and what the next opening may find.
    fn live(&mut self) -> Result<(), String> {
        let faults = self.faults();
        self.live_with(faults)
    }

    fn live_with(&mut self, faults: Faults) -> Result<(), String> {
        self.disk.begin_life(faults);
        let steps = 20 + self.dice.below(300);
        match self.open() {
            Ok((mut life, recovered)) => {
                self.check(&recovered)?;
                for _ in 0..steps {
                    self.act(&mut life)?;
                    if self.disk.stopped() || life.failed {
                        break;
                    }
                }
                if faults == Faults::default() && self.dice.chance(50) {
                    self.finish(&mut life)?;
                }
                self.outcome.files += life.core.stats().files_opened;
            }
            Err(WalError::Disk(_)) if faults != Faults::default() => {}
            Err(WalError::Disk(error)) if error.is_no_space() => self.disk.set_space(SPACE_BYTES),
            Err(error) => return Err(format!("an undamaged log is refused: {error}")),
        }
        self.disk.end_life(if self.dice.chance(60) { End::PowerLoss } else { End::Kill });
        Ok(())
    }

    fn faults(&mut self) -> Faults {
        let reach = if self.dice.chance(30) { 12 } else { 250 };
        let at = 1 + self.dice.below(reach);
        match self.dice.below(10) {
            0..=5 => Faults { stop_at: Some(at), ..Faults::default() },
            6 | 7 => Faults { fail_at: Some(at), ..Faults::default() },
            _ => Faults::default(),
        }
    }

    fn open(&mut self) -> Result<(Life, Recovered), WalError> {
        let disk = Arc::new(self.disk.clone());
        let (core, recovered) = WalCore::open(disk, Path::new(DIR), self.options.clone())?;
        let queue = WalQueue::new(&recovered, &self.options);
        let life = Life { core, queue, answers: Answers::default(), upkeep: Vec::new(), failed: false };
        Ok((life, recovered))
    }

    /// Finds the prefix of frames that was recovered, and goes on from there.
    fn check(&mut self, recovered: &Recovered) -> Result<(), String> {
        let first = self.durable.difference(recovered);
        let mut difference = first.clone();
        for at in 0..self.handed_over {
            if difference.is_none() {
                break;
            }
            let (shard, frame) = &self.ahead[at];
            self.durable.apply(*shard, frame);
            difference = self.durable.difference(recovered);
        }
        if let Some(latest) = difference {
            let first = first.unwrap_or_default();
            return Err(format!(
                "recovered is no prefix of what was appended: with all acknowledged, {first}; with all handed over, {latest}"
            ));
        }
        self.outcome.recoveries += u64::from(!recovered.shards.is_empty());
        self.durable.adopt(recovered);
        self.latest = self.durable.clone();
        self.ahead.clear();
        self.handed_over = 0;
        Ok(())
    }

    fn act(&mut self, life: &mut Life) -> Result<(), String> {
        match self.dice.below(100) {
            0..=54 => self.append(life)?,
            55..=79 => {
                life.queue.submit();
                self.handed_over = self.ahead.len();
                self.step(life)?;
            }
            80..=83 => self.step(life)?,
            84..=91 => self.release(life),
            92..=96 => self.run_upkeep(life),
            97 => self.disk.set_space(SPACE_BYTES.min(self.disk.used() + self.dice.below(400 << 10))),
            _ => life.core.retry(),
        }
        Ok(())
    }

    fn append(&mut self, life: &mut Life) -> Result<(), String> {
        let mut shard = ShardId(u16::try_from(self.dice.below(SHARDS)).expect("a few"));
        if shard == self.quiet && !self.dice.chance(10) {
            shard = ShardId((self.quiet.0 + 1) % 4);
        }
        let mut after = self.latest.clone();
        let frames: Vec<Frame> = (0..1 + self.dice.below(3))
            .map(|_| {
                let frame = self.frame(shard, &after);
                after.apply(shard, &frame);
                frame
            })
            .collect();
        let ticket = self.acknowledged + (self.ahead.len() + frames.len()) as u64;
        let ticket = self.dice.chance(80).then_some(ticket);
        match life.queue.append(shard, frames.clone(), ticket) {
            Ok(()) => {
                self.outcome.frames += frames.len() as u64;
                self.ahead.extend(frames.into_iter().map(|frame| (shard, frame)));
                self.latest = after;
                Ok(())
            }
            Err(AppendError::Full { .. }) => Ok(()),
            Err(AppendError::NoSpace) => {
                self.outcome.without_space += 1;
                Ok(())
            }
            Err(error) => Err(format!("an append in order is refused: {error}")),
        }
    }

    fn frame(&mut self, id: ShardId, before: &Model) -> Frame {
        let shard = before.shards.get(&id).cloned().unwrap_or_default();
        let next = shard.next();
        let first = shard.released.max(shard.purged.map(|purged| purged.index)).map_or(0, |last| last + 1);
        match self.dice.below(100) {
            0..=7 => Frame::Vote(self.dice.roll().to_le_bytes().to_vec().into()),
            8..=12 if next.is_some_and(|next| next > first) => {
                Frame::Truncate { from: first + self.dice.below(next.unwrap_or(0) - first + 1) }
            }
            13..=17 if !shard.entries.is_empty() => {
                let at = self.dice.index(shard.entries.len());
                let (index, (term, ..)) = shard.entries.iter().nth(at).expect("inside");
                Frame::Purge(LogPosition { term: *term, index: *index })
            }
            18 => Frame::Purge(LogPosition { term: self.term, index: next.unwrap_or(0) + 5 }),
            19..=24 => Frame::Committed { index: self.dice.below(next.unwrap_or(0) + 1) },
            _ => self.entry(id, next),
        }
    }

    fn entry(&mut self, shard: ShardId, next: Option<u64>) -> Frame {
        let size = match self.dice.below(200) {
            0..=129 => self.dice.index(700),
            130..=198 => self.dice.index(14_000),
            _ => self.dice.index(200_000),
        };
        // Producers may send anything, also what they read from the broker's own files.
        let payload = match self.quote(size) {
            Some(quoted) if self.dice.chance(15) => quoted,
            _ => self.dice.bytes(size),
        };
        let cut = self.dice.index(payload.len() + 1);
        let payload = Bytes::from(payload);
        let parts = vec![payload.slice(..cut), payload.slice(cut..)];
        // A log begins at 0 or at 1, and at the same again when it was cut to nothing.
        let index = next.unwrap_or(u64::from(shard.0 % 2));
        self.term += u64::from(self.dice.chance(10));
        Frame::Entry {
            term: self.term,
            index,
            meta: self.dice.roll().to_le_bytes()[0],
            payload: parts.into(),
        }
    }

    /// The beginning of a block, again and again.
    fn quote(&mut self, size: usize) -> Option<Vec<u8>> {
        if !self.dice.chance(15) {
            return None;
        }
        let files = self.disk.contents();
        let (_, bytes) = files.get(self.dice.index(files.len()))?;
        let block = bytes.chunks(4096).nth(self.dice.index(bytes.len() / 4096))?;
        let piece = [48, 64, 104, 4096][self.dice.index(4)].min(block.len());
        Some(block[..piece].iter().copied().cycle().take(size).collect())
    }

    fn step(&mut self, life: &mut Life) -> Result<(), String> {
        life.core.take(&mut life.queue);
        let step = life.core.step(&life.answers);
        life.queue.set_no_space(life.core.refuses_entries());
        if step == Step::Poisoned {
            life.failed = true;
            self.outcome.poisoned += 1;
        }
        if let Some(upkeep) = life.core.upkeep() {
            life.upkeep.push(upkeep);
        }
        let answered: Vec<_> =
            life.answers.answered.lock().expect("nobody panics under it").drain(..).collect();
        for (ticket, synced) in answered {
            if synced {
                self.acknowledge(ticket)?;
            } else if !life.failed {
                return Err(format!("ticket {ticket} fails although nothing did"));
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, ticket: u64) -> Result<(), String> {
        if ticket <= self.acknowledged {
            return Err(format!("ticket {ticket} is answered behind {}", self.acknowledged));
        }
        while self.acknowledged < ticket {
            let Some((shard, frame)) = self.ahead.pop_front() else {
                return Err(format!("ticket {ticket} was never given"));
            };
            self.durable.apply(shard, &frame);
            self.acknowledged += 1;
            self.outcome.acknowledged += 1;
            self.handed_over = self.handed_over.saturating_sub(1);
        }
        Ok(())
    }

    fn release(&mut self, life: &mut Life) {
        let Some((id, shard)) = self.durable.shards.iter().nth(self.dice.index(4)) else { return };
        let Some(last) = shard.entries.keys().next_back().copied() else { return };
        // What is still going to be truncated was not committed, and so is not released.
        let stable = self.latest.shards.get(id).and_then(|latest| {
            let same = |index: &&u64| latest.entries.get(index) == shard.entries.get(index);
            shard.entries.keys().take_while(same).last().copied()
        });
        let Some(stable) = stable.filter(|_| *id != self.quiet) else { return };
        let index = stable.min(last).saturating_sub(self.dice.below(4));
        let id = *id;
        life.core.release(id, index);
        for model in [&mut self.durable, &mut self.latest] {
            let shard = model.shards.entry(id).or_default();
            shard.released = shard.released.max(Some(index));
        }
    }

    fn run_upkeep(&mut self, life: &mut Life) {
        if let Some(upkeep) = life.upkeep.pop() {
            let done = upkeep.run(&self.disk, Path::new(DIR));
            life.core.upkeep_done(done);
        }
    }

    /// Without faults and with space everything that was appended gets answered.
    fn finish(&mut self, life: &mut Life) -> Result<(), String> {
        self.disk.set_space(SPACE_BYTES);
        let last = self.acknowledged + self.ahead.len() as u64 + 1;
        let vote = Frame::Vote(Bytes::from_static(b"last"));
        life.queue
            .append(ShardId(0), [vote.clone()], Some(last))
            .map_err(|error| format!("a vote is refused: {error}"))?;
        self.latest.apply(ShardId(0), &vote);
        self.ahead.push_back((ShardId(0), vote));
        life.queue.submit();
        self.handed_over = self.ahead.len();
        for _ in 0..200 {
            life.core.retry();
            self.step(life)?;
            self.run_upkeep(life);
        }
        if self.ahead.is_empty() {
            Ok(())
        } else {
            Err(format!("{} frames are never answered", self.ahead.len()))
        }
    }

    /// Changes stored bytes that had been proved stored, and opens once more; several times, each from the same log.
    fn damage(&mut self) -> Result<(), String> {
        self.disk.begin_life(Faults::default());
        self.disk.set_space(SPACE_BYTES);
        let (mut life, recovered) =
            self.open().map_err(|error| format!("an undamaged log is refused: {error}"))?;
        self.check(&recovered)?;
        for _ in 0..self.dice.below(100) {
            self.act(&mut life)?;
        }
        self.finish(&mut life)?;
        drop(life);
        let whole = self.disk.clone();
        for _ in 0..DAMAGES {
            self.disk = whole.copy();
            if self.hurt() {
                self.open_damaged()?;
            }
        }
        Ok(())
    }

    fn open_damaged(&mut self) -> Result<(), String> {
        match self.open() {
            Err(WalError::Corrupt { .. }) => {
                self.outcome.refused += 1;
                Ok(())
            }
            Err(error) => Err(format!("a damaged log is refused for the wrong reason: {error}")),
            Ok((_, recovered)) => match self.durable.difference(&recovered) {
                None => Ok(()),
                Some(difference) => Err(format!("damage goes unnoticed: {difference}")),
            },
        }
    }

    /// Hurts a block below the last group, or loses a file that is not the newest.
    fn hurt(&mut self) -> bool {
        let files = self.disk.contents();
        let Some((newest, last_group)) = self.disk.last_write() else { return false };
        let at = self.dice.index(files.len());
        let (path, bytes) = &files[at];
        if *path != newest && self.dice.chance(20) {
            self.disk.lose_file(path);
            return true;
        }
        // Most of the time where it hurts.
        let (path, bytes) = match files.iter().find(|(path, _)| *path == newest) {
            Some((path, bytes)) if self.dice.chance(60) => (path, bytes),
            _ => (path, bytes),
        };
        let proved = if *path == newest { usize::try_from(last_group).unwrap_or(0) } else { bytes.len() };
        if proved < 4096 {
            return false;
        }
        let block = self.dice.index(proved / 4096) * 4096;
        let other = self.dice.index(proved / 4096) * 4096;
        let position = block + self.dice.index(4096);
        match self.dice.below(4) {
            0 => self.disk.overwrite(path, position, &[bytes[position] ^ (1 << self.dice.below(8))]),
            1 => self.disk.overwrite(path, block, &[0; 4096]),
            2 => self.disk.overwrite(path, position - position % 512, &self.dice.bytes(512)),
            _ => self.disk.overwrite(path, block, &bytes[other..other + 4096]),
        }
        true
    }
}
