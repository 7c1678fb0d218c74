//! The partitions that this node leads, by id, for those who read and wait: one look-up, then no shard in the way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rustc_hash::FxBuildHasher;
use storage::id::PartitionId;
use storage::partition_log::LogReader;
use tokio::sync::Notify;

/// A partition that this node leads.
pub struct Partition {
    /// Its log.
    pub reader: LogReader,
    /// What a shard's term is added to for this partition's leader epoch.
    pub epoch_base: i32,
    /// Fetches that wait for its high watermark to move.
    waiting: RefCell<Vec<Rc<Notify>>>,
}

impl Partition {
    /// Has `waiter` woken when the high watermark moves next, once, and when the partition is deleted.
    pub fn wake_when_moved(&self, waiter: &Rc<Notify>) {
        let mut waiting = self.waiting.borrow_mut();
        // Who stopped waiting left its registration behind; sweeping before growing keeps that bounded.
        if waiting.len() == waiting.capacity() {
            waiting.retain(|waiter| Rc::strong_count(waiter) > 1);
        }
        waiting.push(waiter.clone());
    }

    /// The high watermark has moved.
    pub(crate) fn moved(&self) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.drain(..).for_each(|waiter| waiter.notify_one());
    }
}

/// All partitions that this node leads.
#[derive(Default)]
pub struct Partitions {
    by_id: RefCell<HashMap<PartitionId, Rc<Partition>, FxBuildHasher>>,
}

impl Partitions {
    /// The partition, if this node leads it.
    #[must_use]
    pub fn find(&self, id: &PartitionId) -> Option<Rc<Partition>> {
        self.by_id.borrow().get(id).cloned()
    }

    /// The ids of all of them, in no order.
    #[must_use]
    pub fn ids(&self) -> Vec<PartitionId> {
        self.by_id.borrow().keys().copied().collect()
    }

    pub(crate) fn insert(&self, reader: LogReader, epoch_base: i32) {
        let id = reader.partition();
        let partition = Rc::new(Partition { reader, epoch_base, waiting: RefCell::default() });
        self.by_id.borrow_mut().entry(id).or_insert(partition);
    }

    pub(crate) fn remove(&self, id: &PartitionId) {
        if let Some(partition) = self.by_id.borrow_mut().remove(id) {
            partition.moved();
        }
    }
}
