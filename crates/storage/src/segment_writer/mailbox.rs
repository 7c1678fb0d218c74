//! How shards hand work to the segment writer's thread, and how it sleeps.
//!
//! The queue needs no bound of its own: a partition has one cut on its way (more only before a shutdown), and the memory of all cuts is in the
//! node's bound on pinned bytes, which is tested before an entry is proposed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use env::Instant;

use super::stats::StoreStats;
use crate::partition_log::Work;

/// See the module's head.
#[derive(Default)]
pub(super) struct Mailbox {
    letters: Mutex<Letters>,
    arrived: Condvar,
    /// As of the last step.
    stats: Mutex<StoreStats>,
    /// Called instead, where there is no thread to wake.
    wake: Option<Box<dyn Fn() + Send + Sync>>,
}

/// How the thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// With all work done and a checkpoint.
    Finish,
    /// At once.
    Abandon,
}

/// What has arrived since the thread looked last.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) works: Vec<Work>,
    /// A checkpoint is wanted as soon as all work is done.
    pub(super) checkpoint_now: bool,
    /// The thread is to end.
    pub(super) closing: Option<Closing>,
    /// Files wait to be removed.
    is_nudged: bool,
}

impl Letters {
    fn is_empty(&self) -> bool {
        self.works.is_empty() && !self.checkpoint_now && self.closing.is_none() && !self.is_nudged
    }
}

impl Mailbox {
    /// A mailbox of a writer without a thread.
    pub(super) fn waking(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { wake: Some(wake), ..Self::default() }
    }

    /// What has arrived.
    pub(super) fn take(&self) -> Letters {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn submit(&self, mut works: Vec<Work>) {
        if !works.is_empty() {
            self.post(|letters| letters.works.append(&mut works));
        }
    }

    pub(super) fn ask_for_checkpoint(&self) {
        self.post(|letters| letters.checkpoint_now = true);
    }

    pub(super) fn close(&self, closing: Closing) {
        self.post(|letters| letters.closing = Some(closing));
    }

    pub(super) fn nudge(&self) {
        self.post(|letters| letters.is_nudged = true);
    }

    pub(super) fn note_stats(&self, stats: StoreStats) {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    pub(super) fn stats(&self) -> StoreStats {
        let waiting = self.lock().works.len() as u64;
        let stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        StoreStats { queued_works: stats.queued_works + waiting, ..stats }
    }

    /// Sleeps until something arrives, or until `wake_at`; without either for ever.
    pub(super) fn wait(&self, wake_at: Option<Instant>) -> Letters {
        let mut letters = self.lock();
        while letters.is_empty() {
            let Some(wake_at) = wake_at else {
                letters = self.arrived.wait(letters).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = wake_at.since(Instant::now());
            if left.is_zero() {
                break;
            }
            letters = self.arrived.wait_timeout(letters, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut *letters)
    }

    fn post(&self, add: impl FnOnce(&mut Letters)) {
        let mut letters = self.lock();
        let was_empty = letters.is_empty();
        add(&mut letters);
        drop(letters);
        match &self.wake {
            Some(wake) => wake(),
            None if was_empty => self.arrived.notify_one(),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
