use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::decode;
use super::encode::{self, Place};
use super::record::{AbortedTransaction, CheckpointRecord, OpenTransaction, PartitionRecord, SegmentRecord};
use crate::id::{PartitionId, ShardId, TopicId};
use crate::partition_log::producers::{ProducerBatch, ProducerEntry};
use crate::partition_log::{EpochStart, IndexMark};

const PLACE: Place = Place { generation: 3, position: 4096 };

pub(super) fn partition_record(index: u64) -> PartitionRecord {
    let batch =
        ProducerBatch { base_sequence: i32::MAX, last_offset_delta: 4, base_offset: 95, timestamp: -1 };
    let segment = SegmentRecord {
        synced: 1000,
        end_offset: 100,
        max_timestamp: 7,
        offset_of_max_timestamp: 3,
        index: IndexMark { entries: 16, crc: 0xfeed_beef },
    };
    let mut producer = ProducerEntry::new(1, &[batch; 3]);
    producer.set_written_at(1_700_000_000_000);
    producer.set_coordinator_epoch(6);
    PartitionRecord {
        partition: PartitionId { topic_id: TopicId([9; 16]), partition: 12 },
        shard: ShardId(2),
        is_whole: true,
        epoch_base: 5,
        index,
        log_start: 2,
        stored_end: 100,
        epochs: Some(vec![EpochStart { epoch: 6, start: 0 }, EpochStart { epoch: 8, start: 50 }]),
        segments: BTreeMap::from([(0, segment)]),
        segments_removed: BTreeSet::new(),
        producers: BTreeMap::from([(77, producer)]),
        producers_removed: BTreeSet::new(),
        open_transactions: Some(vec![OpenTransaction { producer_id: 77, first_offset: 90 }]),
        aborted_transactions: vec![aborted(60)],
    }
}

pub(super) fn aborted(last_offset: i64) -> AbortedTransaction {
    AbortedTransaction { producer_id: 77, first_offset: 2, last_offset, last_stable_offset: 2 }
}

fn change() -> PartitionRecord {
    PartitionRecord {
        is_whole: false,
        epochs: None,
        open_transactions: None,
        segments_removed: BTreeSet::from([-4, 0]),
        producers_removed: BTreeSet::from([1, 2, 3]),
        ..partition_record(9)
    }
}

fn records() -> Vec<CheckpointRecord> {
    let shard = ShardId(2);
    vec![
        CheckpointRecord::Partition(partition_record(8)),
        CheckpointRecord::Partition(change()),
        CheckpointRecord::Partition(PartitionRecord {
            open_transactions: Some(Vec::new()),
            aborted_transactions: Vec::new(),
            ..change()
        }),
        CheckpointRecord::Deleted { partition: partition_record(8).partition, shard },
        CheckpointRecord::Shard { shard, index: 10, state: None },
        CheckpointRecord::Shard { shard, index: 10, state: Some(Bytes::new()) },
        CheckpointRecord::Shard { shard, index: 11, state: Some(Bytes::from_static(b"image")) },
    ]
}

fn encoded(record: &CheckpointRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::record(PLACE, 4000, record, &mut bytes);
    bytes
}

#[test]
fn every_record_comes_back() {
    for record in records() {
        let bytes = encoded(&record);
        assert_eq!(bytes.len() % encode::ALIGNMENT, 0);
        let framed = decode::frame(PLACE, &bytes).unwrap();
        assert_eq!(framed.len, bytes.len());
        assert_eq!(framed.synced, 4000);
        assert_eq!(framed.parse().unwrap(), record);
    }
}

#[test]
fn a_record_is_valid_at_its_place_and_generation_only() {
    let bytes = encoded(&records()[0]);
    assert!(decode::frame(Place { generation: 4, ..PLACE }, &bytes).is_none());
    assert!(decode::frame(Place { position: 8, ..PLACE }, &bytes).is_none());
}

// Any bit that no check covers would be believed after a torn write.
#[test]
fn every_flipped_bit_and_every_missing_byte_is_seen() {
    for record in records() {
        let bytes = encoded(&record);
        let framed = decode::frame(PLACE, &bytes).unwrap();
        let covered = framed.len - framed.padding();
        for len in 0..covered {
            assert!(decode::frame(PLACE, &bytes[..len]).is_none());
        }
        for bit in 0..covered * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::frame(PLACE, &flipped).is_none(), "bit {bit} of {record:?}");
        }
    }
}

// A CRC says nothing about who wrote: bodies are parsed as if they lied.
#[test]
fn a_body_that_lies_is_an_error_and_no_panic() {
    for record in records() {
        let bytes = encoded(&record);
        for at in encode::RECORD_HEADER_BYTES..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut lying = bytes.clone();
                lying[at] = value;
                let crc = {
                    let framed = decode::frame(PLACE, &bytes).unwrap();
                    PLACE.crc_of(&lying[4..framed.len - framed.padding()])
                };
                lying[..4].copy_from_slice(&crc.to_le_bytes());
                if let Some(framed) = decode::frame(PLACE, &lying) {
                    let _ = framed.parse();
                }
            }
        }
    }
}

#[test]
fn the_file_header_is_checked_whole() {
    let header = encode::file_header(3, 4096);
    let read = decode::file_header(&header).unwrap();
    assert_eq!((read.version, read.generation, read.complete), (encode::FORMAT_VERSION, 3, 4096));
    for bit in 0..header.len() * 8 {
        let mut flipped = header;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode::file_header(&flipped).is_none(), "bit {bit}");
    }
}

#[test]
fn records_are_laid_out_as_the_document_draws_them() {
    let shard = ShardId(2);
    let state = Some(Bytes::from_static(&[0xab]));
    let bytes = encoded(&CheckpointRecord::Shard { shard, index: 0x0102, state });
    assert_eq!(bytes[4..8], [9, 0, 0, 0], "length");
    assert_eq!(bytes[8..16], 4000u64.to_le_bytes(), "synced");
    assert_eq!(bytes[16..24], [4, 0, 2, 0, 0, 0, 0, 0], "kind, shard");
    assert_eq!(bytes[24..], [2, 1, 0, 0, 0, 0, 0, 0, 0xab, 0, 0, 0, 0, 0, 0, 0], "body, padding");
}
