//! One run from a seed.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Instant;
use env::disk::Disk;
use storage::Planted;
use storage::partition_log::Appended;
use storage::partition_log::producers::Verdict;
use storage::wal::{AppendError, RecoveredShard, Step};

use super::entry::{Author, Entry, Load, Op};
use super::history::{History, payload_of};
use super::life::{Found, Held, Life, OpenError, PARTITIONS_DIR, Sizes, WAL_DIR, shard_id};
use super::model::{Model, Stored, hold};
use crate::dice::Dice;
use crate::disk::{End, Faults, SimDisk};

/// The first has no partitions but a state, as the metadata shard.
const SHARDS: usize = 3;
/// Room for all that a run writes, when space is not the point.
const SPACE_BYTES: u64 = 64 << 20;
/// Entries between two states of the shard without partitions.
const STATE_EVERY: usize = 5;
/// Rounds in which a node without faults gets everything done.
const ROUNDS_MAX: usize = 300;

/// What a run did, for whoever wants to know that it was not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lives begun.
    pub lives: u64,
    /// Entries appended.
    pub entries: u64,
    /// Frames acknowledged.
    pub acknowledged: u64,
    /// Batches appended to logs, replays not counted.
    pub batches: u64,
    /// Batches that producers were refused.
    pub refused: u64,
    /// Entries cut off again.
    pub truncated: u64,
    /// Entries that a start applied again, in part or not at all.
    pub replayed: u64,
    /// Works that the segment writer was given.
    pub works: u64,
    /// Shards reported as covered by a checkpoint.
    pub covered: u64,
    /// Reads compared.
    pub reads: u64,
    /// Steps that found no space.
    pub without_space: u64,
    /// WALs and segment writers that stopped at a failed write or sync.
    pub poisoned: u64,
    /// Changes to the disk.
    pub operations: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.entries += other.entries;
        self.acknowledged += other.acknowledged;
        self.batches += other.batches;
        self.refused += other.refused;
        self.truncated += other.truncated;
        self.replayed += other.replayed;
        self.works += other.works;
        self.covered += other.covered;
        self.reads += other.reads;
        self.without_space += other.without_space;
        self.poisoned += other.poisoned;
        self.operations += other.operations;
    }
}

/// Runs one seed, with a mistake or without.
///
/// # Errors
/// The rule that was broken, and how; also when storage noticed it itself and panicked.
pub fn run(seed: u64, planted: Option<Planted>) -> Result<Outcome, String> {
    guarded(planted, || {
        let mut run = Run::new(seed);
        for life in 0..1 + run.dice.below(4) {
            let faults = run.faults();
            run.live(faults).map_err(|broken| format!("life {life}: {broken}"))?;
        }
        run.last_lives().map_err(|broken| format!("the last life: {broken}"))?;
        Ok(run.outcome)
    })
}

/// As [`run`], but the first life goes on until operation `at` and stops there; `None` when it has fewer.
///
/// # Errors
/// As [`run`].
pub fn run_stopping_at(seed: u64, at: u64) -> Result<Option<Outcome>, String> {
    guarded(None, || {
        let mut run = Run::new(seed);
        run.live(Faults { stop_at: Some(at), ..Faults::default() })
            .map_err(|broken| format!("first life: {broken}"))?;
        if run.last_operations < at {
            return Ok(None);
        }
        run.last_lives().map_err(|broken| format!("second life: {broken}"))?;
        Ok(Some(run.outcome))
    })
}

fn guarded<T>(planted: Option<Planted>, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    storage::plant(planted);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(run));
    storage::plant(None);
    outcome.unwrap_or_else(|panic| {
        let says = panic.downcast_ref::<String>().map(String::as_str);
        let says = says.or(panic.downcast_ref::<&str>().copied()).unwrap_or("");
        Err(format!("a panic: {says}"))
    })
}

struct Run {
    dice: Dice,
    disk: SimDisk,
    sizes: Sizes,
    load: Load,
    /// Entries are committed by others, and may be cut off before that.
    is_follower: bool,
    now: Instant,
    term: u64,
    shards: Vec<Shard>,
    outcome: Outcome,
    last_operations: u64,
}

