//! What happens in a life, one thing at a time, and what is compared after each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::partition_log::producers::Verdict;
use storage::partition_log::{Appended, LogSlice, Work};
use storage::wal::{AppendError, Step};

use super::entry::{Entry, Op};
use super::life::{Held, Life, WAL_DIR, shard_id};
use super::model::hold;
use super::run::{Run, SHARDS, SPACE_BYTES, state_of};
use crate::disk::SimDisk;
use crate::records;

/// Entries between two states of the shard without partitions.
const STATE_EVERY: usize = 5;

impl Run {
    pub(super) fn act(&mut self, life: &mut Life) -> Result<(), String> {
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
    pub(super) fn append(&mut self, life: &mut Life, at: usize) -> Result<(), String> {
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

    pub(super) fn write_wal(&mut self, life: &mut Life) -> Result<(), String> {
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
    pub(super) fn apply_some(&mut self, life: &mut Life, at: usize) -> Result<(), String> {
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
    pub(super) fn apply(
        &mut self,
        life: &mut Life,
        at: usize,
        recovered: Option<&Bytes>,
    ) -> Result<(), String> {
        let shard = &mut self.shards[at];
        let index = shard.history.applied + 1;
        let entry = shard.history.entry(index).clone();
        let payload = recovered.unwrap_or(&entry.payload);
        let answers = life.apply(at, index as u64, &entry, payload, self.now);
        let expected = shard.model.apply(&entry);
        shard.history.applied = index;
        // Nobody waits for what a start applies again.
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

    pub(super) fn maintain(&mut self, life: &mut Life, at: usize) {
        let (applied, flushed) = self.progress_of(at);
        let works = life.logs[at].maintain(self.now, applied, flushed).works;
        self.submit(life, works);
    }

    fn maintain_all(&mut self, life: &mut Life, at: usize) {
        let (applied, flushed) = self.progress_of(at);
        let works = life.logs[at].maintain_all(applied, flushed).works;
        self.submit(life, works);
    }

    fn submit(&mut self, life: &mut Life, mut works: Vec<Work>) {
        for work in &mut works {
            if let Work::Store(cut) = work {
                cut.merge = self.sizes.merge;
            }
        }
        self.outcome.works += works.len() as u64;
        life.store.submit(works);
    }

    pub(super) fn step_store(&mut self, life: &mut Life) -> Result<(), String> {
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
        let mut held = Held { slices: read.slices, expected: Vec::new() };
        held.expected = copied(&held.slices)?;
        let is_right = if expected.is_merged {
            let records = records::of_batches(&held.expected).map_err(|error| error.to_string())?;
            expected.check_content(&records)?;
            records.is_empty() == (expected.log_start == expected.log_end)
        } else {
            held.expected == expected.expect_read(expected.log_start, 1500)
        };
        hold!(is_right, "slices from {} are not the batches there", expected.log_start);
        life.held.push(held);
        if life.held.len() > 3 {
            check_held(&life.held.remove(0))?;
        }
        Ok(())
    }

    pub(super) fn check_all(&mut self, life: &mut Life) -> Result<(), String> {
        if self.disk.stopped() {
            return Ok(());
        }
        for (at, shard) in self.shards.iter().enumerate() {
            shard.model.check(&life.logs[at], &mut self.dice)?;
        }
        Ok(())
    }
}

pub(super) fn run_upkeep(disk: &SimDisk, life: &mut Life) {
    if let Some(upkeep) = life.upkeep.pop() {
        let done = upkeep.run(disk, Path::new(WAL_DIR));
        life.wal.upkeep_done(done);
    }
}

pub(super) fn check_held(held: &Held) -> Result<(), String> {
    let bytes = copied(&held.slices)?;
    hold!(bytes == held.expected, "slices that somebody holds have changed");
    Ok(())
}

fn copied(slices: &[LogSlice]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for slice in slices {
        slice.copy_into(&mut bytes).map_err(|error| format!("a slice can't be read: {error}"))?;
    }
    Ok(bytes)
}
