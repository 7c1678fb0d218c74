//! What an advanced log start takes away: whole segments, the active one too, and what was never stored.

use storage::partition_log::{LogExtent, LogReader, ReadError, RollLimits, SegmentExtent, Work};

use crate::batches::{Spec, batch, partition};
use crate::dice::Dice;
use crate::model::Op;
use crate::node::{Node, options};

/// Bytes of one of the batches here.
const BATCH_BYTES: u64 = 101;

/// `batches` batches of three records; six of them fill a segment.
fn node(batches: u8) -> Node {
    let mut node = Node::new(1, options(6 * BATCH_BYTES, 600));
    node.apply(0, vec![Op::Create { partition: partition(0), epoch_base: 0 }]);
    append(&mut node, batches);
    node
}

fn append(node: &mut Node, batches: u8) {
    for fill in 0..batches {
        let batch = batch(&Spec { count: 3, max_timestamp: i64::from(fill), ..Spec::default() }, fill);
        assert_eq!(batch.bytes.len() as u64, BATCH_BYTES);
        node.apply(0, vec![Op::Append { partition: partition(0), batch }]);
    }
}

fn advance(node: &mut Node, offset: i64) {
    node.apply(0, vec![Op::AdvanceLogStart { partition: partition(0), offset }]);
}

fn reader(node: &Node) -> LogReader {
    node.shards[0].logs.log(&partition(0)).unwrap().reader()
}

/// Base offsets of the segment files.
fn files(node: &Node) -> Vec<i64> {
    let names = node.disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    let mut bases: Vec<i64> = names.filter_map(|path| path.file_stem()?.to_str()?.parse().ok()).collect();
    bases.sort_unstable();
    bases
}

// The segment that is appended to is a file like the others: without this an emptied log would keep it for ever.
#[test]
fn a_log_whose_records_are_all_deleted_takes_no_space() {
    let mut node = node(15);
    node.drain();
    assert_eq!(files(&node), [0, 18, 36]);
    advance(&mut node, 45);
    node.drain();
    node.step(false);
    assert_eq!(files(&node), [] as [i64; 0]);
    assert_eq!(reader(&node).extent().unwrap(), LogExtent { log_start: 45, log_end: 45, segments: vec![] });
    append(&mut node, 2);
    node.drain();
    assert_eq!(files(&node), [45]);
    node.crash(&mut Dice::new(1));
    node.check(&mut Dice::new(1));
    append(&mut node, 1);
    node.drain();
    assert_eq!(files(&node), [45]);
    node.check(&mut Dice::new(1));
}

#[test]
fn a_restart_finds_an_emptied_log_where_it_ended() {
    for checkpointed in [false, true] {
        let mut node = node(15);
        node.drain();
        advance(&mut node, 45);
        if checkpointed {
            node.drain();
        }
        node.shards[0].flushed = node.shards[0].applied();
        node.crash(&mut Dice::new(7));
        let offsets = reader(&node).offsets();
        assert_eq!((offsets.log_start, offsets.high_watermark), (45, 45));
        append(&mut node, 1);
        node.drain();
        node.step(false);
        assert_eq!(files(&node), [45]);
        node.check(&mut Dice::new(7));
    }
}

// A batch that the log start cuts is kept whole, those before it are not worth a write.
#[test]
fn records_that_were_deleted_before_they_were_stored_are_never_stored() {
    let mut node = node(5);
    advance(&mut node, 7);
    node.drain();
    assert_eq!(files(&node), [6]);
    let reader = reader(&node);
    assert!(matches!(reader.read(6, 1), Err(ReadError::OutOfRange { log_start: 7, .. })));
    assert_eq!(reader.read(7, usize::MAX).unwrap().bytes as u64, 3 * BATCH_BYTES);
    node.check(&mut Dice::new(3));
}

#[test]
fn segments_go_when_the_log_start_has_passed_their_end_and_not_before() {
    let mut node = node(15);
    node.drain();
    for (log_start, left) in [(17, vec![0, 18, 36]), (18, vec![18, 36]), (44, vec![36]), (45, vec![])] {
        advance(&mut node, log_start);
        node.drain();
        node.step(false);
        assert_eq!(files(&node), left, "log start {log_start}");
        node.check(&mut Dice::new(5));
    }
}

// Who began to read before goes on reading what it saw: files go with their last holder.
#[test]
fn a_read_that_began_before_the_deletion_gets_its_bytes() {
    let mut node = node(15);
    node.drain();
    let before = reader(&node).read(0, usize::MAX).unwrap();
    advance(&mut node, 45);
    node.drain();
    node.step(false);
    let mut bytes = Vec::new();
    before.slices.iter().for_each(|slice| slice.copy_into(&mut bytes).unwrap());
    assert_eq!(bytes.len() as u64, 15 * BATCH_BYTES);
}

#[test]
fn an_extent_counts_the_tail_to_the_last_segment() {
    let mut node = node(8);
    node.drain();
    append(&mut node, 2);
    advance(&mut node, 1);
    let segment = |base_offset, end_offset, batches, max_timestamp| SegmentExtent {
        base_offset,
        end_offset,
        bytes: batches * BATCH_BYTES,
        max_timestamp,
    };
    let extent = reader(&node).extent().unwrap();
    assert_eq!((extent.log_start, extent.log_end, extent.bytes()), (1, 30, 10 * BATCH_BYTES));
    assert_eq!(extent.segments, [segment(0, 18, 6, 5), segment(18, 30, 4, 7)]);
    // All in the tail.
    let tail_only = self::node(3);
    assert_eq!(reader(&tail_only).extent().unwrap().segments, [segment(0, 9, 3, 2)]);
}

#[test]
fn a_cut_may_bring_its_own_limits_and_the_age_of_a_segment_outlives_a_restart() {
    let mut node = Node::new(1, options(100_000, 600));
    node.apply(0, vec![Op::Create { partition: partition(0), epoch_base: 0 }]);
    let stored = |node: &mut Node, max_timestamp: i64| {
        let batch = batch(&Spec { max_timestamp, ..Spec::default() }, 1);
        node.apply(0, vec![Op::Append { partition: partition(0), batch }]);
        let shard = &mut node.shards[0];
        shard.flushed = shard.applied();
        let mut works = shard.logs.maintain_all(shard.applied(), shard.flushed).works;
        for work in &mut works {
            if let Work::Store(cut) = work {
                cut.roll = Some(RollLimits { segment_bytes: 100_000, segment_ms: 50 });
            }
        }
        node.core.submit(works);
        node.step(true);
        files(node)
    };
    assert_eq!(stored(&mut node, 1000), [0]);
    assert_eq!(stored(&mut node, 1050), [0]);
    node.crash(&mut Dice::new(2));
    assert_eq!(stored(&mut node, 1051), [0, 2]);
}
