//! The store of a node: all its partitions' logs behind the WAL, with the segment writer's thread.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use env::Instant;
use env::disk::Disk;

use super::core::{Progress, StoreError, WriterCore};
use super::dirty::CheckpointLimits;
use super::mailbox::{Closing, Letters, Mailbox};
use super::recovery::Recovered;
use super::stats::StoreStats;
use crate::partition_log::{DueLimits, PinnedBytes, Work};

/// Sizes and times of a node's store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// When tails are cut.
    pub due: DueLimits,
    /// When a checkpoint is taken.
    pub checkpoint: CheckpointLimits,
    /// Bytes at which a segment rolls (`storage.log.segment.size`), unless a cut says otherwise.
    pub segment_bytes: u64,
    /// Segment files open at a time.
    pub open_files_max: usize,
    /// Bytes that are to stay free on the file system; `None`: a twentieth of it, at most 1 GiB.
    pub free_bytes_min: Option<u64>,
    /// What moves the size of merged batches; `None`: each cut's own bounds alone hold.
    pub merged_size: Option<batch::Settings>,
    /// Counts the memory that tails pin; whoever proposes tests it against `storage.tail.max.bytes`.
    pub pinned: Arc<PinnedBytes>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            due: DueLimits::default(),
            checkpoint: CheckpointLimits::default(),
            segment_bytes: 1 << 30,
            open_files_max: 256,
            free_bytes_min: None,
            merged_size: None,
            pinned: PinnedBytes::new(),
        }
    }
}

/// Hears what the segment writer did, on its thread: hand it on, do not work here.
pub trait StoreListener: Send + Sync {
    /// Something was stored, covered, or failed: the owners of the shards in `stored` call
    /// [`crate::partition_log::ShardLogs::maintain`], the WAL may release what is covered.
    fn progressed(&self, progress: Progress);
}

/// See the module's head. Dropping it ends the thread without waiting for queued work, as a crash would.
pub struct Store {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens what is in `dir`, or begins there, and starts the segment writer.
    ///
    /// # Errors
    /// When the disk refuses, the checkpoint is corrupt, or a segment is shorter than it had been: the start is to be
    /// refused with the error's line.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &StoreOptions,
        listener: Arc<dyn StoreListener>,
    ) -> Result<(Self, Recovered), StoreError> {
        let mailbox = Arc::new(Mailbox::default());
        let nudged = Arc::clone(&mailbox);
        let (core, recovered) = WriterCore::open(disk, dir, options, Box::new(move || nudged.nudge()))?;
        let read = Arc::clone(&mailbox);
        let thread =
            env::spawn_background_thread("segment-writer", move || run(core, read, listener.as_ref()))
                .map_err(StoreError::Thread)?;
        Ok((Self { mailbox, thread: Some(thread) }, recovered))
    }

    /// Hands over works, in the order in which their shard gave them. Returns at once.
    pub fn submit(&self, works: Vec<Work>) {
        self.mailbox.submit(works);
    }

    /// Asks for a checkpoint as soon as all submitted work is done.
    pub fn checkpoint(&self) {
        self.mailbox.ask_for_checkpoint();
    }

    /// The counters as of the last step.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.mailbox.stats()
    }

    /// Does all submitted work, takes a checkpoint and ends the thread. What finds no space is left to the WAL.
    pub fn close(mut self) {
        self.mailbox.close(Closing::Finish);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.mailbox.close(Closing::Abandon);
        if !std::thread::panicking() {
            self.join();
        }
    }
}

/// A store whose segment writer is stepped: a simulation decides when it works.
pub struct StoreSteps(Turns);

impl StoreSteps {
    /// As [`Store::open`], but nothing is done before [`StoreSteps::turn`]; `wake` is called when a turn is worth it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &StoreOptions,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(Store, Self, Recovered), StoreError> {
        let mailbox = Arc::new(Mailbox::waking(wake));
        let nudged = Arc::clone(&mailbox);
        let (core, recovered) = WriterCore::open(disk, dir, options, Box::new(move || nudged.nudge()))?;
        let store = Store { mailbox: Arc::clone(&mailbox), thread: None };
        Ok((store, Self(Turns::new(core, mailbox)), recovered))
    }

    /// Does some of what was submitted and tells `listener`; when to call again though nothing else comes.
    pub fn turn(&mut self, now: Instant, listener: &dyn StoreListener) -> Option<Instant> {
        let letters = self.0.mailbox.take();
        self.0.turn(letters, now, listener).flatten()
    }
}

/// The segment writer, turn by turn.
struct Turns {
    core: WriterCore,
    mailbox: Arc<Mailbox>,
    closing: Option<Closing>,
    checkpoint_wanted: bool,
}

impl Turns {
    fn new(core: WriterCore, mailbox: Arc<Mailbox>) -> Self {
        Self { core, mailbox, closing: None, checkpoint_wanted: false }
    }

    /// When to turn again though nothing new came; the outer `None` says that it has ended.
    fn turn(
        &mut self,
        letters: Letters,
        now: Instant,
        listener: &dyn StoreListener,
    ) -> Option<Option<Instant>> {
        self.closing = self.closing.or(letters.closing);
        if self.closing == Some(Closing::Abandon) {
            return None;
        }
        self.core.submit(letters.works);
        // There may be more works than a step does.
        self.checkpoint_wanted |= letters.checkpoint_now || self.closing.is_some();
        let mut progress = self.core.step(now, self.checkpoint_wanted);
        self.checkpoint_wanted &= !self.core.is_idle();
        let wake_at = progress.wake_at.take();
        let is_stuck = progress.no_space.is_some();
        self.mailbox.note_stats(self.core.stats());
        if !progress.is_empty() {
            listener.progressed(progress);
        }
        let has_ended = self.closing.is_some() && (self.core.is_idle() || is_stuck);
        (!has_ended).then_some(wake_at)
    }
}

fn run(core: WriterCore, mailbox: Arc<Mailbox>, listener: &dyn StoreListener) {
    let mut turns = Turns::new(core, mailbox);
    // Once at the start: the disk may be full already.
    let mut wake_at = Some(Instant::now());
    while let Some(next) = turns.turn(turns.mailbox.wait(wake_at), Instant::now(), listener) {
        wake_at = next;
    }
}