/// A shard beside its logs.
struct Shard {
    history: History,
    author: Author,
    /// As of the last applied entry.
    model: Model,
    /// The last entry that this life found in the WAL: those up to it may have been in the checkpoint.
    recovered_to: usize,
    /// Of the shard without partitions: the index of the last state given.
    state_index: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let sizes = Sizes::new(&mut dice);
        let load = if dice.chance(70) {
            Load { payload_max: 300, filler_max: 3000 }
        } else {
            Load { payload_max: 9000, filler_max: 100 }
        };
        let space = if dice.chance(20) { (500 << 10) + dice.below(300 << 10) } else { SPACE_BYTES };
        let shards = (0..SHARDS).map(|shard| Shard {
            history: History::new(shard_id(shard)),
            author: Author::new(u8::try_from(shard).expect("a few shards")),
            model: Model::default(),
            recovered_to: 0,
            state_index: 0,
        });
        Self {
            disk: SimDisk::new(dice.roll(), space),
            sizes,
            load,
            is_follower: dice.chance(50),
            now: Instant::now(),
            term: 1,
            shards: shards.collect(),
            outcome: Outcome::default(),
            last_operations: 0,
            dice,
        }
    }

    fn faults(&mut self) -> Faults {
        let reach = if self.dice.chance(30) { 30 } else { 200 };
        let at = 1 + self.dice.below(reach);
        match self.dice.below(10) {
            0..=4 => Faults { stop_at: Some(at), ..Faults::default() },
            5 => Faults { stop_behind_rename: Some(1 + self.dice.below(6)), ..Faults::default() },
            6 | 7 => Faults { fail_at: Some(at), ..Faults::default() },
            _ => Faults::default(),
        }
    }

    /// From a start to an end of any kind.
    fn live(&mut self, faults: Faults) -> Result<(), String> {
        self.disk.begin_life(faults);
        self.outcome.lives += 1;
        if let Some(mut life) = self.open()? {
            for _ in 0..10 + self.dice.below(120) {
                self.act(&mut life)?;
                let failed = life.wal_has_failed || life.store_has_failed;
                if self.disk.stopped() || failed && self.dice.chance(5) {
                    break;
                }
            }
            self.end(life)?;
        }
        self.last_operations = self.disk.operations();
        self.outcome.operations += self.last_operations;
        self.disk.end_life(if self.dice.chance(60) { End::PowerLoss } else { End::Kill });
        Ok(())
    }

    /// A life without faults to its orderly end, and a start behind it.
    fn last_lives(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            self.disk.set_space(SPACE_BYTES);
            self.disk.begin_life(Faults::default());
            let Some(mut life) = self.open()? else { return Err("a sound disk gives no start".to_owned()) };
            for _ in 0..self.dice.below(30) {
                self.act(&mut life)?;
            }
            self.finish(&mut life)?;
            self.check_files()?;
            self.end(life)?;
            self.outcome.operations += self.disk.operations();
            self.disk.end_life(End::PowerLoss);
        }
        Ok(())
    }

    /// Lets go of everything: then nothing may be pinned.
    fn end(&self, life: Life) -> Result<(), String> {
        let pinned = life.pinned().clone();
        drop(life);
        hold!(pinned.bytes() == 0, "{} bytes stay pinned by nobody", pinned.bytes());
        Ok(())
    }

    /// `None` when the disk refused, as it was told to.
    fn open(&mut self) -> Result<Option<Life>, String> {
        match Life::open(&self.disk, &self.sizes, SHARDS) {
            Ok((mut life, found)) => {
                self.recover(&mut life, &found)?;
                Ok(Some(life))
            }
            Err(error) => {
                self.excuse(&error)?;
                Ok(None)
            }
        }
    }

    fn excuse(&mut self, error: &OpenError) -> Result<(), String> {
        let is_fault = |kind| kind == std::io::ErrorKind::Other;
        let faulty = self.disk.stopped() || self.disk.has_failed();
        match error.disk() {
            Some(disk) if disk.is_no_space() => self.disk.set_space(SPACE_BYTES),
            Some(disk) if faulty && is_fault(disk.source.kind()) => {}
            _ => return Err(format!("an undamaged disk is refused: {error}")),
        }
        Ok(())
    }

    fn recover(&mut self, life: &mut Life, found: &Found) -> Result<(), String> {
        let nothing = RecoveredShard::default();
        for at in 0..SHARDS {
            let in_wal = found.wal.shards.get(&shard_id(at)).unwrap_or(&nothing);
            let (covered, state) = &found.shards[at];
            let shard = &mut self.shards[at];
            let failed = |broken| format!("shard {at}: {broken}");
            shard.history.recover(in_wal, *covered).map_err(failed)?;
            shard.recovered_to = shard.history.last();
            if !self.is_follower {
                shard.history.commit(shard.recovered_to);
            }
            if at == 0 {
                self.recover_state(*covered, state.as_ref())?;
            }
            self.replay(life, at, in_wal)?;
        }
        Ok(())
    }

    /// The shard without partitions gets back what it gave last, as of the index that is covered.
    fn recover_state(&mut self, covered: u64, state: Option<&Bytes>) -> Result<(), String> {
        let shard = &mut self.shards[0];
        shard.state_index = usize::try_from(covered).expect("small");
        let expected = (covered > 0).then(|| state_of(&shard.history, shard.state_index));
        hold!(state == expected.as_ref(), "the state at {covered} is {state:?}, should be {expected:?}");
        Ok(())
    }

    /// Applies again what the WAL has of the committed entries, sometimes with the segment writer at work.
    fn replay(&mut self, life: &mut Life, at: usize, in_wal: &RecoveredShard) -> Result<(), String> {
        let shard = &mut self.shards[at];
        shard.model = Model::default();
        for index in 1..=shard.history.applied {
            shard.model.apply(shard.history.entry(index));
        }
        let (to, is_busy) = (shard.history.committed_here(), self.dice.chance(50));
        while self.shards[at].history.applied < to {
            let index = self.shards[at].history.applied + 1;
            let payload = payload_of(in_wal, index).ok_or_else(|| format!("entry {index} is not there"))?;
            self.apply(life, at, Some(payload))?;
            self.outcome.replayed += 1;
            if is_busy && self.dice.chance(20) {
                self.maintain(life, at);
                self.step_store(life)?;
            }
        }
        if self.disk.stopped() {
            return Ok(());
        }
        self.shards[at].model.check(&life.logs[at], &mut self.dice).map_err(|broken| {
            let kind = if self.is_follower { "follower" } else { "alone" };
            format!("after the start ({kind}), shard {at} at {to}: {broken}")
        })
    }

    fn act(&mut self, life: &mut Life) -> Result<(), String> {
        let at = self.dice.index(SHARDS);
        match self.dice.below(100) {
            0..=33 => self.append(life, at)?,
            34..=49 => self.write_wal(life)?,
            50..=61 => self.apply_some(life, at)?,
            62..=72 => {
                self.maintain(life, at);
                self.read_some(life)?;
            }
            73..=84 => {
                self.step_store(life)?;
                self.read_some(life)?;
            }
            85..=87 => self.now = self.now + Duration::from_millis(self.dice.below(2500)),
            88..=91 => run_upkeep(&self.disk, life),
            92 => self.disk.set_space(SPACE_BYTES.min(self.disk.used() + self.dice.below(200 << 10))),
            93 => self.disk.set_space(SPACE_BYTES),
            94 => life.wal.retry(),
            95 | 96 => self.truncate(life, at)?,
            97 => self.maintain_all(life, at),
            98 => self.hold_slices(life)?,
            _ => self.check_all(life)?,
        }
        Ok(())
    }

    /// Entries come from the leader: what everybody agreed on first, where this node lacks it.
    fn append(&mut self, life: &mut Life, at: usize) -> Result<(), String> {
        if life.wal_has_failed || life.store_has_failed && self.dice.chance(80) {
            return Ok(());
        }
        let shard = &mut self.shards[at];
        let here = shard.history.committed_here();
        if shard.history.is_behind() && here < shard.history.last() {
            return self.cut_off(life, at, here + 1);
        }
        self.term += u64::from(self.dice.chance(4));
        let entry = if shard.history.is_behind() {
            shard.history.committed[here].clone()
        } else {
            Arc::new(shard.author.write(self.term, at > 0, self.load, &mut self.dice))
        };
        let cut_at = self.dice.index(entry.payload.len() + 1);
        let (frame, ticket) = shard.history.frame_of(&entry, cut_at);
        match life.queue.append(shard_id(at), [frame], Some(ticket)) {
            Ok(()) => {
                shard.history.appended(entry);
                self.outcome.entries += 1;
            }
            Err(AppendError::Full { .. }) => {}
            Err(AppendError::NoSpace) => self.outcome.without_space += 1,
            Err(error) => return Err(format!("an append in order is refused: {error}")),
        }
        Ok(())
    }

    /// A new leader has other entries than those that were not committed.
    fn truncate(&mut self, life: &mut Life, at: usize) -> Result<(), String> {
        let history = &self.shards[at].history;
        let (committed, last) = (history.committed_here(), history.last());
        if !self.is_follower || life.wal_has_failed || committed == last {
            return Ok(());
        }
        self.term += 1;
        let from = committed + 1 + self.dice.index(last - committed);
        self.cut_off(life, at, from)
    }

    fn cut_off(&mut self, life: &mut Life, at: usize, from: usize) -> Result<(), String> {
        let history = &mut self.shards[at].history;
        let (frame, ticket) = history.frame_of_truncation(from);
        life.queue
            .append(shard_id(at), [frame], Some(ticket))
            .map_err(|error| format!("a truncation is refused: {error}"))?;
        self.outcome.truncated += (history.last() + 1 - from) as u64;
        history.truncated(from);
        Ok(())
    }

    fn write_wal(&mut self, life: &mut Life) -> Result<(), String> {
        if self.dice.chance(90) {
            life.queue.submit();
            self.shards.iter_mut().for_each(|shard| shard.history.hand_over());
        }
        life.wal.take(&mut life.queue);
        let step = life.wal.step(&life.answers);
        life.queue.set_no_space(life.wal.refuses_entries());
        if step == Step::Poisoned && !life.wal_has_failed {
            life.wal_has_failed = true;
            self.outcome.poisoned += 1;
        }
        if let Some(upkeep) = life.wal.upkeep() {
            life.upkeep.push(upkeep);
        }
        let answered = std::mem::take(&mut *life.answers.answered.lock().expect("nobody panics under it"));
        for (shard, ticket, is_durable) in answered {
            let history = &mut self.shards[usize::from(shard.0)].history;
            if is_durable {
                self.outcome.acknowledged += history.acknowledge(ticket)?;
            } else {
                hold!(life.wal_has_failed, "ticket {ticket} fails although nothing did");
            }
        }
        Ok(())
    }

    /// Commits and applies some of what may be.
    fn apply_some(&mut self, life: &mut Life, at: usize) -> Result<(), String> {
        let history = &mut self.shards[at].history;
        let from = history.committed_here();
        let to = if self.is_follower { history.last() } else { history.flushed() };
        if from == history.committed.len() && to > from {
            let few = to - from < 3 || self.dice.chance(70);
            let to = if few { to } else { from + 1 + self.dice.index(to - from) };
            history.commit(to);
        }
        let to = history.committed_here();
        while self.shards[at].history.applied < to {
            self.apply(life, at, None)?;
        }
        Ok(())
    }

    /// Applies the next entry, out of the bytes that recovery gave, or those that were proposed.
    fn apply(&mut self, life: &mut Life, at: usize, recovered: Option<&Bytes>) -> Result<(), String> {
        let shard = &mut self.shards[at];
        let index = shard.history.applied + 1;
        let entry = shard.history.entry(index).clone();
        let payload = recovered.unwrap_or(&entry.payload);
        let answers = life.apply(at, index as u64, &entry, payload, self.now);
        let expected = shard.model.apply(&entry);
        shard.history.applied = index;
        // Nobody waits for what a start applies again. (A partition may even come back for a while, to be deleted once more.)
        let right = answers == expected || index <= shard.recovered_to;
        hold!(right, "entry {index} of shard {at} is answered {answers:?}, should be {expected:?}");
        self.heal_producers(at, &entry, &expected);
        if at == 0 && index >= self.shards[0].state_index + STATE_EVERY {
            life.logs[0].set_state(state_of(&self.shards[0].history, index));
            self.shards[0].state_index = index;
            self.maintain(life, 0);
        }
        Ok(())
    }

    fn heal_producers(&mut self, at: usize, entry: &Entry, answers: &[Option<Appended>]) {
        let appends = entry.ops.iter().filter_map(|op| match op {
            Op::Append { partition, batch } => Some((partition, batch)),
            _ => None,
        });
        for ((partition, batch), answer) in appends.zip(answers) {
            match (answer, &batch.producer) {
                (Some(Appended::At { .. }), _) => self.outcome.batches += 1,
                (Some(Appended::Refused(verdict)), Some(stamp)) => {
                    self.outcome.refused += 1;
                    if let Verdict::OutOfOrder { expected } = verdict
                        && self.dice.chance(50)
                    {
                        self.shards[at].author.heal(partition, stamp.id, *expected);
                    }
                }
                _ => {}
            }
        }
    }

    /// What the shard's storekeeper knows: the shard without partitions is only as far as its state.
    fn progress_of(&self, at: usize) -> (u64, u64) {
        let shard = &self.shards[at];
        let applied = if at == 0 { shard.state_index } else { shard.history.applied };
        (applied as u64, shard.history.flushed() as u64)
    }

    fn maintain(&mut self, life: &mut Life, at: usize) {
        let (applied, flushed) = self.progress_of(at);
        let works = life.logs[at].maintain(self.now, applied, flushed).works;
        self.outcome.works += works.len() as u64;
        life.store.submit(works);
    }

    fn maintain_all(&mut self, life: &mut Life, at: usize) {
        let (applied, flushed) = self.progress_of(at);
        let works = life.logs[at].maintain_all(applied, flushed).works;
        self.outcome.works += works.len() as u64;
        life.store.submit(works);
    }

    fn step_store(&mut self, life: &mut Life) -> Result<(), String> {
        let checkpoint_now = self.dice.chance(25);
        let progress = life.store.step(self.now, checkpoint_now);
        for (shard, index) in &progress.covered {
            self.shards[usize::from(shard.0)].history.release(*index)?;
            life.wal.release(*shard, *index);
            self.outcome.covered += 1;
        }
        self.outcome.without_space += u64::from(progress.no_space.is_some());
        if let Some(error) = progress.poisoned {
            let faulty = self.disk.stopped() || self.disk.has_failed();
            hold!(faulty, "the segment writer stops although nothing failed: {error}");
            life.store_has_failed = true;
            self.outcome.poisoned += 1;
        }
        Ok(())
    }

    /// A consumer reads somewhere, whatever is under way.
    fn read_some(&mut self, life: &mut Life) -> Result<(), String> {
        if self.disk.stopped() {
            return Ok(());
        }
        let at = 1 + self.dice.index(SHARDS - 1);
        for (partition, expected) in &self.shards[at].model.logs {
            let Some(log) = life.logs[at].log(partition) else {
                return Err(format!("{partition:?} is gone"));
            };
            self.outcome.reads += 1;
            let read = expected.check_some_read(&log.reader(), &mut self.dice);
            read.map_err(|broken| format!("{partition:?}: {broken}"))?;
        }
        Ok(())
    }

    /// A consumer keeps what it read for a while, through stores and deletions.
    fn hold_slices(&mut self, life: &mut Life) -> Result<(), String> {
        let at = 1 + self.dice.index(SHARDS - 1);
        if self.disk.stopped() || self.shards[at].model.logs.is_empty() {
            return Ok(());
        }
        let which = self.dice.index(self.shards[at].model.logs.len());
        let (partition, expected) = self.shards[at].model.logs.iter().nth(which).expect("inside");
        let Some(log) = life.logs[at].log(partition) else { return Err(format!("{partition:?} is gone")) };
        let read = log.reader().read(expected.log_start, 1500).map_err(|error| error.to_string())?;
        let expected = expected.expect_read(expected.log_start, 1500);
        life.held.push(Held { slices: read.slices, expected });
        if life.held.len() > 3 {
            check_held(&life.held.remove(0))?;
        }
        Ok(())
    }

    fn check_all(&mut self, life: &mut Life) -> Result<(), String> {
        if self.disk.stopped() {
            return Ok(());
        }
        for (at, shard) in self.shards.iter().enumerate() {
            shard.model.check(&life.logs[at], &mut self.dice)?;
        }
        Ok(())
    }

    /// Without faults and with space everything is flushed, applied, stored, in a checkpoint and out of memory.
    fn finish(&mut self, life: &mut Life) -> Result<(), String> {
        self.disk.set_space(SPACE_BYTES);
        self.settle(life)?;
        life.held.drain(..).try_for_each(|held| check_held(&held))?;
        self.check_all(life)?;
        hold!(life.pinned().bytes() == 0, "{} bytes stay pinned", life.pinned().bytes());
        Ok(())
    }

    fn settle(&mut self, life: &mut Life) -> Result<(), String> {
        // What is applied in one round is old enough to be cut in the next, and checkpointed in the one after it.
        let mut rounds_left = 3;
        for _ in 0..ROUNDS_MAX {
            life.wal.retry();
            for at in 0..SHARDS {
                if self.shards[at].history.is_behind() {
                    self.append(life, at)?;
                }
            }
            life.queue.submit();
            self.write_wal(life)?;
            run_upkeep(&self.disk, life);
            self.now = self.now + Duration::from_secs(3);
            for at in 0..SHARDS {
                let history = &mut self.shards[at].history;
                history.commit(history.flushed());
                self.apply_some(life, at)?;
                self.maintain(life, at);
            }
            self.step_store(life)?;
            let is_done = |shard: &Shard| {
                let history = &shard.history;
                history.is_quiet() && !history.is_behind() && history.applied == history.last()
            };
            let is_drained = life.store.is_idle() && life.pinned().bytes() == 0;
            rounds_left = if self.shards.iter().all(is_done) && is_drained { rounds_left - 1 } else { 3 };
            if rounds_left == 0 {
                return Ok(());
            }
        }
        let waiting: Vec<_> = self.shards.iter().map(|s| (s.history.applied, s.history.last())).collect();
        Err(format!(
            "never done: applied and last {waiting:?}, idle {}, pinned {}",
            life.store.is_idle(),
            life.pinned().bytes()
        ))
    }

    /// Everything is stored: the files are the batches that may be read, and what shares a segment with them.
    fn check_files(&self) -> Result<(), String> {
        let mut files: BTreeMap<String, Vec<(i64, Vec<u8>)>> = BTreeMap::new();
        for (path, bytes) in self.disk.contents() {
            let Ok(name) = path.strip_prefix(PARTITIONS_DIR) else { continue };
            let name = name.to_str().expect("made of digits");
            if name.ends_with(".idx") {
                continue;
            }
            let parsed = name.strip_suffix(".log").and_then(|name| name.split_once('/'));
            let Some((dir, base)) = parsed else { return Err(format!("{name} is no segment")) };
            let base = base.parse().map_err(|_| format!("{name} is no segment"))?;
            files.entry(dir.to_owned()).or_default().push((base, bytes));
        }
        let mut dirs = self.disk.list(Path::new(PARTITIONS_DIR)).map_err(|error| error.to_string())?;
        for shard in &self.shards {
            for (partition, log) in &shard.model.logs {
                let topic: String = partition.topic_id.0.iter().map(|byte| format!("{byte:02x}")).collect();
                let dir = format!("{topic}-{}", partition.partition);
                dirs.retain(|known| *known != dir);
                let segments = files.remove(&dir).unwrap_or_default();
                check_segments(&segments, log).map_err(|broken| format!("{dir}: {broken}"))?;
            }
        }
        hold!(files.is_empty(), "files of nobody: {:?}", files.keys());
        hold!(dirs.is_empty(), "directories of nobody: {dirs:?}");
        Ok(())
    }
}

