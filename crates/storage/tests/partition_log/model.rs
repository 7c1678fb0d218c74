//! What the logs must look like: every batch in a vector, nothing else.

use std::collections::BTreeMap;

use env::Instant;
use storage::id::PartitionId;
use storage::partition_log::producers::{Producers, Verdict};
use storage::partition_log::{Appended, LogReader, NewBatch, ReadError, ShardLogs};

use crate::batches::as_stored;
use crate::dice::Dice;

#[derive(Clone)]
pub(crate) enum Op {
    Create { partition: PartitionId, epoch_base: i32 },
    Append { partition: PartitionId, batch: NewBatch },
    AdvanceLogStart { partition: PartitionId, offset: i64 },
    Delete { partition: PartitionId },
}

pub(crate) struct Expected {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) max_timestamp: i64,
    pub(crate) offset_of_max_timestamp: i64,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct ModelLog {
    pub(crate) epoch_base: i32,
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    pub(crate) batches: Vec<Expected>,
    pub(crate) producers: Producers,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) logs: BTreeMap<PartitionId, ModelLog>,
}

impl Model {
    pub(crate) fn apply(&mut self, op: &Op) -> Option<Appended> {
        match op {
            Op::Create { partition, epoch_base } => {
                self.logs.entry(*partition).or_default().epoch_base = *epoch_base;
                None
            }
            Op::Delete { partition } => {
                self.logs.remove(partition);
                None
            }
            Op::AdvanceLogStart { partition, offset } => {
                if let Some(log) = self.logs.get_mut(partition) {
                    log.log_start = log.log_start.max((*offset).min(log.log_end));
                }
                None
            }
            Op::Append { partition, batch } => self.logs.get_mut(partition).map(|log| log.append(batch)),
        }
    }
}

impl ModelLog {
    fn append(&mut self, batch: &NewBatch) -> Appended {
        let base_offset = self.log_end;
        if let Some(stamp) = &batch.producer {
            match self.producers.check(stamp) {
                Verdict::Accept => self.producers.record(stamp, base_offset, batch.max_timestamp),
                refused => return Appended::Refused(refused),
            }
        }
        self.log_end += i64::from(batch.last_offset_delta) + 1;
        self.batches.push(Expected {
            base_offset,
            last_offset: self.log_end - 1,
            leader_epoch: batch.leader_epoch,
            max_timestamp: batch.max_timestamp,
            offset_of_max_timestamp: base_offset + i64::from(batch.max_timestamp_delta),
            bytes: as_stored(batch, base_offset),
        });
        Appended::At { base_offset }
    }

    fn readable(&self) -> &[Expected] {
        &self.batches[self.batches.partition_point(|batch| batch.last_offset < self.log_start)..]
    }

    /// Compares everything that can be asked of a log.
    pub(crate) fn check(&self, reader: &LogReader, dice: &mut Dice) {
        let offsets = reader.offsets();
        assert_eq!((offsets.log_start, offsets.high_watermark), (self.log_start, self.log_end));
        assert!(offsets.stored_end <= self.log_end);
        for outside in [self.log_start - 1, self.log_end + 1] {
            assert!(matches!(reader.read(outside, 1), Err(ReadError::OutOfRange { .. })));
        }
        for batch in self.readable() {
            let offset = batch.base_offset + dice.below(batch.bytes.len() as u64 % 9) as i64;
            let offset = offset.clamp(self.log_start, batch.last_offset);
            assert_eq!(reader.epoch_at(offset), Some(batch.leader_epoch));
            if dice.one_in(3) {
                self.check_read(reader, offset, dice.below(3000) as usize);
            }
        }
        self.check_read(reader, self.log_start, usize::MAX);
        assert!(reader.read(self.log_end, 1).unwrap().slices.is_empty());
        assert_eq!(reader.latest_epoch(), self.batches.last().map(|batch| batch.leader_epoch));
        self.check_timestamps(reader, dice);
    }

    fn check_read(&self, reader: &LogReader, start: i64, bytes_max: usize) {
        let read = reader.read(start, bytes_max).unwrap();
        let mut bytes = Vec::new();
        for slice in &read.slices {
            slice.copy_into(&mut bytes).unwrap();
        }
        assert_eq!(bytes.len(), read.bytes);
        let first = self.batches.partition_point(|batch| batch.last_offset < start);
        let (mut expected, mut end) = (Vec::new(), start);
        for batch in &self.batches[first..] {
            if !expected.is_empty() && expected.len() + batch.bytes.len() > bytes_max {
                break;
            }
            expected.extend_from_slice(&batch.bytes);
            end = batch.last_offset + 1;
        }
        assert_eq!(read.end, end);
        assert!(bytes == expected, "read from {start} up to {bytes_max} bytes differs");
    }

    fn check_timestamps(&self, reader: &LogReader, dice: &mut Dice) {
        for timestamp in [-1, dice.below(1000) as i64, dice.below(1000) as i64, 2000] {
            let expected = self.readable().iter().find(|batch| batch.max_timestamp >= timestamp);
            let found = reader.batch_for_timestamp(timestamp).unwrap();
            assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                let mut bytes = Vec::new();
                found.slice.copy_into(&mut bytes).unwrap();
                assert!(bytes == expected.bytes, "the batch for timestamp {timestamp} differs");
                assert_eq!((found.max_timestamp, found.log_start), (expected.max_timestamp, self.log_start));
            }
        }
        let largest = self.readable().iter().map(|batch| batch.max_timestamp).max();
        let found = reader.max_timestamp().unwrap();
        assert_eq!(found.map(|found| found.timestamp), largest);
        let Some(found) = found else { return };
        let expected = self.readable().iter().find(|batch| Some(batch.max_timestamp) == largest).unwrap();
        assert!((expected.base_offset..=expected.last_offset).contains(&found.offset), "{found:?}");
        assert!(found.offset >= self.log_start);
        if self.log_start == 0 {
            assert_eq!(found.offset, expected.offset_of_max_timestamp);
        }
    }
}

/// Applies an operation to the logs under test.
pub(crate) fn apply(logs: &mut ShardLogs, index: u64, op: &Op, now: Instant) -> Option<Appended> {
    match op {
        Op::Create { partition, epoch_base } => {
            logs.create(index, *partition, *epoch_base, now);
            None
        }
        Op::Delete { partition } => {
            logs.delete(index, partition);
            None
        }
        Op::AdvanceLogStart { partition, offset } => {
            logs.advance_log_start(index, partition, *offset, now);
            None
        }
        Op::Append { partition, batch } => {
            let pin = logs.pinned().pin(batch.bytes.len() as u64);
            logs.append(index, partition, &pin, batch.clone(), now)
        }
    }
}
