//! No space, failed syncs, and how the writer goes on or stops.

use std::time::Duration;

use storage::partition_log::{ReadError, Work};
use storage::segment_writer::{Shortage, SpaceNews};

use crate::batches::{Spec, batch, partition};
use crate::dice::Dice;
use crate::model::Op;
use crate::node::{Node, options};

fn append(number: i32, fill: u8) -> Op {
    Op::Append { partition: partition(number), batch: batch(&Spec { payload: 400, ..Spec::default() }, fill) }
}

fn node_with(partitions: i32, appends: u8) -> Node {
    let mut node = Node::new(1, options(1500, 600));
    for number in 0..partitions {
        node.apply(0, vec![Op::Create { partition: partition(number), epoch_base: 0 }]);
        for fill in 0..appends {
            node.apply(0, vec![append(number, fill)]);
        }
    }
    node.shards[0].flushed = node.shards[0].applied();
    node
}

#[test]
fn without_space_the_tail_stays_readable_and_is_stored_when_there_is_some() {
    let mut node = node_with(2, 5);
    node.disk.set_full(true);
    node.now = node.now + Duration::from_secs(2);
    node.maintain(0);
    let progress = node.step(true);
    assert!(progress.no_space.is_some() && progress.poisoned.is_none());
    assert!(progress.wake_at.is_some(), "it is tried again without new work");
    node.check(&mut Dice::new(1));
    assert!(node.options.pinned.bytes() > 0);
    node.disk.set_full(false);
    node.drain();
    assert_eq!(node.options.pinned.bytes(), 0);
    node.check(&mut Dice::new(1));
}

// One line when it begins and one when it ends: a disk at the bound must not make the broker stop and go.
#[test]
fn below_the_bound_of_free_space_it_is_told_once_and_once_more_when_there_is_more_than_enough() {
    let mut node = node_with(1, 5);
    node.disk.set_free_bytes(999);
    node.maintain(0);
    let short = Shortage::BelowMin { free_bytes: 999, free_bytes_min: 1000 };
    let progress = node.step(false);
    assert_eq!(progress.space, Some(SpaceNews::Short(short)));
    assert!(!progress.stored.is_empty(), "what was accepted is stored all the same");
    assert!(node.core.stats().is_short_of_space);
    for free_bytes in [999, 1001, 1099] {
        node.disk.set_free_bytes(free_bytes);
        node.now = node.now + Duration::from_secs(1);
        let progress = node.step(false);
        assert_eq!(progress.space, None);
        assert!(progress.wake_at.is_some(), "it looks again by itself");
    }
    node.disk.set_free_bytes(1100);
    node.now = node.now + Duration::from_secs(1);
    assert_eq!(node.step(false).space, Some(SpaceNews::Enough { free_bytes: 1100 }));
    node.drain();
    assert_eq!(node.step(false).wake_at, None, "nothing is written, so nothing looks");
}

#[test]
fn a_full_disk_is_told_once_and_enough_only_after_a_write_went_through() {
    let mut node = node_with(1, 5);
    node.step(false);
    node.disk.set_full(true);
    node.now = node.now + Duration::from_secs(2);
    node.maintain(0);
    let told = node.step(true).space;
    assert!(
        matches!(&told, Some(SpaceNews::Short(Shortage::Full(error))) if error.contains("/partitions/")),
        "{told:?}"
    );
    node.now = node.now + Duration::from_secs(1);
    assert_eq!(node.step(true).space, None);
    node.disk.set_full(false);
    node.now = node.now + Duration::from_secs(1);
    assert!(matches!(node.step(true).space, Some(SpaceNews::Enough { .. })));
}

#[test]
fn what_is_stored_and_checkpointed_is_counted() {
    // Could break: a counter that is declared and never moved.
    let mut node = node_with(2, 5);
    let before = node.core.stats();
    assert_eq!((before.cuts, before.checkpoints), (0, 0));
    node.now = node.now + Duration::from_secs(2);
    node.maintain(0);
    assert!(node.core.stats().queued_works > 0);
    node.step(false);
    let stored = node.core.stats();
    assert_eq!((stored.cuts, stored.batches, stored.queued_works), (2, 10, 0));
    assert!(stored.bytes > 4000 && stored.writes >= 2 && stored.segments_created >= 2, "{stored:?}");
    assert!(stored.files_open > 0 && stored.files_open <= 3, "{stored:?}");
    let lag = stored.lag;
    assert_eq!((lag.partitions, lag.batches, lag.bytes), (2, 10, stored.bytes));
    assert!(lag.since.is_some());
    node.step(true);
    let taken = node.core.stats();
    assert_eq!((taken.checkpoints, taken.lag.partitions, taken.lag.bytes), (1, 0, 0));
    assert!(taken.checkpoint_bytes > 0 && taken.checkpoint_log_bytes >= taken.checkpoint_bytes);
}

#[test]
fn a_failed_sync_stops_the_writer_for_good_and_covers_nothing() {
    let mut node = node_with(1, 5);
    node.now = node.now + Duration::from_secs(2);
    node.maintain(0);
    node.disk.break_sync();
    let progress = node.step(true);
    assert!(progress.poisoned.is_some() && progress.covered.is_empty() && progress.wake_at.is_none());
    node.apply(0, vec![append(0, 9)]);
    node.check(&mut Dice::new(1));
    assert!(node.step(true).is_empty(), "nothing is tried after it");
    node.crash(&mut Dice::new(1));
    node.check(&mut Dice::new(1));
}

