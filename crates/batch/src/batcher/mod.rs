//! Batches that form per partition: what the library does for those who use it alone.
//!
//! A batch is due when it has as many records as are aimed at ([`SizePolicy`]) or may be, as many bytes as may be, or when its first
//! item has waited for `linger`: the age is each batch's own. What is due is handed over in the order in which it became due.
//!
//! Invariant: what was accepted leaves exactly once, in order within its partition, with its ticket.
//! Invariant: a batch holds no more than the settings allow, unless it is one item that is larger by itself.
//!
//! ```
//! use std::time::Duration;
//! use batch::batcher::{Batcher, MemoryBackend, Record};
//! use batch::{Backend, Settings};
//!
//! let settings = Settings { max_size: 2, ..Settings::default() };
//! let mut batcher = Batcher::new(settings)?;
//! let mut backend = MemoryBackend::new(["orders-0"]);
//! let record = |value: &str| Record { value: Some(value.into()), ..Record::default() };
//!
//! // The caller has the clock: durations since whatever it likes.
//! let mut now = Duration::ZERO;
//! assert!(!batcher.add("orders-0", record("a"), "first", now)?.is_due());
//! assert!(batcher.add("orders-0", record("b"), "second", now)?.is_due());
//!
//! while let Some(due) = batcher.take_due(now) {
//!     let clock = || { now += Duration::from_micros(200); now };
//!     let answers = batcher.process(due, clock, |partition, items| backend.append_batch(partition, items));
//!     let offsets: Vec<_> = answers.into_iter().map(|(ticket, offset)| (ticket, offset.unwrap())).collect();
//!     assert_eq!(offsets, [("first", 0), ("second", 1)]);
//! }
//! assert_eq!(backend.entries(), 1);
//! assert_eq!(batcher.stats().pending_records, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod stats;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use backend::{Appended, Backend, Item, MemoryBackend, Record, UnknownPartition};
pub use stats::{Flush, Stats};

use crate::policy::SizePolicy;
use crate::settings::{SettingError, Settings};
use stats::Counters;

/// What may wait in a batcher at most, over all partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Records.
    pub records: usize,
    /// Bytes of keys, values and headers.
    pub bytes: usize,
}

impl Default for Room {
    /// A million records, 256 MiB.
    fn default() -> Self {
        Self { records: 1_000_000, bytes: 256 << 20 }
    }
}

/// An item was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Added {
    is_due: bool,
}

impl Added {
    /// Whether [`Batcher::take_due`] has something now.
    #[must_use]
    pub fn is_due(self) -> bool {
        self.is_due
    }
}

/// An item was not accepted; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Take what is due first, or flush.
    #[error("{records} records and {bytes} bytes wait, {max:?} may")]
    Full {
        /// Records that wait.
        records: usize,
        /// Bytes that wait.
        bytes: usize,
        /// What may.
        max: Room,
    },
    /// Nothing is accepted any more.
    #[error("the batcher is closed")]
    Closed,
}

/// Items of one partition that leave together.
#[derive(Debug)]
pub struct Batch<P, I, T> {
    /// Whose they are.
    pub partition: P,
    /// In the order in which they were added.
    pub items: Vec<I>,
    /// Of each item.
    pub tickets: Vec<T>,
    /// Records of all items.
    pub records: usize,
    /// Bytes of all items.
    pub bytes: usize,
    /// When the first item came.
    pub since: Duration,
}

/// See the module's head. `P` names a partition, `I` is what is added, `T` whoever wants to know its offset.
#[derive(Debug)]
pub struct Batcher<P, I, T> {
    settings: Settings,
    room: Room,
    policy: SizePolicy,
    /// What grows, by partition.
    open: BTreeMap<P, Batch<P, I, T>>,
    /// When each of those began.
    by_age: BTreeSet<(Duration, P)>,
    /// What is due.
    due: VecDeque<(Batch<P, I, T>, Flush)>,
    is_closed: bool,
    counters: Counters,
}

impl<P: Ord + Clone, I: Item, T> Batcher<P, I, T> {
    /// An empty one, with the default [`Room`].
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn new(settings: Settings) -> Result<Self, SettingError> {
        Self::with_room(settings, Room::default())
    }

