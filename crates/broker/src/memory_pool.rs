//! Bytes that frames on their way in may hold, over all connections.
//!
//! A frame takes its share before its buffer is allocated and gives it back when it is answered or its connection ends.
//! At the bound connections wait, unread: back-pressure, never an error. A frame alone may always pass, so that nothing
//! waits for ever.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// See the module's head.
pub(crate) struct MemoryPool {
    taken: Cell<usize>,
    bytes_max: usize,
    given_back: Notify,
}

/// A share of the pool; given back when dropped.
pub(crate) struct Share {
    pool: Rc<MemoryPool>,
    bytes: usize,
}

impl MemoryPool {
    pub(crate) fn new(bytes_max: usize) -> Rc<Self> {
        Rc::new(Self { taken: Cell::new(0), bytes_max, given_back: Notify::new() })
    }

    /// Takes `bytes`, if they are there or nobody has any.
    pub(crate) fn take(self: &Rc<Self>, bytes: usize) -> Option<Share> {
        let taken = self.taken.get();
        if taken > 0 && taken.saturating_add(bytes) > self.bytes_max {
            return None;
        }
        self.taken.set(taken + bytes);
        Some(Share { pool: self.clone(), bytes })
    }

    /// Resolves when something was given back after this call.
    pub(crate) fn given_back(&self) -> impl Future<Output = ()> + '_ {
        self.given_back.notified()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.taken.set(self.pool.taken.get() - self.bytes);
        self.pool.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_waits_until_another_gives_back_and_a_large_one_passes_alone() {
        // A frame above the whole bound must not wait for ever, and two must not share beyond it.
        let pool = MemoryPool::new(10);
        let large = pool.take(50).unwrap();
        assert!(pool.take(1).is_none());
        drop(large);
        let (first, second) = (pool.take(6), pool.take(5));
        assert!(first.is_some() && second.is_none());
        drop(first);
        assert!(pool.take(10).is_some());
    }
}
