use batch::{MergeOptions, Merger};
use bytes::Bytes;
use wire::record::BatchHeader;
use wire::record::header::{HEADER_BYTES, LENGTH_COVERS_FROM};

use super::append::{ActiveSegment, Planner, encode};
use super::write::WriteBuffer;
use crate::partition_log::{PinnedBytes, RollLimits, TailBatch};

const LIMITS: RollLimits = RollLimits { segment_bytes: 1000, segment_ms: 50 };

fn batch(base_offset: i64, len: usize) -> TailBatch {
    let mut bytes = vec![0xee; len];
    let header = BatchHeader {
        base_offset: 0,
        batch_length: i32::try_from(len - LENGTH_COVERS_FROM).unwrap(),
        partition_leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: 9,
        base_timestamp: 0,
        max_timestamp: 5,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 10,
    };
    header.write(&mut bytes).unwrap();
    TailBatch {
        base_offset,
        last_offset: base_offset + 9,
        leader_epoch: 3,
        max_timestamp: 5,
        offset_of_max_timestamp: base_offset,
        index: 1,
        bytes: Bytes::from(bytes),
        pin: PinnedBytes::new().pin(0),
    }
}

/// Where new segments begin, and which batches go into each.
fn planned(
    active: Option<ActiveSegment>,
    batches: &[TailBatch],
    limits: RollLimits,
) -> Vec<(Option<i64>, std::ops::Range<usize>)> {
    let mut merger = Merger::default();
    let mut at = 0;
    let batches: Vec<&TailBatch> = batches.iter().collect();
    let runs = Planner::new(&mut merger, active, &batches, limits, None).plan(|| ()).runs;
    let one = |run: super::append::Run<'_>| {
        let from = at;
        at += run.batches.len();
        (run.new_segment, from..at)
    };
    runs.into_iter().map(one).collect()
}

fn run(new_segment: Option<i64>, batches: std::ops::Range<usize>) -> (Option<i64>, std::ops::Range<usize>) {
    (new_segment, batches)
}

#[test]
fn the_first_batch_of_a_log_begins_a_segment() {
    assert_eq!(planned(None, &[batch(0, 100), batch(10, 100)], LIMITS), [run(Some(0), 0..2)]);
}

#[test]
fn a_segment_rolls_before_it_grows_beyond_its_bound() {
    let batches: Vec<TailBatch> = (0..5).map(|at| batch(at * 10, 100)).collect();
    let active = Some(ActiveSegment { base_offset: -100, len: 800, first_timestamp: 5 });
    let planned = planned(active, &batches, LIMITS);
    assert_eq!(planned, [run(None, 0..2), run(Some(20), 2..5)]);
}

#[test]
fn a_batch_larger_than_a_segment_has_one_alone() {
    let batches = [batch(0, 100), batch(10, 5000), batch(20, 100)];
    let planned = planned(None, &batches, LIMITS);
    assert_eq!(planned, [run(Some(0), 0..1), run(Some(10), 1..2), run(Some(20), 2..3)]);
}

// Kafka's readers of segments keep offsets relative to the base in 31 bits.
#[test]
fn a_segment_rolls_before_its_offsets_span_more_than_31_bits() {
    let base_offset = 7;
    let active = Some(ActiveSegment { base_offset, len: 100, first_timestamp: 5 });
    let last_inside = batch(base_offset + i64::from(i32::MAX) - 9, 100);
    let first_outside = batch(base_offset + i64::from(i32::MAX) - 8, 100);
    assert_eq!(planned(active, &[last_inside], LIMITS), [run(None, 0..1)]);
    assert_eq!(
        planned(active, std::slice::from_ref(&first_outside), LIMITS),
        [run(Some(first_outside.base_offset), 0..1)]
    );
}

