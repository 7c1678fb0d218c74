//! The partitions that this node leads, by id, for those who read and wait: one look-up, then no shard in the way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rustc_hash::FxBuildHasher;
use storage::id::PartitionId;
use storage::partition_log::LogReader;

use crate::watch::{Moves, Watch, Watchers};

/// A partition that this node leads.
pub struct Partition {
    /// Its log.
    pub reader: LogReader,
    /// What a shard's term is added to for this partition's leader epoch.
    pub epoch_base: i32,
    watchers: Rc<Watchers>,
}

impl Partition {
    /// Watches until the high watermark or the log start moves, or the partition is deleted: `moves` then has `number`.
    #[must_use = "a watch that is dropped is none"]
    pub fn watch(&self, moves: &Rc<Moves>, number: u64) -> Watch {
        self.watchers.add(moves, number)
    }

    /// The high watermark or the log start has moved.
    pub(crate) fn moved(&self) {
        self.watchers.end();
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
        let partition = Rc::new(Partition { reader, epoch_base, watchers: Rc::default() });
        self.by_id.borrow_mut().entry(id).or_insert(partition);
    }

    /// The partition has `reader` from now on, though there may have been another; whoever waits looks again.
    pub(crate) fn replace(&self, reader: LogReader, epoch_base: i32) {
        self.remove(&reader.partition());
        self.insert(reader, epoch_base);
    }

    pub(crate) fn remove(&self, id: &PartitionId) {
        if let Some(partition) = self.by_id.borrow_mut().remove(id) {
            partition.watchers.close();
        }
    }
}
