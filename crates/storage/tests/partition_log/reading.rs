//! What readers get: exact bytes, whole batches, at any boundary between segments and tail.

use storage::partition_log::{LogRead, LogSlice};
use wire::record::{BatchHeader, batches};

use crate::batches::{Spec, as_stored, batch, partition};
use crate::dice::Dice;
use crate::model::Op;
use crate::node::{Node, options};

fn node(batches: u8) -> Node {
    let mut node = Node::new(1, options(100_000, 600));
    node.apply(0, vec![Op::Create { partition: partition(0), epoch_base: 0 }]);
    for fill in 0..batches {
        let batch = batch(&Spec { count: 3, ..Spec::default() }, fill);
        node.apply(0, vec![Op::Append { partition: partition(0), batch }]);
    }
    node
}

fn bytes_of(read: &LogRead) -> Vec<u8> {
    let mut bytes = Vec::new();
    for slice in &read.slices {
        let before = bytes.len();
        slice.copy_into(&mut bytes).unwrap();
        assert_eq!(bytes.len() - before, slice.len());
    }
    bytes
}

#[test]
fn a_batch_in_memory_differs_from_what_was_sent_in_offset_and_epoch_only() {
    let node = node(2);
    let sent = batch(&Spec { count: 3, ..Spec::default() }, 1);
    let read = node.shards[0].logs.log(&partition(0)).unwrap().reader().read(4, 1).unwrap();
    assert!(matches!(read.slices[..], [LogSlice::Memory { base_offset: 3, leader_epoch: 1, .. }]));
    let bytes = bytes_of(&read);
    assert_eq!(bytes, as_stored(&sent, 3));
    assert_eq!(bytes[..8], 3i64.to_be_bytes());
    assert_eq!(bytes[12..16], 1i32.to_be_bytes());
    assert_eq!((&bytes[8..12], &bytes[16..]), (&sent.bytes[8..12], &sent.bytes[16..]));
}

#[test]
fn a_segment_holds_the_same_bytes_as_the_tail_did() {
    let mut node = node(20);
    let reader = node.shards[0].logs.log(&partition(0)).unwrap().reader();
    let from_tail = bytes_of(&reader.read(0, usize::MAX).unwrap());
    node.drain();
    assert_eq!(reader.offsets().stored_end, 60);
    let read = reader.read(0, usize::MAX).unwrap();
    assert!(matches!(read.slices[..], [LogSlice::File { position: 0, .. }]));
    assert_eq!(bytes_of(&read), from_tail);
    let segment = format!("data/partitions/{}-0/00000000000000000000.log", "00".repeat(16));
    assert_eq!(node.disk.bytes(segment.as_ref()), from_tail);
}

#[test]
fn one_read_goes_on_from_segments_into_the_tail() {
    let mut node = node(10);
    node.drain();
    let batch = batch(&Spec { count: 3, ..Spec::default() }, 99);
    node.apply(0, vec![Op::Append { partition: partition(0), batch }]);
    let read = node.shards[0].logs.log(&partition(0)).unwrap().reader().read(25, usize::MAX).unwrap();
    assert!(matches!(read.slices[..], [LogSlice::File { .. }, LogSlice::Memory { base_offset: 30, .. }]));
    node.check(&mut Dice::new(1));
}

#[test]
fn slices_outlive_the_store_of_their_batches() {
    let mut node = node(10);
    let reader = node.shards[0].logs.log(&partition(0)).unwrap().reader();
    let read = reader.read(0, usize::MAX).unwrap();
    let before = bytes_of(&read);
    node.drain();
    assert_eq!(bytes_of(&read), before);
}

#[test]
fn a_log_without_batches_is_read_at_its_end_only() {
    let node = node(0);
    let reader = node.shards[0].logs.log(&partition(0)).unwrap().reader();
    assert!(reader.read(0, 1).unwrap().slices.is_empty());
    assert!(reader.read(1, 1).is_err());
    assert!(reader.max_timestamp().unwrap().is_none());
    assert!(reader.batch_for_timestamp(0).unwrap().is_none());
    assert_eq!(
        [-1, 0, 3, 4].map(|epoch| reader.end_of_epoch(epoch, 3)),
        [None, Some((0, 0)), Some((3, 0)), None]
    );
}

// Of a file the index may tell where a range ends; what it says has to be what the batches say.
#[test]
fn a_read_says_at_which_offset_it_ends() {
    let mut node = Node::new(1, options(1 << 20, 1 << 20));
    node.apply(0, vec![Op::Create { partition: partition(0), epoch_base: 0 }]);
    for fill in 0..120 {
        let batch = batch(&Spec { count: 3, payload: 1000, ..Spec::default() }, fill);
        node.apply(0, vec![Op::Append { partition: partition(0), batch }]);
    }
    node.drain();
    let reader = node.shards[0].logs.log(&partition(0)).unwrap().reader();
    let mut ended_early = 0;
    for (start, len) in [(0, 1), (0, 50_000), (1, 50_000), (0, 20_000), (48, 40_000), (200, 70_000), (359, 9)]
    {
        let (mut next, mut ends) = (start, Vec::new());
        while next < 360 {
            let read = reader.read(next, len).unwrap();
            let bytes = bytes_of(&read);
            let mut last = next;
            for batch in batches(&bytes) {
                last = BatchHeader::parse(batch.unwrap()).unwrap().last_offset() + 1;
            }
            assert_eq!(read.end, last, "from {next}, {len} bytes");
            ends.push(last);
            next = last;
        }
        ended_early += ends.len() - 1;
    }
    assert!(ended_early > 100);
}
