//! What a partition remembers of its idempotent producers, and what that says about their next batch.
//!
//! The rules are those of Kafka 4.3.1 for appends by clients (its `ProducerAppendInfo` and `ProducerStateEntry`, seen
//! again by trying): a batch whose epoch and sequences equal one of the last five is a duplicate; an older epoch is
//! fenced; a newer epoch begins at sequence 0; else the base sequence follows the last sequence, and after `i32::MAX`
//! comes 0. A producer of which nothing is known may begin anywhere (KIP-360: its records may have been deleted), so
//! UNKNOWN_PRODUCER_ID is never an answer.
//!
//! Pure: the state after an entry is a function of the log up to it, on every replica alike. Who is forgotten for having
//! written nothing for long, an entry says; no clock is read. Its size is bounded by [`PRODUCERS_MAX`], which is part of
//! that function and therefore no option.

use std::collections::BTreeMap;

use wire::record::header::sequence_after;

/// Batches remembered per producer: a client has at most five requests in flight.
pub const BATCHES_REMEMBERED: usize = 5;

/// Producers remembered per partition. Above it the eighth whose last batch is oldest is forgotten, as if expired.
pub const PRODUCERS_MAX: usize = 65_536;

/// How an idempotent producer marked its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// Producer id, 0 and up.
    pub id: i64,
    /// Producer epoch, 0 and up.
    pub epoch: i16,
    /// Sequence of the first record, 0 and up.
    pub base_sequence: i32,
    /// Offset (and sequence) of the last record relative to the first.
    pub last_offset_delta: i32,
}

impl ProducerStamp {
    fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Accept,
    /// Answer as for the batch that is in the log already.
    Duplicate {
        /// Where the original begins.
        base_offset: i64,
        /// The original's largest timestamp, which Kafka answers as log append time.
        timestamp: i64,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: a batch before it is missing, or was appended longer ago than is remembered.
    OutOfOrder {
        /// The sequence that would have been accepted.
        expected: i32,
    },
    /// INVALID_PRODUCER_EPOCH: a newer instance of the producer has written.
    Fenced {
        /// The epoch in force.
        epoch: i16,
    },
}

/// A batch of a producer that was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProducerBatch {
    /// Sequence of the first record.
    pub base_sequence: i32,
    /// Offset (and sequence) of the last record relative to the first.
    pub last_offset_delta: i32,
    /// Offset of the first record.
    pub base_offset: i64,
    /// The batch's largest timestamp in milliseconds.
    pub timestamp: i64,
}

impl ProducerBatch {
    /// Sequence of the last record.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// A producer's last batches, oldest first, all of one producer epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProducerEntry {
    epoch: i16,
    count: u8,
    coordinator_epoch: i32,
    written_at: i64,
    batches: [ProducerBatch; BATCHES_REMEMBERED],
}

impl ProducerEntry {
    /// A producer of `epoch` with its last batches, oldest first; of more than five the oldest are left out.
    #[must_use]
    pub fn new(epoch: i16, batches: &[ProducerBatch]) -> Self {
        let batches_none = Default::default();
        let mut entry = Self { epoch, count: 0, coordinator_epoch: -1, written_at: 0, batches: batches_none };
        for batch in batches {
            entry.push(*batch);
        }
        entry
    }

    /// The producer epoch in force.
    #[must_use]
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// The time of the entry that brought its last batch: its leader's wall time, in milliseconds.
    #[must_use]
    pub fn written_at(&self) -> i64 {
        self.written_at
    }

    /// Sets [`ProducerEntry::written_at`].
    pub(crate) fn set_written_at(&mut self, time_ms: i64) {
        self.written_at = time_ms;
    }

    /// The epoch of the transaction coordinator that wrote its last marker; -1 when there was none.
    #[must_use]
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// Sets [`ProducerEntry::coordinator_epoch`].
    pub(crate) fn set_coordinator_epoch(&mut self, epoch: i32) {
        self.coordinator_epoch = epoch;
    }

