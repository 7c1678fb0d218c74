//! What a shard's logs must be: every batch in a vector, every rule written down a second time.
//!
//! A pure function of the entries, in order.

use std::collections::{BTreeMap, VecDeque};

use storage::id::PartitionId;
use storage::partition_log::producers::{ProducerStamp, Producers, Verdict};
use storage::partition_log::{Appended, LogReader, PartitionLog, ReadError, ShardLogs};
use wire::record::header::{BASE_OFFSET_AT, PARTITION_LEADER_EPOCH_AT};

use super::entry::{Batch, Entry, Op, PRODUCERS, after, below};
use crate::dice::Dice;
use crate::records;

/// Fails a check with a line that says how.
macro_rules! hold {
    ($holds:expr, $($says:tt)*) => {
        if !$holds {
            return Err(format!($($says)*));
        }
    };
}
pub(super) use hold;

/// Batches of a producer that count as sent.
const REMEMBERED: usize = 5;

/// A batch as consumers get it.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) bytes: Vec<u8>,
    /// Offset and identity of each record, where batches are merged.
    records: Vec<(i64, u32)>,
    timestamps: Vec<i64>,
    leader_epoch: i32,
}

/// A producer's epoch and its last batches: base and last sequence, base offset, timestamp.
#[derive(Clone, Default)]
struct Producer {
    /// Of the newest entry that it wrote in.
    time_ms: i64,
    epoch: i16,
    last: VecDeque<(i32, i32, i64, i64)>,
}

/// One partition's log.
#[derive(Clone, Default)]
pub(super) struct Log {
    /// Its batches may have been merged with their neighbours: then records are compared.
    pub(super) is_merged: bool,
    epoch_base: i32,
    pub(super) log_start: i64,
    pub(super) log_end: i64,
    pub(super) batches: Vec<Stored>,
    producers: BTreeMap<i64, Producer>,
}

/// A shard's logs after some of its entries.
#[derive(Clone)]
pub(super) struct Model {
    is_merged: bool,
    pub(super) logs: BTreeMap<PartitionId, Log>,
}

impl Model {
    /// Without entries, of a node that merges batches or does not.
    pub(super) fn new(is_merged: bool) -> Self {
        Self { is_merged, logs: BTreeMap::new() }
    }

    /// Applies an entry; what its appends are to be answered.
    pub(super) fn apply(&mut self, entry: &Entry) -> Vec<Option<Appended>> {
        let mut answers = Vec::new();
        for op in &entry.ops {
            match op {
                Op::Create { partition, epoch_base } => {
                    let is_merged = self.is_merged;
                    let new = || Log { is_merged, epoch_base: *epoch_base, ..Log::default() };
                    self.logs.entry(*partition).or_insert_with(new);
                }
                Op::Delete { partition } => drop(self.logs.remove(partition)),
                Op::AdvanceLogStart { partition, offset } => {
                    if let Some(log) = self.logs.get_mut(partition) {
                        log.log_start = log.log_start.max((*offset).min(log.log_end));
                    }
                }
                Op::ForgetProducers { time_ms } => {
                    for log in self.logs.values_mut() {
                        log.producers.retain(|_, producer| producer.time_ms > *time_ms);
                    }
                }
                Op::Append { partition, batch } => {
                    answers.push(self.logs.get_mut(partition).map(|log| log.append(entry, batch)));
                }
            }
        }
        answers
    }

    /// Compares everything that can be asked of the logs.
    pub(super) fn check(&self, logs: &ShardLogs, dice: &mut Dice) -> Result<(), String> {
        for log in logs.logs() {
            let partition = log.partition();
            hold!(self.logs.contains_key(&partition), "{partition:?} is there, though it is deleted");
        }
        for (partition, expected) in &self.logs {
            let log = logs.log(partition).ok_or_else(|| format!("{partition:?} is gone"))?;
            expected.check(log, dice).map_err(|broken| format!("{partition:?}: {broken}"))?;
        }
        Ok(())
    }
}

