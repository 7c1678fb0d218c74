//! What forms while the disk is busy: the next group of record batches of all connections and partitions.
//!
//! Per shard two queues of *entries*, the *lanes*: small items wait in one, bulk in the other, so that who sends little does
//! not queue behind who sends much. In each lane the last entry is open and grows until it holds `entry_bytes_max`, then the next
//! one opens. An item larger than that is an entry alone. The caller takes an open entry only when none of its lane is in flight:
//! the longer the disk takes, the larger the group, and no timer is involved. Bulk entries that are closed gain nothing by
//! waiting: a few of them may be in flight at once.
//!
//! Invariant: items of one key leave in the order in which they were added: a small one whose key has bulk waiting waits
//! behind it, and bulk is taken only after all that is small.
//! Invariant: what was added leaves exactly once, with its waiter.
//! Invariant: bytes are counted from `add` to `settle`, so that memory stays bounded also while a commit hangs.

use std::collections::{BTreeMap, VecDeque};

/// An item of so many bytes is bulk.
pub const BULK_ITEM_BYTES: usize = 32 << 10;

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

/// Which of its shard's queues an item waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For items below [`BULK_ITEM_BYTES`].
    Small,
    /// For larger ones, and for small ones that must not overtake them.
    Bulk,
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

/// A shard's lanes.
#[derive(Debug)]
struct Lanes<K, W> {
    small: VecDeque<Entry<W>>,
    bulk: VecDeque<(Entry<W>, Vec<K>)>,
    /// How many items of a key wait as bulk.
    bulk_keys: BTreeMap<K, usize>,
}

/// The node-wide group that forms next. `K` is what keeps its items in order (a partition), `W` whoever waits for an item's
/// outcome.
#[derive(Debug)]
pub struct CommitGroup<K, W> {
    limits: Limits,
    prefix: Vec<u8>,
    shards: Vec<Lanes<K, W>>,
    queued_bytes: usize,
    /// The size of the last small entry taken: a good first capacity for the next.
    entry_bytes_hint: usize,
}

impl<K: Copy + Ord, W> CommitGroup<K, W> {
    /// An empty group over `shards` shards; every entry begins with `prefix`.
    #[must_use]
    pub fn new(shards: usize, prefix: Vec<u8>, limits: Limits) -> Self {
        let lanes = || Lanes { small: VecDeque::new(), bulk: VecDeque::new(), bulk_keys: BTreeMap::new() };
        let shards = std::iter::repeat_with(lanes).take(shards).collect();
        Self { limits, prefix, shards, queued_bytes: 0, entry_bytes_hint: 4096 }
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

    /// Adds one item of `item_bytes` bytes to `shard`'s forming entry of the lane that is returned; `write` appends exactly these
    /// bytes. The caller has checked that there is room for the request that the item is of, and adds the items of a request
    /// together.
    ///
    /// # Panics
    /// When `shard` is not below the number of shards, or `write` appends another number of bytes.
    pub fn add(
        &mut self,
        shard: usize,
        key: K,
        item_bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
        waiter: W,
    ) -> Lane {
        let (lanes, entry_bytes_max) = (&mut self.shards[shard], self.limits.entry_bytes_max);
        let fits = |open: &Entry<W>| open.bytes.len() + item_bytes <= entry_bytes_max;
        let is_behind_bulk = lanes.bulk_keys.contains_key(&key);
        let lane = if item_bytes >= BULK_ITEM_BYTES || is_behind_bulk { Lane::Bulk } else { Lane::Small };
        let open = match lane {
            Lane::Small => {
                if !lanes.small.back().is_some_and(fits) {
                    lanes.small.push_back(Entry::begin(&self.prefix, self.entry_bytes_hint, item_bytes));
                }
                lanes.small.back_mut()
            }
            Lane::Bulk => {
                if !lanes.bulk.back().is_some_and(|(open, _)| fits(open)) {
                    let entry = Entry::begin(&self.prefix, entry_bytes_max, item_bytes);
                    lanes.bulk.push_back((entry, Vec::new()));
                }
                *lanes.bulk_keys.entry(key).or_default() += 1;
                lanes.bulk.back_mut().map(|(open, keys)| {
                    keys.push(key);
                    open
                })
            }
        };
        let open = open.expect("an open entry was just made sure of");
        let before = open.bytes.len();
        write(&mut open.bytes);
        assert_eq!(open.bytes.len() - before, item_bytes, "an item wrote another length than it announced");
        open.waiters.push(waiter);
        self.queued_bytes += item_bytes;
        lane
    }

    /// Takes the oldest small entry of `shard`, if it has one. Its bytes stay counted until [`CommitGroup::settle`].
    pub fn take_small(&mut self, shard: usize) -> Option<Entry<W>> {
        let entry = self.shards[shard].small.pop_front()?;
        self.entry_bytes_hint =
            (entry.bytes.len() + entry.bytes.len() / 4).max(4096).min(self.limits.entry_bytes_max);
        Some(entry)
    }

    /// Takes the oldest bulk entry of `shard`, if it has one. Its bytes stay counted until [`CommitGroup::settle`].
    ///
    /// # Panics
    /// When small entries of the shard are waiting: they were to be taken first, or bulk could overtake its own key.
    pub fn take_bulk(&mut self, shard: usize) -> Option<Entry<W>> {
        let lanes = &mut self.shards[shard];
        assert!(lanes.small.is_empty(), "what is small goes first");
        let (entry, keys) = lanes.bulk.pop_front()?;
        for key in keys {
            let count = lanes.bulk_keys.get_mut(&key).expect("an item that waits as bulk is counted");
            *count -= 1;
            if *count == 0 {
                lanes.bulk_keys.remove(&key);
            }
        }
        Some(entry)
    }

    /// True when a small entry of `shard` waits.
    #[must_use]
    pub fn has_small(&self, shard: usize) -> bool {
        !self.shards[shard].small.is_empty()
    }

    /// True when a bulk entry of `shard` waits.
    #[must_use]
    pub fn has_bulk(&self, shard: usize) -> bool {
        !self.shards[shard].bulk.is_empty()
    }

    /// True when a bulk entry of `shard` waits that grows no more, another one being open behind it.
    #[must_use]
    pub fn has_closed_bulk(&self, shard: usize) -> bool {
        self.shards[shard].bulk.len() > 1
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
        self.shards.iter().all(|lanes| lanes.small.is_empty() && lanes.bulk.is_empty())
    }

    /// Bytes forming and in flight.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }
}

impl<W> Entry<W> {
    fn begin(prefix: &[u8], bytes_hint: usize, item_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(bytes_hint.max(prefix.len() + item_bytes));
        bytes.extend_from_slice(prefix);
        Self { bytes, waiters: Vec::with_capacity(64) }
    }
}

#[cfg(test)]
#[path = "commit_group_test.rs"]
mod commit_group_test;
