//! Waiting for partitions to move, at no cost while they do not.
//!
//! Who waits has one [`Moves`] and a [`Watch`] with each partition, under a number of its own. A watch ends with the first move
//! of the partition, which leaves its number with the moves and wakes who waits; it is removed when it is dropped. So a
//! partition keeps nobody who has gone, and who waits for thousands of partitions touches those that moved.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

/// Which watches have ended.
#[derive(Default)]
pub struct Moves {
    ended: RefCell<Vec<u64>>,
    arrived: Notify,
}

impl Moves {
    /// The watch with this number has ended.
    pub fn note(&self, number: u64) {
        self.ended.borrow_mut().push(number);
        self.arrived.notify_one();
    }

    /// The numbers of the watches that have ended since this was called last.
    #[must_use]
    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.ended.borrow_mut())
    }

    /// Resolves when a watch has ended since this resolved last; one waits at a time.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// Who watches a partition.
#[derive(Default)]
pub(crate) struct Watchers {
    /// Ids ascending.
    list: RefCell<Vec<Watcher>>,
    next_id: Cell<u64>,
    is_closed: Cell<bool>,
}

struct Watcher {
    id: u64,
    moves: Rc<Moves>,
    number: u64,
}

/// One partition watched until it moves.
pub struct Watch {
    watchers: Rc<Watchers>,
    id: u64,
}

impl Watchers {
    pub(crate) fn add(self: &Rc<Self>, moves: &Rc<Moves>, number: u64) -> Watch {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        if self.is_closed.get() {
            moves.note(number);
        } else {
            self.list.borrow_mut().push(Watcher { id, moves: moves.clone(), number });
        }
        Watch { watchers: self.clone(), id }
    }

    /// Ends all watches.
    pub(crate) fn end(&self) {
        self.list.borrow_mut().drain(..).for_each(|watcher| watcher.moves.note(watcher.number));
    }

    /// Ends all watches, those to come at once.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.end();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut list = self.watchers.list.borrow_mut();
        if let Ok(place) = list.binary_search_by_key(&self.id, |watcher| watcher.id) {
            list.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_once_and_leaves_nothing_behind() {
        // Fetches come and go for ever while a partition does not move: it must not remember them.
        let (watchers, moves) = (Rc::new(Watchers::default()), Rc::new(Moves::default()));
        let watches: Vec<_> = (0..5).map(|number| watchers.add(&moves, number)).collect();
        drop(watches.into_iter().skip(1).step_by(2).collect::<Vec<_>>());
        assert!(watchers.list.borrow().is_empty(), "all were dropped");

        let (first, second) = (watchers.add(&moves, 1), watchers.add(&moves, 2));
        drop(first);
        let last = watchers.add(&moves, 9);
        watchers.end();
        assert_eq!(moves.take(), [2, 9]);
        watchers.end();
        assert_eq!(moves.take(), [] as [u64; 0]);
        drop((second, last));
    }

    #[test]
    fn what_is_gone_has_moved_already() {
        // Else a fetch that found a partition just before it was deleted would wait for it.
        let (watchers, moves) = (Rc::new(Watchers::default()), Rc::new(Moves::default()));
        let _before = watchers.add(&moves, 1);
        watchers.close();
        let _after = watchers.add(&moves, 2);
        assert_eq!(moves.take(), [1, 2]);
    }
}
