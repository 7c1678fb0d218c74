//! One run from a seed.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use env::Instant;
use storage::Planted;
use storage::wal::RecoveredShard;

use super::entry::{Author, Load};
use super::history::{History, payload_of};
use super::life::{Found, Life, OpenError, Sizes, shard_id};
use super::model::{Model, hold};
use super::outcome::Outcome;
use crate::dice::Dice;
use crate::disk::{End, Faults, SimDisk};

/// The first has no partitions but a state, as the metadata shard.
pub(super) const SHARDS: usize = 3;
/// Room for all that a run writes, when space is not the point.
pub(super) const SPACE_BYTES: u64 = 64 << 20;

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

/// See the module's head.
pub(super) struct Run {
    pub(super) dice: Dice,
    pub(super) disk: SimDisk,
    pub(super) sizes: Sizes,
    pub(super) load: Load,
    /// Entries are committed by others, and may be cut off before that.
    pub(super) is_follower: bool,
    pub(super) now: Instant,
    pub(super) term: u64,
    pub(super) shards: Vec<Shard>,
    pub(super) outcome: Outcome,
    pub(super) last_operations: u64,
}

/// A shard beside its logs.
pub(super) struct Shard {
    pub(super) history: History,
    pub(super) author: Author,
    /// As of the last applied entry.
    pub(super) model: Model,
    /// The last entry that this life found in the WAL: those up to it may have been in the checkpoint.
    pub(super) recovered_to: usize,
    /// Of the shard without partitions: the index of the last state given.
    pub(super) state_index: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let load = match dice.below(10) {
            0..=6 => Load { payload_max: 300, filler_max: 3000 },
            7 | 8 => Load { payload_max: 9000, filler_max: 100 },
            _ => Load { payload_max: 60_000, filler_max: 100 },
        };
        let sizes = Sizes::new(load, &mut dice);
        let space = if dice.chance(20) { (500 << 10) + dice.below(300 << 10) } else { SPACE_BYTES };
        let is_merged = sizes.merge.is_some();
        let shards = (0..SHARDS).map(|shard| Shard {
            history: History::new(shard_id(shard)),
            author: Author::new(u8::try_from(shard).expect("a few shards")),
            model: Model::new(is_merged),
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
        let none = Faults::default();
        match self.dice.below(20) {
            0..=9 => Faults { stop_at: Some(at), ..none },
            10..=12 => Faults { stop_behind_rename: Some(1 + self.dice.below(4)), ..none },
            13 | 14 => Faults { fail_sync: Some(1 + self.dice.below(8)), ..none },
            15 | 16 => Faults { fail_at: Some(at), ..none },
            _ => none,
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
        // A name that only the next process relies on does harm when that one is the first to lose power.
        let kills = if faults.stop_behind_rename.is_some() { 80 } else { 40 };
        self.disk.end_life(if self.dice.chance(kills) { End::Kill } else { End::PowerLoss });
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
            self.replay(life, at, in_wal, *covered)?;
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
    fn replay(
        &mut self,
        life: &mut Life,
        at: usize,
        in_wal: &RecoveredShard,
        covered: u64,
    ) -> Result<(), String> {
        let shard = &mut self.shards[at];
        shard.model = Model::new(self.sizes.merge.is_some());
        for index in 1..=shard.history.applied {
            shard.model.apply(shard.history.entry(index));
        }
        let (to, is_busy) = (shard.history.committed_here(), self.dice.chance(50));
        let partitions = life.logs[at].logs().count();
        while self.shards[at].history.applied < to {
            let index = self.shards[at].history.applied + 1;
            let payload = payload_of(in_wal, index).ok_or_else(|| format!("entry {index} is not there"))?;
            self.apply(life, at, Some(payload))?;
            self.outcome.replayed += 1;
            let is_new = index as u64 > covered || life.logs[at].logs().count() == partitions;
            hold!(is_new, "shard {at}: entry {index} is covered to {covered}, and changes what there is");
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
}

/// What the shard without partitions is after the entry at `index`.
pub(super) fn state_of(history: &History, index: usize) -> Bytes {
    let mut state = Vec::with_capacity(index * 9);
    for at in 1..=index {
        let payload = &history.entry(at).payload;
        state.extend_from_slice(&payload[..payload.len().min(9)]);
    }
    state.into()
}