    /// The remembered batches, oldest first.
    #[must_use]
    pub fn batches(&self) -> &[ProducerBatch] {
        &self.batches[..usize::from(self.count)]
    }

    fn push(&mut self, batch: ProducerBatch) {
        let count = usize::from(self.count);
        if count == BATCHES_REMEMBERED {
            self.batches.rotate_left(1);
            self.batches[BATCHES_REMEMBERED - 1] = batch;
        } else {
            self.batches[count] = batch;
            self.count += 1;
        }
    }

    fn last_offset(&self) -> i64 {
        self.batches().last().map_or(-1, |batch| batch.base_offset + i64::from(batch.last_offset_delta))
    }

    fn check(&self, stamp: &ProducerStamp) -> Verdict {
        if stamp.epoch < self.epoch {
            return Verdict::Fenced { epoch: self.epoch };
        }
        if stamp.epoch > self.epoch {
            return if stamp.base_sequence == 0 {
                Verdict::Accept
            } else {
                Verdict::OutOfOrder { expected: 0 }
            };
        }
        let same = |batch: &&ProducerBatch| {
            batch.base_sequence == stamp.base_sequence && batch.last_sequence() == stamp.last_sequence()
        };
        if let Some(original) = self.batches().iter().find(same) {
            return Verdict::Duplicate { base_offset: original.base_offset, timestamp: original.timestamp };
        }
        let expected = self.batches().last().map_or(0, |batch| sequence_after(batch.last_sequence(), 1));
        if stamp.base_sequence == expected { Verdict::Accept } else { Verdict::OutOfOrder { expected } }
    }
}

/// What became of a partition's producers since its last cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducersDelta {
    /// Forgotten; applied first, since a forgotten producer may have come back.
    pub removed: Vec<i64>,
    /// The state of those that appended.
    pub changed: Vec<(i64, ProducerEntry)>,
}

/// A partition's idempotent producers.
#[derive(Debug)]
pub struct Producers {
    entries: BTreeMap<i64, Box<Tracked>>,
    changed: Vec<i64>,
    removed: Vec<i64>,
    count_max: usize,
    /// The newest entry's time.
    time_ms: i64,
    /// No producer's last batch came in an entry of an earlier time.
    written_at_min: i64,
}

#[derive(Debug)]
struct Tracked {
    entry: ProducerEntry,
    /// Its id is in `changed`.
    is_changed: bool,
}

impl Default for Producers {
    fn default() -> Self {
        Self::with_count_max(PRODUCERS_MAX)
    }
}

