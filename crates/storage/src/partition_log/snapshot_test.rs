//! A replica that takes over another one's state.

use bytes::Bytes;
use env::Instant;
use wire::record::{BatchHeader, Builder, Codec};

use super::producers::ProducerStamp;
use super::*;
use crate::id::{PartitionId, ShardId, TopicId};

const PARTITION: PartitionId = PartitionId { topic_id: TopicId([7; 16]), partition: 3 };

fn logs() -> ShardLogs {
    ShardLogs::new(ShardId(1), DueLimits::default(), PinnedBytes::new(), 0, [])
}

fn batch(base_sequence: i32, count: i32) -> NewBatch {
    let producer = ProducerStamp { id: 5, epoch: 0, base_sequence, last_offset_delta: count - 1 };
    NewBatch {
        bytes: Bytes::from(vec![0; 80]),
        leader_epoch: 1,
        last_offset_delta: count - 1,
        max_timestamp: 10,
        max_timestamp_delta: 0,
        producer: Some(producer),
    }
}

fn append(logs: &mut ShardLogs, index: u64, sequence: i32) -> Option<Appended> {
    let pin = logs.pinned().pin(80);
    logs.append(index, &PARTITION, &pin, batch(sequence, 10), Instant::now())
}

/// A log of three batches of ten records, by entries 2 to 4.
fn sender() -> ShardLogs {
    let mut logs = logs();
    logs.create(1, PARTITION, 0, Instant::now());
    for (index, sequence) in [(2, 0), (3, 10), (4, 20)] {
        append(&mut logs, index, sequence).unwrap();
    }
    logs
}

fn stored(base_offset: i64) -> StoredBatch {
    StoredBatch { base_offset, batch: batch(0, 10) }
}

fn state(logs: &ShardLogs, applied: u64) -> PartitionState {
    logs.states(applied).pop().unwrap()
}

/// Where the receiver stands must not matter: it may know nothing, or all but the last batch.
#[test]
fn a_replica_that_takes_over_a_state_has_it() {
    let sender = sender();
    let mut empty = logs();
    empty.install(&state(&sender, 4), vec![stored(0), stored(10), stored(20)], Instant::now()).unwrap();
    let mut behind = logs();
    behind.create(1, PARTITION, 0, Instant::now());
    append(&mut behind, 2, 0).unwrap();
    append(&mut behind, 3, 10).unwrap();
    behind.install(&state(&sender, 4), vec![stored(10), stored(20)], Instant::now()).unwrap();
    for mut receiver in [empty, behind] {
        assert_eq!(state(&receiver, 4), state(&sender, 4));
        let again = append(&mut receiver, 5, 20).unwrap();
        assert!(matches!(again, Appended::Refused(producers::Verdict::Duplicate { base_offset: 20, .. })));
        assert_eq!(append(&mut receiver, 6, 30), Some(Appended::At { base_offset: 30 }));
    }
}

/// After a restart a partition may be ahead of the log that the shard still has to apply.
#[test]
fn what_is_ahead_of_a_state_stays_and_its_entries_are_skipped() {
    let ahead = state(&sender(), 9);
    let mut receiver = logs();
    receiver.install(&ahead, vec![stored(0), stored(10), stored(20)], Instant::now()).unwrap();
    let older = PartitionState { index: 4, log_end: 10, ..ahead.clone() };
    assert!(receiver.install(&older, vec![stored(0)], Instant::now()).unwrap().is_none());
    assert_eq!(append(&mut receiver, 9, 30), Some(Appended::Replayed));
    assert_eq!(state(&receiver, 9), ahead);
    assert_eq!(receiver.delete_unknown(8, |_| false), []);
    assert_eq!(receiver.delete_unknown(9, |_| false), [PARTITION]);
}

/// Half a state would be one that no replica ever had.
#[test]
fn a_state_with_a_gap_changes_nothing() {
    let sender = sender();
    let mut receiver = logs();
    receiver.create(1, PARTITION, 0, Instant::now());
    append(&mut receiver, 2, 0).unwrap();
    let before = state(&receiver, 2);
    for batches in [vec![stored(20)], vec![stored(10)], vec![]] {
        assert!(receiver.install(&state(&sender, 4), batches, Instant::now()).is_err());
        assert_eq!(state(&receiver, 2), before);
    }
}

/// The sender has merged what is here with what is not: its batches are cut otherwise.
#[test]
fn a_batch_that_reaches_back_over_the_logs_end_is_taken_from_there_on() {
    let sender = sender();
    let mut receiver = logs();
    receiver.create(1, PARTITION, 0, Instant::now());
    append(&mut receiver, 2, 0).unwrap();
    let mut builder = Builder::new(Codec::Lz4.into()).base_offset(5);
    for offset in 5..30i64 {
        builder.append(if offset == 12 { 99 } else { offset }, None, Some(&[7]), &[]).unwrap();
    }
    let merged = NewBatch {
        bytes: builder.finish().unwrap().into(),
        last_offset_delta: 24,
        max_timestamp: 99,
        max_timestamp_delta: 7,
        producer: None,
        ..batch(0, 1)
    };
    let batches = vec![StoredBatch { base_offset: 5, batch: merged }];
    let reader = receiver.install(&state(&sender, 4), batches, Instant::now()).unwrap().unwrap();
    assert_eq!(state(&receiver, 4), state(&sender, 4));
    let read = reader.read(10, 1000).unwrap();
    let mut bytes = Vec::new();
    read.slices.iter().for_each(|slice| slice.copy_into(&mut bytes).unwrap());
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!((header.base_offset, header.last_offset(), header.record_count), (10, 29, 20));
    let largest = reader.max_timestamp().unwrap().unwrap();
    assert_eq!((largest.timestamp, largest.offset), (99, 12));
}

/// Retention may have deleted at the sender what would come next here.
#[test]
fn a_log_that_ends_before_the_others_begin_begins_anew() {
    let mut sender = sender();
    sender.advance_log_start(5, &PARTITION, 20, Instant::now());
    let mut receiver = logs();
    receiver.create(1, PARTITION, 0, Instant::now());
    append(&mut receiver, 2, 0).unwrap();
    let old = receiver.log(&PARTITION).unwrap().reader();
    let new = receiver.install(&state(&sender, 5), vec![stored(20)], Instant::now()).unwrap().unwrap();
    assert_eq!(state(&receiver, 5), state(&sender, 5));
    assert!(matches!(old.read(10, 100), Err(ReadError::Deleted)));
    assert_eq!(new.offsets(), LogOffsets { log_start: 20, stored_end: 20, high_watermark: 30 });
    let kinds = receiver.maintain_all(5, 5).works;
    assert!(matches!(kinds[..], [Work::Delete { .. }, Work::Store(_), Work::Covered { index: 5, .. }]));
}

/// Where a checkpoint covers more than the log has, old entries and an old snapshot come again, not what deleted it.
#[test]
fn what_is_covered_and_not_there_was_deleted() {
    let mut receiver = ShardLogs::new(ShardId(1), DueLimits::default(), PinnedBytes::new(), 6, []);
    assert!(receiver.create(1, PARTITION, 0, Instant::now()).is_none());
    let batches = vec![stored(0), stored(10), stored(20)];
    assert!(receiver.install(&state(&sender(), 4), batches, Instant::now()).unwrap().is_none());
    assert_eq!(receiver.logs().count(), 0);
    assert!(receiver.create(7, PARTITION, 0, Instant::now()).is_some());
}