impl Log {
    fn append(&mut self, entry: &Entry, batch: &Batch) -> Appended {
        let base_offset = self.log_end;
        if let Some(stamp) = &batch.producer {
            match self.verdict(stamp) {
                Verdict::Accept => self.remember(stamp, base_offset, batch.max_timestamp, entry.time_ms),
                refused => return Appended::Refused(refused),
            }
        }
        self.log_end += i64::from(batch.count);
        let leader_epoch = self.epoch_base + i32::try_from(entry.term).expect("a few terms");
        let mut bytes = entry.payload[batch.at.clone()].to_vec();
        bytes[BASE_OFFSET_AT..BASE_OFFSET_AT + 8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[PARTITION_LEADER_EPOCH_AT..PARTITION_LEADER_EPOCH_AT + 4]
            .copy_from_slice(&leader_epoch.to_be_bytes());
        let records = records::of_batches(&bytes).expect("the author's batches can be read");
        self.batches.push(Stored {
            base_offset,
            last_offset: self.log_end - 1,
            records: if self.is_merged { records } else { Vec::new() },
            bytes,
            timestamps: batch.timestamps.clone(),
            leader_epoch,
        });
        Appended::At { base_offset }
    }

    fn verdict(&self, stamp: &ProducerStamp) -> Verdict {
        let Some(known) = self.producers.get(&stamp.id) else { return Verdict::Accept };
        if stamp.epoch < known.epoch {
            return Verdict::Fenced { epoch: known.epoch };
        }
        let last = after(stamp.base_sequence, i64::from(stamp.last_offset_delta));
        let is_same = |sent: &&(i32, i32, i64, i64)| (sent.0, sent.1) == (stamp.base_sequence, last);
        let same_epoch = stamp.epoch == known.epoch;
        if let Some(original) = known.last.iter().find(is_same).filter(|_| same_epoch) {
            return Verdict::Duplicate { base_offset: original.2, timestamp: original.3 };
        }
        let newest = known.last.back().filter(|_| same_epoch);
        let expected = newest.map_or(0, |newest| after(newest.1, 1));
        if stamp.base_sequence == expected { Verdict::Accept } else { Verdict::OutOfOrder { expected } }
    }

    fn remember(&mut self, stamp: &ProducerStamp, base_offset: i64, timestamp: i64, time_ms: i64) {
        let known = self.producers.entry(stamp.id).or_default();
        if known.epoch != stamp.epoch {
            known.epoch = stamp.epoch;
            known.last.clear();
        }
        known.time_ms = known.time_ms.max(time_ms);
        let last = after(stamp.base_sequence, i64::from(stamp.last_offset_delta));
        known.last.push_back((stamp.base_sequence, last, base_offset, timestamp));
        if known.last.len() > REMEMBERED {
            known.last.pop_front();
        }
    }

    /// The batches that may be read.
    pub(super) fn readable(&self) -> &[Stored] {
        &self.batches[self.batches.partition_point(|batch| batch.last_offset < self.log_start)..]
    }

    /// Compares everything that can be asked of a log.
    pub(super) fn check(&self, log: &PartitionLog, dice: &mut Dice) -> Result<(), String> {
        let reader = log.reader();
        hold!(log.epoch_base() == self.epoch_base, "the epoch base is {}", log.epoch_base());
        self.check_bounds(&reader)?;
        for at in 0..self.readable().len() {
            let batch = &self.readable()[at];
            let offset = batch.base_offset + below(dice, batch.last_offset - batch.base_offset + 1);
            let offset = offset.max(self.log_start);
            let epoch = reader.epoch_at(offset);
            hold!(epoch == Some(batch.leader_epoch), "the epoch at {offset} is {epoch:?}");
            if dice.chance(30) {
                self.check_read(&reader, offset, dice.index(3000))?;
            }
        }
        self.check_read(&reader, self.log_start, usize::MAX)?;
        self.check_epochs(&reader)?;
        self.check_timestamps(&reader, dice)?;
        self.check_producers(log.producers())
    }

    fn check_bounds(&self, reader: &LogReader) -> Result<(), String> {
        let found = reader.offsets();
        let (log_start, log_end) = (self.log_start, self.log_end);
        let right = (found.log_start, found.high_watermark) == (log_start, log_end);
        hold!(right && found.stored_end <= log_end, "{found:?}, should be {log_start} to {log_end}");
        for outside in [log_start - 1, log_end + 1] {
            let refused = matches!(reader.read(outside, 1), Err(ReadError::OutOfRange { .. }));
            hold!(refused, "offset {outside} can be read");
        }
        Ok(())
    }

    /// Reads from somewhere, as a consumer may at any moment.
    pub(super) fn check_some_read(&self, reader: &LogReader, dice: &mut Dice) -> Result<(), String> {
        let start = self.log_start + below(dice, self.log_end - self.log_start + 1);
        self.check_read(reader, start, dice.index(2000))
    }

    /// What a read from `start` of about `bytes_max` bytes gives.
    pub(super) fn expect_read(&self, start: i64, bytes_max: usize) -> Vec<u8> {
        let first = self.batches.partition_point(|batch| batch.last_offset < start);
        let mut expected = Vec::new();
        for batch in &self.batches[first..] {
            if !expected.is_empty() && expected.len() + batch.bytes.len() > bytes_max {
                break;
            }
            expected.extend_from_slice(&batch.bytes);
        }
        expected
    }

    fn check_read(&self, reader: &LogReader, start: i64, bytes_max: usize) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("no read from {start}: {error}");
        let read = reader.read(start, bytes_max).map_err(|error| failed(&error))?;
        let mut bytes = Vec::new();
        for slice in &read.slices {
            slice.copy_into(&mut bytes).map_err(|error| failed(&error))?;
        }
        hold!(bytes.len() == read.bytes, "a read says {} bytes and has {}", read.bytes, bytes.len());
        if self.is_merged {
            return self.check_records(&bytes, start, bytes_max);
        }
        let expected = self.expect_read(start, bytes_max);
        let right = bytes == expected;
        hold!(right, "{} bytes from {start} are not the {} that are right", bytes.len(), expected.len());
        Ok(())
    }