// Kafka counts a segment's age by its records: nothing rolls while nothing comes, and old records roll nothing.
#[test]
fn a_segment_rolls_before_a_batch_too_much_later_than_its_first_one() {
    let at = |base_offset, max_timestamp| TailBatch { max_timestamp, ..batch(base_offset, 70) };
    let active = |first_timestamp| Some(ActiveSegment { base_offset: -10, len: 10, first_timestamp });
    let last_inside = at(0, 1050);
    assert_eq!(planned(active(1000), &[last_inside], LIMITS), [run(None, 0..1)]);
    let late = [at(0, 1051), at(10, 1000), at(20, 1101), at(30, 1102)];
    assert_eq!(planned(active(1000), &late, LIMITS), [run(Some(0), 0..3), run(Some(30), 3..4)]);
    let from_the_past = [at(0, -1), at(10, i64::MIN), at(20, 0)];
    assert_eq!(planned(active(1000), &from_the_past, LIMITS), [run(None, 0..3)]);
    let never = RollLimits { segment_ms: i64::MAX, ..LIMITS };
    assert_eq!(planned(active(0), &[at(0, i64::MAX)], never), [run(None, 0..1)]);
}

#[test]
fn a_segment_whose_first_batch_has_no_timestamp_has_no_age() {
    let active = Some(ActiveSegment { base_offset: -10, len: 10, first_timestamp: -1 });
    let late = TailBatch { max_timestamp: i64::MAX, ..batch(0, 70) };
    assert_eq!(planned(active, &[late], LIMITS), [run(None, 0..1)]);
}

#[test]
fn batches_get_base_offset_and_leader_epoch_and_nothing_else_changes() {
    let batches = [batch(40, 100), batch(50, 70)];
    let mut out = WriteBuffer::default();
    out.begin(1000);
    let mut merger = Merger::default();
    let never = RollLimits { segment_ms: i64::MAX, segment_bytes: u64::MAX };
    let sent: Vec<&TailBatch> = batches.iter().collect();
    let runs = Planner::new(&mut merger, None, &sent, never, None).plan(|| ()).runs;
    let placed = encode(&runs[0].batches, &mut out);
    let out = out.as_slice();
    assert_eq!(out.len(), 170);
    for (at, (batch, placed)) in batches.iter().zip(&placed).enumerate() {
        let from = [0, 100][at];
        let written = &out[from..from + batch.bytes.len()];
        let header = BatchHeader::parse(written).unwrap();
        assert_eq!((header.base_offset, header.partition_leader_epoch), (batch.base_offset, 3));
        assert_eq!(written[8..12], batch.bytes[8..12]);
        assert_eq!(written[16..], batch.bytes[16..]);
        assert_eq!(placed.position, 1000 + from as u64);
        assert_eq!(placed.len, batch.bytes.len() as u64);
    }
    const { assert!(HEADER_BYTES < 70) };
}

fn real_batch(base_offset: i64, timestamp: i64) -> TailBatch {
    let mut builder = wire::record::Builder::new(wire::record::Compression::NONE);
    builder.append(timestamp, None, Some(&[7; 200]), &[]).unwrap();
    TailBatch {
        base_offset,
        last_offset: base_offset,
        max_timestamp: timestamp,
        offset_of_max_timestamp: base_offset,
        bytes: builder.finish().unwrap().into(),
        ..batch(0, 100)
    }
}

fn merged(batches: &[TailBatch], limits: RollLimits) -> Vec<(Option<i64>, Vec<usize>)> {
    let mut merger = Merger::default();
    let merge = Some(MergeOptions::default());
    let batches: Vec<&TailBatch> = batches.iter().collect();
    let runs = Planner::new(&mut merger, None, &batches, limits, merge).plan(|| ()).runs;
    let sizes = |run: &super::append::Run<'_>| run.batches.iter().map(|ready| ready.parts.len()).collect();
    runs.iter().map(|run| (run.new_segment, sizes(run))).collect()
}

// Else the time that retention and rolling go by would be blurred.
#[test]
fn nothing_is_merged_that_belongs_into_two_segments() {
    let times = [1000, 1050, 1051, 1052, 1101, 1102, 900, 1153];
    let batches: Vec<_> = (0..).zip(times).map(|(offset, time)| real_batch(offset, time)).collect();
    let roomy = RollLimits { segment_bytes: 1 << 20, segment_ms: 50 };
    let expected = [(Some(0), vec![2]), (Some(2), vec![3]), (Some(5), vec![2]), (Some(7), vec![1])];
    assert_eq!(merged(&batches, roomy), expected);
    // Four records of 207 bytes and a header fit into 1,000 bytes.
    let batches: Vec<_> = (0..10).map(|offset| real_batch(offset, 1000)).collect();
    let expected = [(Some(0), vec![4]), (Some(4), vec![4]), (Some(8), vec![2])];
    assert_eq!(merged(&batches, LIMITS), expected);
}