// A step that looked at no clock would still be asked for one by its thread.
#[test]
fn nothing_wakes_up_when_nothing_is_dirty() {
    let mut node = node_with(3, 3);
    node.drain();
    assert_eq!(node.step(false).wake_at, None);
    let (now, applied) = (node.now, node.shards[0].applied());
    let maintained = node.shards[0].logs.maintain(now, applied, applied);
    assert!(maintained.wake_at.is_none() && maintained.works.is_empty());
}

#[test]
fn a_tail_is_due_by_its_size_at_once_and_by_its_age_after_a_second() {
    let mut node = node_with(1, 1);
    node.drain();
    node.apply(0, vec![append(0, 1)]);
    let applied = node.shards[0].applied();
    let logs = &mut node.shards[0].logs;
    let maintained = logs.maintain(node.now, applied, applied);
    assert!(maintained.works.is_empty());
    assert_eq!(maintained.wake_at, Some(node.now + Duration::from_secs(1)));
    let later = node.now + Duration::from_secs(1);
    assert!(matches!(
        logs.maintain(later, applied, applied).works[..],
        [Work::Store(_), Work::Covered { .. }]
    ));

    let mut node = node_with(1, 2);
    let works = node.shards[0].logs.maintain(node.now, 3, 3).works;
    assert!(matches!(works[..], [Work::Store(_), Work::Covered { index: 3, .. }]));
}

#[test]
fn above_the_soft_bound_of_memory_every_tail_is_due() {
    let mut node = node_with(1, 1);
    let _pin = node.options.pinned.pin(2 << 20);
    assert!(!node.shards[0].logs.maintain(node.now, 2, 2).works.is_empty());
}

#[test]
fn a_cut_waits_for_the_local_flush() {
    let mut node = node_with(1, 2);
    assert!(node.shards[0].logs.maintain(node.now, 3, 2).works.is_empty());
    assert_eq!(node.shards[0].logs.maintain(node.now, 3, 3).works.len(), 2);
}

#[test]
fn one_cut_of_a_partition_is_on_its_way_at_a_time() {
    let mut node = node_with(1, 2);
    let first = node.shards[0].logs.maintain(node.now, 3, 3).works;
    node.apply(0, vec![append(0, 1)]);
    node.apply(0, vec![append(0, 2)]);
    assert!(node.shards[0].logs.maintain(node.now, 5, 5).works.is_empty());
    node.core.submit(first);
    node.step(false);
    assert!(matches!(node.shards[0].logs.maintain(node.now, 5, 5).works[..], [Work::Store(_), ..]));
}

#[test]
fn a_deleted_partition_is_gone_for_readers_and_its_files_after_the_last_slice() {
    let mut node = node_with(2, 5);
    node.drain();
    let reader = node.shards[0].logs.log(&partition(0)).unwrap().reader();
    let held = reader.read(0, usize::MAX).unwrap();
    let files = || node.disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    let before = files().count();
    assert!(before > 4);
    node.apply(0, vec![Op::Delete { partition: partition(0) }]);
    assert!(matches!(reader.read(0, 1), Err(ReadError::Deleted)));
    node.drain();
    let files = || node.disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    assert!(files().count() < before, "nobody holds its segments");
    let mut bytes = Vec::new();
    for slice in held.slices {
        slice.copy_into(&mut bytes).unwrap();
    }
    assert!(!bytes.is_empty(), "an open file is read to its end");
    node.crash(&mut Dice::new(1));
    node.check(&mut Dice::new(1));
}

#[test]
fn segments_below_the_log_start_go_with_the_next_checkpoint() {
    let mut node = node_with(1, 12);
    node.drain();
    let count =
        |node: &Node| node.disk.paths().iter().filter(|path| path.starts_with("data/partitions")).count();
    let before = count(&node);
    node.apply(0, vec![Op::AdvanceLogStart { partition: partition(0), offset: 10 }]);
    node.drain();
    node.step(false);
    assert!(count(&node) < before);
    node.check(&mut Dice::new(1));
    node.crash(&mut Dice::new(1));
    node.check(&mut Dice::new(1));
}

#[test]
fn recovery_cuts_segments_to_what_was_synced_and_removes_what_no_checkpoint_names() {
    let mut node = node_with(1, 2);
    node.drain();
    let synced: Vec<_> = node.disk.paths();
    let lengths: Vec<_> = synced.iter().map(|path| node.disk.bytes(path).len()).collect();
    for fill in 0..9 {
        node.apply(0, vec![append(0, fill)]);
    }
    node.shards[0].flushed = node.shards[0].applied();
    node.maintain(0);
    node.step(false);
    assert!(node.disk.paths().len() > synced.len(), "a segment rolled");
    assert!(synced.iter().zip(&lengths).any(|(path, len)| node.disk.bytes(path).len() > *len), "one grew");
    node.disk.make_durable();
    node.crash(&mut Dice::new(1));
    assert_eq!(node.disk.paths(), synced);
    let now: Vec<_> = synced.iter().map(|path| node.disk.bytes(path).len()).collect();
    assert_eq!(now, lengths);
    node.check(&mut Dice::new(1));
}
