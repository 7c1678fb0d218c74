//! What a shard's log and the storekeeper tell each other: how far this node's disk has the log, and how far a checkpoint
//! covers it.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// See the module's head; the log, the storekeeper and the shard share one.
pub(crate) struct LogProgress {
    flushed: Cell<u64>,
    /// The storekeeper holds something back until the disk has more of the log.
    flush_awaited: Cell<bool>,
    more_flushed: Rc<Notify>,
    covered: Cell<u64>,
    more_covered: Notify,
    /// The shard forgets entries by itself, since followers may want them.
    purges_itself: Cell<bool>,
}

impl LogProgress {
    /// `more_flushed` is notified when what is awaited has come.
    pub(crate) fn new(more_flushed: Rc<Notify>) -> Rc<Self> {
        Rc::new(Self {
            flushed: Cell::new(0),
            flush_awaited: Cell::new(false),
            more_flushed,
            covered: Cell::new(0),
            more_covered: Notify::new(),
            purges_itself: Cell::new(false),
        })
    }

    /// The last entry that is durable on this node. With one voter all that are applied are.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed.get()
    }

    /// Entries up to `index` are durable on this node, or not needed any more.
    pub(crate) fn set_flushed(&self, index: u64) {
        if index > self.flushed.get() {
            self.flushed.set(index);
            if self.flush_awaited.replace(false) {
                self.more_flushed.notify_one();
            }
        }
    }

    /// Entries from `from` on are taken away; others that come in their places are not durable yet.
    pub(crate) fn truncated(&self, from: u64) {
        self.flushed.set(self.flushed.get().min(from.saturating_sub(1)));
    }

    /// Has the storekeeper told when the disk has more of the log.
    pub(crate) fn await_flush(&self) {
        self.flush_awaited.set(true);
    }

    /// Entries up to here are in a durable checkpoint.
    pub(crate) fn covered(&self) -> u64 {
        self.covered.get()
    }

    /// Entries up to `index` are in a durable checkpoint.
    pub(crate) fn set_covered(&self, index: u64) {
        self.covered.set(index.max(self.covered.get()));
        self.more_covered.notify_one();
    }

    /// Resolves when more is covered than at the last time.
    pub(crate) async fn more_covered(&self) {
        self.more_covered.notified().await;
    }

    /// Whether the shard purges its log itself; else what is covered may go at once.
    pub(crate) fn purges_itself(&self) -> bool {
        self.purges_itself.get()
    }

    /// From now on the shard purges its log itself.
    pub(crate) fn purge_itself(&self) {
        self.purges_itself.set(true);
    }
}
