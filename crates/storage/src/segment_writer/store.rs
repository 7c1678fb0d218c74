//! The store of a node: all its partitions' logs behind the WAL, with the segment writer's thread.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use env::Instant;
use env::disk::Disk;

use super::core::{Progress, StoreError, WriterCore};
use super::dirty::CheckpointLimits;
use super::mailbox::{Closing, Mailbox};
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
        let thread = env::spawn_thread("segment-writer", move || run(core, &read, listener.as_ref()))
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

fn run(mut core: WriterCore, mailbox: &Mailbox, listener: &dyn StoreListener) {
    // Once at the start: the disk may be full already.
    let mut wake_at = Some(Instant::now());
    let mut closing = None;
    loop {
        let letters = mailbox.wait(wake_at);
        closing = closing.or(letters.closing);
        if closing == Some(Closing::Abandon) {
            return;
        }
        core.submit(letters.works);
        let mut progress = core.step(Instant::now(), letters.checkpoint_now || closing.is_some());
        wake_at = progress.wake_at.take();
        let is_stuck = progress.no_space.is_some();
        mailbox.note_stats(core.stats());
        if !progress.is_empty() {
            listener.progressed(progress);
        }
        if closing.is_some() && (core.is_idle() || is_stuck) {
            return;
        }
    }
}