    /// `bytes` are whole batches, the first with the record at `start`, and no more than was asked for but for one batch.
    fn check_records(&self, bytes: &[u8], start: i64, bytes_max: usize) -> Result<(), String> {
        let found = records::of_batches(bytes).map_err(|error| format!("a read from {start}: {error}"))?;
        let (Some((first, _)), Some((last, _))) = (found.first(), found.last()) else {
            hold!(start >= self.log_end, "a read from {start} gives nothing");
            return Ok(());
        };
        hold!((*first..=*last).contains(&start), "a read from {start} gives {first} to {last}");
        let batches = wire::record::batches(bytes).count();
        hold!(batches == 1 || bytes.len() <= bytes_max, "{} bytes instead of {bytes_max}", bytes.len());
        self.check_content(&found)
    }

    /// `found` are records that follow each other.
    pub(super) fn check_content(&self, found: &[(i64, u32)]) -> Result<(), String> {
        let first = found.first().map_or(self.log_end, |(offset, _)| *offset);
        let from = self.batches.partition_point(|batch| batch.last_offset < first);
        let all = self.batches[from..].iter().flat_map(|batch| &batch.records);
        let mut expected = all.skip_while(|(offset, _)| *offset < first);
        for record in found {
            let expected = expected.next();
            hold!(expected == Some(record), "the record {record:?} should be {expected:?}");
        }
        Ok(())
    }

    fn check_epochs(&self, reader: &LogReader) -> Result<(), String> {
        let latest = self.batches.last().map(|batch| batch.leader_epoch);
        hold!(reader.latest_epoch() == latest, "the latest epoch is {:?}", reader.latest_epoch());
        let Some(latest) = latest else { return Ok(()) };
        let behind = self.batches.partition_point(|batch| batch.base_offset <= self.log_start);
        let in_force = self.batches[behind.saturating_sub(1)].leader_epoch;
        for epoch in in_force..=latest {
            let above = self.batches.partition_point(|batch| batch.leader_epoch <= epoch);
            let end = self.batches.get(above).map_or(self.log_end, |next| next.base_offset);
            let expected = Some((self.batches[above.saturating_sub(1)].leader_epoch, end));
            let found = reader.end_of_epoch(epoch, latest);
            hold!(found == expected, "epoch {epoch} ends at {found:?}, should at {expected:?}");
        }
        hold!(reader.end_of_epoch(latest + 1, latest).is_none(), "an epoch to come has an end");
        Ok(())
    }