fn check_segments(segments: &[(i64, Vec<u8>)], log: &super::model::Log) -> Result<(), String> {
    let Some((first, _)) = segments.first() else {
        hold!(log.readable().is_empty(), "no file has its batches");
        return Ok(());
    };
    hold!(!log.readable().is_empty(), "there are files, though every record is deleted");
    let bases: Vec<i64> = segments.iter().map(|(base, _)| *base).collect();
    let is_late = bases.get(1).is_some_and(|second| *second <= log.log_start);
    hold!(!is_late, "segments {bases:?} stay below log start {}", log.log_start);
    let from = log.batches.partition_point(|batch| batch.base_offset < *first);
    let starts = log.batches.get(from).is_some_and(|batch| batch.base_offset == *first);
    let whole = log.readable().first().is_none_or(|batch| *first <= batch.base_offset);
    hold!(starts && whole, "segments {bases:?} do not begin where a batch does, before {}", log.log_start);
    let expected: Vec<u8> =
        log.batches[from..].iter().flat_map(|batch: &Stored| batch.bytes.clone()).collect();
    let found: Vec<u8> = segments.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let (has, should) = (found.len(), expected.len());
    hold!(
        found == expected,
        "segments {bases:?} have {has} bytes that are not the {should} of their batches"
    );
    Ok(())
}

/// What the shard without partitions is after the entry at `index`.
fn state_of(history: &History, index: usize) -> Bytes {
    let mut state = Vec::with_capacity(index * 9);
    for at in 1..=index {
        let payload = &history.entry(at).payload;
        state.extend_from_slice(&payload[..payload.len().min(9)]);
    }
    state.into()
}

fn run_upkeep(disk: &SimDisk, life: &mut Life) {
    if let Some(upkeep) = life.upkeep.pop() {
        let done = upkeep.run(disk, Path::new(WAL_DIR));
        life.wal.upkeep_done(done);
    }
}

fn check_held(held: &Held) -> Result<(), String> {
    let mut bytes = Vec::new();
    for slice in &held.slices {
        slice.copy_into(&mut bytes).map_err(|error| error.to_string())?;
    }
    hold!(bytes == held.expected, "slices that somebody holds have changed");
    Ok(())
}
