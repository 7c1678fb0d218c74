//! Bytes that may be held over all connections: one pool for frames on their way in, one for answers on their way out.
//!
//! A frame takes its share before its buffer is allocated and gives it back when it is answered or its connection ends; an
//! answer takes it for what it keeps of the tails' entries, until it is sent. At the bound connections wait, unread:
//! back-pressure, never an error. One alone may always pass, so that nothing waits for ever.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// See the module's head.
pub(crate) struct MemoryPool {
    taken: Cell<usize>,
    bytes_max: usize,
    given_back: Notify,
    /// Who waits for a share.
    waiting: Cell<usize>,
}

/// A share of the pool; given back when dropped.
pub(crate) struct Share {
    pool: Rc<MemoryPool>,
    bytes: usize,
}

impl MemoryPool {
    pub(crate) fn new(bytes_max: usize) -> Rc<Self> {
        Rc::new(Self { taken: Cell::new(0), bytes_max, given_back: Notify::new(), waiting: Cell::new(0) })
    }

    /// Takes `bytes`, if they are there or nobody has any.
    pub(crate) fn take(self: &Rc<Self>, bytes: usize) -> Option<Share> {
        let taken = self.taken.get();
        if taken > 0 && taken.saturating_add(bytes) > self.bytes_max {
            return None;
        }
        Some(self.take_anyway(bytes))
    }

    /// Takes `bytes`, also beyond the bound: for what is held already, so that others wait for it.
    pub(crate) fn take_anyway(self: &Rc<Self>, bytes: usize) -> Share {
        self.taken.set(self.taken.get() + bytes);
        Share { pool: self.clone(), bytes }
    }

    /// Takes `bytes` as soon as they are there.
    pub(crate) async fn wait_for(self: &Rc<Self>, bytes: usize) -> Share {
        loop {
            // First the registration, then the question.
            let given_back = self.given_back.notified();
            if let Some(share) = self.take(bytes) {
                return share;
            }
            let _waiting = Waiting::new(&self.waiting);
            given_back.await;
        }
    }

    /// What one should not ask for more than, where it can be done with less.
    pub(crate) fn share_bytes_max(&self) -> usize {
        self.bytes_max / 4
    }

    /// True when someone waits for a share.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.get() > 0
    }
}

/// Counts one who waits, also when the wait is given up.
struct Waiting<'c>(&'c Cell<usize>);

impl<'c> Waiting<'c> {
    fn new(count: &'c Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Share {
    /// How large it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
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

    #[test]
    fn what_is_held_already_counts_and_who_waits_is_seen() {
        // Connections that hold memory are closed only while someone waits for it, and nobody may wait unseen.
        let waited = env::task::block_on_io_thread(async {
            let pool = MemoryPool::new(10);
            let held = pool.take_anyway(20);
            assert!(pool.take(1).is_none());
            let waiting = env::spawn_local({
                let pool = pool.clone();
                async move { pool.wait_for(4).await.bytes() }
            });
            env::yield_now().await;
            assert!(pool.is_awaited());
            drop(held);
            (waiting.await.unwrap(), pool.is_awaited())
        });
        assert_eq!(waited.unwrap(), (4, false));
    }
}