    fn check_timestamps(&self, reader: &LogReader, dice: &mut Dice) -> Result<(), String> {
        for timestamp in [-1, below(dice, 1000), 2000] {
            let mut all = self.readable_timestamps();
            let expected = all.find(|(_, found)| *found >= timestamp).map(|(offset, _)| offset);
            let found = self.first_at(reader, timestamp)?;
            hold!(found == expected, "timestamp {timestamp} is at {found:?}, should be at {expected:?}");
        }
        // Of equal ones the first.
        let largest = self.readable_timestamps().max_by_key(|(offset, timestamp)| (*timestamp, -*offset));
        let found = reader.max_timestamp().map_err(|error| error.to_string())?;
        let is_right = match (&found, largest) {
            (Some(found), Some((offset, timestamp))) => {
                let is_there = if found.is_exact { found.offset == offset } else { found.offset <= offset };
                found.timestamp == timestamp && is_there && found.offset >= self.log_start
            }
            (None, None) => true,
            _ => false,
        };
        hold!(is_right, "the largest timestamp is {found:?}, should be {largest:?}");
        Ok(())
    }

    /// Offset and timestamp of all records that may be read.
    fn readable_timestamps(&self) -> impl Iterator<Item = (i64, i64)> {
        let one = |batch: &Stored| (batch.base_offset..).zip(batch.timestamps.clone()).collect::<Vec<_>>();
        self.readable().iter().flat_map(one).filter(|(offset, _)| *offset >= self.log_start)
    }

    /// The first record of `timestamp` or later, looked for as the broker does.
    fn first_at(&self, reader: &LogReader, timestamp: i64) -> Result<Option<i64>, String> {
        let mut from = i64::MIN;
        loop {
            let found =
                reader.batch_for_timestamp_from(timestamp, from).map_err(|error| error.to_string())?;
            let Some(found) = found else { return Ok(None) };
            let mut bytes = Vec::new();
            found.slice.copy_into(&mut bytes).map_err(|error| error.to_string())?;
            let records = records::of_batches(&bytes).map_err(|error| error.to_string())?;
            if self.is_merged {
                self.check_content(&records)?;
            }
            let inside = |offset: i64| records.iter().any(|(known, _)| *known == offset);
            let mut readable = self.readable_timestamps();
            if let Some((offset, _)) = readable.find(|(offset, found)| inside(*offset) && *found >= timestamp)
            {
                return Ok(Some(offset));
            }
            let Some((last, _)) = records.last() else { return Err("a batch without records".to_owned()) };
            // All records of that time lie before the log start, which cuts the batch.
            hold!(
                records[0].0 < self.log_start,
                "a batch without the timestamp {timestamp} is found at {last}"
            );
            from = last + 1;
        }
    }

    /// Asks what would become of every batch that a producer may send now.
    fn check_producers(&self, producers: &Producers) -> Result<(), String> {
        for id in 0..PRODUCERS {
            let epoch = self.producers.get(&id).map_or(0, |known| known.epoch);
            let sent = self.producers.get(&id).into_iter().flat_map(|known| &known.last);
            let mut stamps = vec![(epoch - 1, 0, 0), (epoch + 1, 0, 0), (epoch + 1, 1, 1), (epoch, 77, 78)];
            for (base, last, ..) in sent {
                let next = after(*last, 1);
                stamps.extend([(epoch, *base, *last), (epoch, next, next), (epoch, *base, after(*last, 1))]);
            }
            for (epoch, base_sequence, last) in stamps {
                let count = (i64::from(last) - i64::from(base_sequence)).rem_euclid(1 << 31);
                let last_offset_delta = i32::try_from(count).expect("below 2^31");
                let stamp = ProducerStamp { id, epoch, base_sequence, last_offset_delta };
                let (found, expected) = (producers.check(&stamp), self.verdict(&stamp));
                hold!(found == expected, "{stamp:?} is {found:?}, should be {expected:?}");
            }
        }
        Ok(())
    }
}
