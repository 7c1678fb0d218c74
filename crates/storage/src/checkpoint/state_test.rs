use std::collections::BTreeSet;

use super::codec_test::{aborted, partition_record};
use super::record::{CheckpointRecord, PartitionRecord, SegmentRecord};
use super::state::CheckpointState;
use crate::partition_log::IndexMark;
use crate::partition_log::producers::ProducerEntry;

fn change(index: u64, segments: &[(i64, SegmentRecord)]) -> PartitionRecord {
    let end = segments.last().map_or(100, |(_, segment)| segment.end_offset);
    PartitionRecord {
        is_whole: false,
        epochs: None,
        stored_end: end,
        segments: segments.iter().copied().collect(),
        producers: Default::default(),
        open_transactions: None,
        aborted_transactions: Vec::new(),
        ..partition_record(index)
    }
}

fn segment(synced: u64, end_offset: i64) -> SegmentRecord {
    SegmentRecord {
        synced,
        end_offset,
        max_timestamp: 1,
        offset_of_max_timestamp: 0,
        index: IndexMark::default(),
    }
}

fn fold(records: impl IntoIterator<Item = PartitionRecord>) -> CheckpointState {
    let mut state = CheckpointState::default();
    for record in records {
        state.apply(CheckpointRecord::Partition(record)).unwrap();
    }
    state
}

#[test]
fn changes_fold_into_the_whole() {
    let first = change(9, &[(0, segment(2000, 150)), (150, segment(10, 160))]);
    let mut second = change(12, &[(150, segment(30, 170))]);
    second.segments_removed = BTreeSet::from([0]);
    second.producers_removed = BTreeSet::from([77]);
    second.producers.insert(78, ProducerEntry::new(0, &[]));
    let state = fold([partition_record(8), first, second]);
    let known = state.partitions.values().next().unwrap();
    assert_eq!((known.index, known.stored_end), (12, 170));
    assert_eq!(known.segments.iter().collect::<Vec<_>>(), [(&150, &segment(30, 170))]);
    assert_eq!(known.producers.keys().collect::<Vec<_>>(), [&78]);
    assert_eq!(known.epochs.as_ref().unwrap().len(), 2, "an unchanged table stays");
    assert!(known.segments_removed.is_empty() && known.producers_removed.is_empty());
}

#[test]
fn open_transactions_replace_each_other_and_aborted_ones_stay_until_the_log_start_is_behind_them() {
    let mut first = change(9, &[]);
    first.aborted_transactions = vec![aborted(80)];
    let mut second = change(10, &[]);
    second.open_transactions = Some(Vec::new());
    second.log_start = 61;
    let state = fold([partition_record(8), first.clone()]);
    let known = state.partitions.values().next().unwrap();
    assert_eq!(known.aborted_transactions, [aborted(60), aborted(80)]);
    assert_eq!(known.open_transactions.as_ref().unwrap().len(), 1, "an unchanged list stays");
    let state = fold([partition_record(8), first, second]);
    let known = state.partitions.values().next().unwrap();
    assert_eq!(known.aborted_transactions, [aborted(80)]);
    assert_eq!(known.open_transactions, Some(Vec::new()));
}

// Several cuts between two checkpoints become one record: it must say what they said one by one.
#[test]
fn folding_changes_first_gives_the_same() {
    let first = change(9, &[(0, segment(2000, 150)), (150, segment(10, 160))]);
    let mut second = change(12, &[(150, segment(30, 170))]);
    second.segments_removed = BTreeSet::from([0]);
    second.producers_removed = BTreeSet::from([77]);
    let mut third = change(13, &[(150, segment(40, 180))]);
    third.producers.insert(77, ProducerEntry::new(4, &[]));
    let one_by_one = fold([partition_record(8), first.clone(), second.clone(), third.clone()]);
    let mut joined = first;
    joined.absorb(second);
    joined.absorb(third);
    assert_eq!(fold([partition_record(8), joined]), one_by_one);
}

#[test]
fn a_record_that_goes_back_or_hangs_in_the_air_is_refused() {
    let mut state = fold([partition_record(8)]);
    assert!(state.apply(CheckpointRecord::Partition(change(7, &[]))).is_err());
    let mut state = CheckpointState::default();
    assert!(state.apply(CheckpointRecord::Partition(change(9, &[]))).is_err());
}

#[test]
fn a_stored_end_beside_the_last_segment_is_refused() {
    let mut state = CheckpointState::default();
    let record = PartitionRecord { stored_end: 99, ..partition_record(8) };
    assert!(state.apply(CheckpointRecord::Partition(record)).is_err());
}