    /// An empty one.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn with_room(settings: Settings, room: Room) -> Result<Self, SettingError> {
        settings.check()?;
        Ok(Self {
            policy: SizePolicy::new(&settings),
            settings,
            room,
            open: BTreeMap::new(),
            by_age: BTreeSet::new(),
            due: VecDeque::new(),
            is_closed: false,
            counters: Counters::default(),
        })
    }

    /// Takes an item; `now` never goes back. An empty batcher takes an item of any size.
    ///
    /// # Errors
    /// [`AddError`]: it was not taken.
    pub fn add(&mut self, partition: P, item: I, ticket: T, now: Duration) -> Result<Added, AddError> {
        let (records, bytes) = (item.records(), item.bytes());
        self.check_room(records, bytes)?;
        let fits = |open: &Batch<P, I, T>| {
            open.records + records <= self.settings.max_size && open.bytes + bytes <= self.settings.max_bytes
        };
        if let Some(full) = self.open.get(&partition).filter(|open| !fits(open)) {
            let is_by_size = full.records + records > self.settings.max_size;
            self.close_batch(&partition, if is_by_size { Flush::Size } else { Flush::Bytes });
        }
        let open = self.open.entry(partition.clone()).or_insert_with(|| {
            self.by_age.insert((now, partition.clone()));
            let (items, tickets) = (Vec::new(), Vec::new());
            Batch { partition: partition.clone(), items, tickets, records: 0, bytes: 0, since: now }
        });
        open.items.push(item);
        open.tickets.push(ticket);
        open.records += records;
        open.bytes += bytes;
        self.counters.added(records, bytes);
        let why = match open {
            _ if open.records >= self.settings.max_size => Some(Flush::Size),
            _ if open.bytes >= self.settings.max_bytes => Some(Flush::Bytes),
            _ if open.records >= self.policy.target() => Some(Flush::Target),
            _ if self.settings.linger.is_zero() => Some(Flush::Age),
            _ => None,
        };
        if let Some(why) = why {
            self.close_batch(&partition, why);
        }
        Ok(Added { is_due: !self.due.is_empty() })
    }

    fn check_room(&self, records: usize, bytes: usize) -> Result<(), AddError> {
        if self.is_closed {
            return Err(AddError::Closed);
        }
        let Stats { pending_records, pending_bytes, .. } = self.counters.stats;
        let is_over = pending_records.saturating_add(records) > self.room.records
            || pending_bytes.saturating_add(bytes) > self.room.bytes;
        if pending_records > 0 && is_over {
            return Err(AddError::Full { records: pending_records, bytes: pending_bytes, max: self.room });
        }
        Ok(())
    }

    fn close_batch(&mut self, partition: &P, why: Flush) {
        if let Some(batch) = self.open.remove(partition) {
            self.by_age.remove(&(batch.since, partition.clone()));
            self.due.push_back((batch, why));
        }
    }

    /// The next batch that is due, if one is.
    pub fn take_due(&mut self, now: Duration) -> Option<Batch<P, I, T>> {
        self.close_aged(now);
        self.take_next(now)
    }

    fn close_aged(&mut self, now: Duration) {
        while let Some((since, partition)) = self.by_age.first()
            && now >= *since + self.settings.linger
        {
            let partition = partition.clone();
            self.close_batch(&partition, Flush::Age);
        }
    }

    fn take_next(&mut self, now: Duration) -> Option<Batch<P, I, T>> {
        let (batch, why) = self.due.pop_front()?;
        self.counters.left(batch.records, batch.bytes, why, now.saturating_sub(batch.since));
        Some(batch)
    }

    /// When something is due by its age, if nothing else happens; a time in the past when something is.
    #[must_use]
    pub fn next_due_at(&self) -> Option<Duration> {
        if let Some((first, _)) = self.due.front() {
            return Some(first.since);
        }
        self.by_age.first().map(|(since, _)| *since + self.settings.linger)
    }

    /// Everything that waits, in the order in which it would have been due.
    pub fn flush_all(&mut self, now: Duration) -> Vec<Batch<P, I, T>> {
        self.flush_open(Flush::Asked, now)
    }

    fn flush_open(&mut self, why: Flush, now: Duration) -> Vec<Batch<P, I, T>> {
        while let Some((_, partition)) = self.by_age.first() {
            let partition = partition.clone();
            self.close_batch(&partition, why);
        }
        std::iter::from_fn(|| self.take_next(now)).collect()
    }

    /// Everything of one partition that waits, in its order.
    pub fn flush_partition(&mut self, partition: &P, now: Duration) -> Vec<Batch<P, I, T>> {
        self.close_batch(partition, Flush::Asked);
        let (these, others) =
            std::mem::take(&mut self.due).into_iter().partition(|(batch, _)| batch.partition == *partition);
        self.due = these;
        let flushed = std::iter::from_fn(|| self.take_next(now)).collect();
        self.due = others;
        flushed
    }

    /// Everything that waits; from now on nothing is accepted.
    pub fn close(&mut self, now: Duration) -> Vec<Batch<P, I, T>> {
        self.is_closed = true;
        self.flush_open(Flush::Closed, now)
    }

    /// Runs `append` on a batch and gives each ticket the offset of its item's first record, or the error. `clock` is asked
    /// before and after; a success is what the policy learns from.
    pub fn process<E: Clone>(
        &mut self,
        batch: Batch<P, I, T>,
        mut clock: impl FnMut() -> Duration,
        append: impl FnOnce(&P, &[I]) -> Result<Appended, E>,
    ) -> Vec<(T, Result<i64, E>)> {
        let begin = clock();
        let outcome = append(&batch.partition, &batch.items);
        let end = clock();
        if let Ok(appended) = &outcome {
            self.policy.observe(batch.records, batch.bytes, end.saturating_sub(begin), end);
            self.counters.stored(appended.bytes_stored);
        }
        let mut next = outcome.as_ref().map_or(0, |appended| appended.base_offset);
        let one = |(item, ticket): (&I, T)| {
            let offset = next;
            next += i64::try_from(item.records()).unwrap_or(i64::MAX);
            (ticket, outcome.as_ref().map(|_| offset).map_err(Clone::clone))
        };
        batch.items.iter().zip(batch.tickets).map(one).collect()
    }

    /// How it stands, and what it did.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            pending_batches: self.open.len() + self.due.len(),
            target_batch_size: self.policy.target(),
            avg_throughput: self.policy.throughput(),
            ..self.counters.stats
        }
    }
}

#[cfg(test)]
#[path = "batcher_test.rs"]
mod batcher_test;
