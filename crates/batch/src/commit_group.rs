//! What forms while the disk is busy: the next group of record batches of all connections and partitions.
//!
//! Per shard a queue of *entries*; the last one is open and grows until it holds `entry_bytes_max`, then the next
//! one opens. A batch larger than that is an entry alone. The caller takes an open entry ([`CommitGroup::take`]) only
//! when nothing is in flight: the longer the disk takes, the larger the group, and no timer is involved. Entries that
//! are closed gain nothing by waiting: a few of them may be in flight at once ([`CommitGroup::take_closed`]).
//!
//! Invariant: what was added leaves exactly once, in the order in which it was added to its shard, with its waiter.
//! Invariant: bytes are counted from `add` to `settle`, so that memory stays bounded also while a commit hangs.

use std::collections::VecDeque;

/// The bounds of a [`CommitGroup`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An entry closes when it holds this many bytes; a larger batch is an entry alone.
    pub entry_bytes_max: usize,
    /// Bytes forming and in flight, over all shards, at which [`CommitGroup::check_room`] refuses.
    pub queued_bytes_max: usize,
}

/// One shard's share of a group: what will be a single entry of its log.
#[derive(Debug)]
pub struct Entry<W> {
    /// The entry's bytes so far: the prefix that `CommitGroup` was made with, then the items.
    pub bytes: Vec<u8>,
    /// Who waits, in the order of the items.
    pub waiters: Vec<W>,
}

/// The bound is reached: nothing was added. Stop reading until something has settled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("commit queue holds {queued_bytes} of {queued_bytes_max} bytes")]
pub struct Full {
    /// Bytes forming and in flight.
    pub queued_bytes: usize,
    /// The bound.
    pub queued_bytes_max: usize,
}

/// The node-wide group that forms next. `W` is whoever waits for an item's outcome.
#[derive(Debug)]
pub struct CommitGroup<W> {
    limits: Limits,
    prefix: Vec<u8>,
    shards: Vec<VecDeque<Entry<W>>>,
    queued_bytes: usize,
    /// The size of the last entry taken: a good first capacity for the next.
    entry_bytes_hint: usize,
}

impl<W> CommitGroup<W> {
    /// An empty group over `shards` shards; every entry begins with `prefix`.
    #[must_use]
    pub fn new(shards: usize, prefix: Vec<u8>, limits: Limits) -> Self {
        let queues = std::iter::repeat_with(VecDeque::new).take(shards).collect();
        Self { limits, prefix, shards: queues, queued_bytes: 0, entry_bytes_hint: 4096 }
    }

    /// Whether `bytes` more may be added. An empty queue takes anything, so that nothing is refused for ever.
    ///
    /// # Errors
    /// [`Full`] when the bound would be passed.
    pub fn check_room(&self, bytes: usize) -> Result<(), Full> {
        let (queued_bytes, queued_bytes_max) = (self.queued_bytes, self.limits.queued_bytes_max);
        if queued_bytes > 0 && queued_bytes.saturating_add(bytes) > queued_bytes_max {
            return Err(Full { queued_bytes, queued_bytes_max });
        }
        Ok(())
    }

    /// Adds one item of `item_bytes` bytes to `shard`'s forming entry; `write` appends exactly these. The caller has
    /// checked that there is room for the request that the item is of, and adds the items of a request together.
    ///
    /// # Panics
    /// When `shard` is not below the number of shards, or `write` appends another number of bytes.
    pub fn add(&mut self, shard: usize, item_bytes: usize, write: impl FnOnce(&mut Vec<u8>), waiter: W) {
        let prefix = &self.prefix;
        let queue = &mut self.shards[shard];
        let fits =
            queue.back().is_some_and(|open| open.bytes.len() + item_bytes <= self.limits.entry_bytes_max);
        if !fits {
            let mut bytes = Vec::with_capacity(self.entry_bytes_hint.max(prefix.len() + item_bytes));
            bytes.extend_from_slice(prefix);
            queue.push_back(Entry { bytes, waiters: Vec::with_capacity(64) });
        }
        let open = queue.back_mut().expect("an open entry was just made sure of");
        let before = open.bytes.len();
        write(&mut open.bytes);
        assert_eq!(open.bytes.len() - before, item_bytes, "an item wrote another length than it announced");
        open.waiters.push(waiter);
        self.queued_bytes += item_bytes;
    }

    /// Takes the oldest entry of `shard` if it grows no more.
    pub fn take_closed(&mut self, shard: usize) -> Option<Entry<W>> {
        if self.has_closed(shard) { self.take(shard) } else { None }
    }

    /// True when an entry of `shard` waits that grows no more, another one being open behind it.
    #[must_use]
    pub fn has_closed(&self, shard: usize) -> bool {
        self.shards[shard].len() > 1
    }

    /// Takes the oldest entry of `shard`, if it has one. Its bytes stay counted until [`CommitGroup::settle`].
    pub fn take(&mut self, shard: usize) -> Option<Entry<W>> {
        let entry = self.shards[shard].pop_front()?;
        self.entry_bytes_hint =
            (entry.bytes.len() + entry.bytes.len() / 4).max(4096).min(self.limits.entry_bytes_max);
        Some(entry)
    }

    /// Says that an entry that was taken is resolved, whatever its outcome: its bytes count no longer.
    pub fn settle(&mut self, entry_bytes: usize) {
        let items = entry_bytes.saturating_sub(self.prefix.len());
        assert!(items <= self.queued_bytes, "more bytes settled than were added");
        self.queued_bytes -= items;
    }

    /// True when nothing waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(VecDeque::is_empty)
    }

    /// Bytes forming and in flight.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }
}

#[cfg(test)]
#[path = "commit_group_test.rs"]
mod commit_group_test;