impl Producers {
    fn with_count_max(count_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            count_max,
            time_ms: 0,
            written_at_min: i64::MAX,
        }
    }

    /// The producers of a checkpoint.
    #[must_use]
    pub fn recovered(entries: impl IntoIterator<Item = (i64, ProducerEntry)>) -> Self {
        let mut producers = Self::default();
        for (id, entry) in entries {
            producers.written_at_min = producers.written_at_min.min(entry.written_at);
            producers.entries.insert(id, Box::new(Tracked { entry, is_changed: false }));
        }
        producers
    }

    /// The time of the entry whose batches are recorded next: its leader's wall time, in milliseconds.
    pub fn set_time(&mut self, time_ms: i64) {
        self.time_ms = time_ms;
    }

    /// What Kafka's rules say about a batch with this stamp.
    #[must_use]
    pub fn check(&self, stamp: &ProducerStamp) -> Verdict {
        self.entries.get(&stamp.id).map_or(Verdict::Accept, |tracked| tracked.entry.check(stamp))
    }

    /// Remembers a batch that was accepted and appended at `base_offset`.
    pub fn record(&mut self, stamp: &ProducerStamp, base_offset: i64, timestamp: i64) {
        let batch = ProducerBatch {
            base_sequence: stamp.base_sequence,
            last_offset_delta: stamp.last_offset_delta,
            base_offset,
            timestamp,
        };
        let tracked = self.entries.entry(stamp.id).or_insert_with(|| {
            Box::new(Tracked { entry: ProducerEntry::new(stamp.epoch, &[]), is_changed: false })
        });
        if tracked.entry.epoch != stamp.epoch {
            let written_at = tracked.entry.written_at;
            tracked.entry = ProducerEntry { written_at, ..ProducerEntry::new(stamp.epoch, &[]) };
        }
        tracked.entry.push(batch);
        // Leaders' clocks differ: a producer's time does not go back with them.
        tracked.entry.written_at = tracked.entry.written_at.max(self.time_ms);
        self.written_at_min = self.written_at_min.min(tracked.entry.written_at);
        if !tracked.is_changed {
            tracked.is_changed = true;
            self.changed.push(stamp.id);
        }
        if self.entries.len() > self.count_max {
            self.forget_oldest();
        }
    }

    /// Forgets those whose last batch came in an entry of `time_ms` or before; true when there was any.
    ///
    /// Called as an entry says, never by a clock: what is forgotten decides what is answered. Cost: nothing while all are
    /// younger, else a look at each.
    pub fn forget_written_until(&mut self, time_ms: i64) -> bool {
        if self.written_at_min > time_ms {
            return false;
        }
        let (removed, mut oldest) = (&mut self.removed, i64::MAX);
        let before = removed.len();
        self.entries.retain(|id, tracked| {
            let is_kept = tracked.entry.written_at > time_ms;
            if is_kept {
                oldest = oldest.min(tracked.entry.written_at);
            } else {
                removed.push(*id);
            }
            is_kept
        });
        self.written_at_min = oldest;
        self.removed.len() > before
    }

    /// A time before which no remembered producer wrote its last batch; `None` when there is none. Milliseconds.
    #[must_use]
    pub fn written_at_min(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.written_at_min)
    }

    /// Producers remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One producer's state.
    #[must_use]
    pub fn entry(&self, id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&id).map(|tracked| &tracked.entry)
    }

    /// All producers' state, in order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.entries.iter().map(|(id, tracked)| (*id, &tracked.entry))
    }

    /// Forgets all and remembers `entries`, as another replica has them.
    pub fn replace(&mut self, entries: &[(i64, ProducerEntry)]) {
        let before = std::mem::take(&mut self.entries);
        self.entries = entries
            .iter()
            .map(|(id, entry)| (*id, Box::new(Tracked { entry: entry.clone(), is_changed: true })))
            .collect();
        self.changed = self.entries.keys().copied().collect();
        let times = self.entries.values().map(|tracked| tracked.entry.written_at);
        self.written_at_min = times.min().unwrap_or(i64::MAX);
        self.removed.extend(before.into_keys().filter(|id| !self.entries.contains_key(id)));
    }

    /// What changed since the last call: it goes into a cut.
    #[must_use]
    pub fn take_delta(&mut self) -> ProducersDelta {
        let mut delta = ProducersDelta { removed: std::mem::take(&mut self.removed), changed: Vec::new() };
        delta.changed.reserve_exact(self.changed.len());
        for id in std::mem::take(&mut self.changed) {
            // One that was forgotten since is listed in `changed` still, or twice when it came back.
            if let Some(tracked) = self.entries.get_mut(&id)
                && std::mem::take(&mut tracked.is_changed)
            {
                delta.changed.push((id, tracked.entry.clone()));
            }
        }
        delta
    }

    fn forget_oldest(&mut self) {
        let mut by_age: Vec<(i64, i64)> =
            self.entries.iter().map(|(id, tracked)| (tracked.entry.last_offset(), *id)).collect();
        by_age.sort_unstable();
        by_age.truncate((self.count_max / 8).max(1));
        for (_, id) in by_age {
            self.entries.remove(&id);
            self.removed.push(id);
        }
    }
}

#[cfg(test)]
#[path = "producers_test.rs"]
mod producers_test;
