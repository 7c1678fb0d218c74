//! Producers: duplicates of what is not stored yet, and who is forgotten when.

use env::Instant;
use storage::partition_log::Appended;
use storage::partition_log::producers::{ProducerStamp, Verdict};

use crate::directory::{Directory, partition};

fn stamp(id: i64, base_sequence: i32) -> ProducerStamp {
    ProducerStamp { id, epoch: 0, base_sequence, last_offset_delta: 0 }
}

fn append_at(directory: &mut Directory, time_ms: i64, stamp: ProducerStamp) -> Appended {
    directory.logs.set_entry_time(time_ms);
    directory.append(b"value".to_vec(), Some(stamp))
}

fn forget(directory: &mut Directory, time_ms: i64) {
    directory.index += 1;
    directory.logs.forget_producers(directory.index, time_ms, Instant::now());
}

fn known(directory: &Directory) -> Vec<i64> {
    let log = directory.logs.log(&partition(0)).unwrap();
    (0..10).filter(|id| log.producers().entry(*id).is_some()).collect()
}

#[test]
fn a_duplicate_is_answered_with_the_originals_offset_while_that_is_on_its_way() {
    let mut directory = Directory::new("in-flight", 1 << 20);
    let offset = |appended| match appended {
        Appended::At { base_offset } => base_offset,
        Appended::Refused(Verdict::Duplicate { base_offset, .. }) => base_offset,
        other => panic!("{other:?}"),
    };
    assert_eq!(offset(append_at(&mut directory, 1, stamp(7, 0))), 0);
    // Applied, and neither cut nor flushed.
    assert_eq!(offset(append_at(&mut directory, 2, stamp(7, 0))), 0);
    assert_eq!(offset(append_at(&mut directory, 2, stamp(7, 1))), 1);
    let index = directory.index;
    let held = directory.logs.maintain_all(index, index);
    // Cut, and not stored.
    assert_eq!(offset(append_at(&mut directory, 3, stamp(7, 1))), 1);
    drop(held);
}

#[test]
fn producers_are_forgotten_up_to_the_time_that_the_entry_says() {
    let mut directory = Directory::new("forgotten", 1 << 20);
    for id in 0..4 {
        append_at(&mut directory, 100 * id, stamp(id, 5));
    }
    append_at(&mut directory, 900, stamp(1, 6));
    assert_eq!(directory.logs.producers_written_at_min(), Some(0));
    forget(&mut directory, 199);
    assert_eq!(known(&directory), [1, 2, 3]);
    forget(&mut directory, 200);
    assert_eq!(known(&directory), [1, 3], "whose last entry was at that time goes, too");
    assert_eq!(directory.logs.producers_written_at_min(), Some(300));
    assert!(matches!(append_at(&mut directory, 1000, stamp(1, 9)), Appended::Refused(_)));
    assert!(
        matches!(append_at(&mut directory, 1000, stamp(2, 9)), Appended::At { .. }),
        "unknown: begins anywhere"
    );
}

// What is forgotten decides what is answered: a restart must neither bring it back nor forget more.
#[test]
fn a_restart_remembers_when_producers_wrote_and_who_was_forgotten() {
    let mut directory = Directory::new("restart", 1 << 20);
    for id in 0..4 {
        append_at(&mut directory, 100 * id, stamp(id, 0));
    }
    directory.store(true);
    directory.reopen();
    assert_eq!(known(&directory), [0, 1, 2, 3]);
    assert_eq!(directory.logs.producers_written_at_min(), Some(0));
    forget(&mut directory, 100);
    let entry = directory.index;
    directory.store(true);
    directory.reopen();
    assert_eq!(known(&directory), [2, 3]);
    // The entry is replayed on state that has it: nothing changes, also where a producer came back behind it.
    append_at(&mut directory, 50, stamp(0, 7));
    directory.store(true);
    directory.reopen();
    directory.logs.forget_producers(entry, 100, Instant::now());
    assert_eq!(known(&directory), [0, 2, 3]);
}

#[test]
fn a_leader_whose_clock_is_behind_makes_nobody_older() {
    let mut directory = Directory::new("clock", 1 << 20);
    append_at(&mut directory, 1000, stamp(0, 0));
    append_at(&mut directory, 10, stamp(0, 1));
    forget(&mut directory, 500);
    assert_eq!(known(&directory), [0]);
}

// The checkpoint says of producers what changed, or ten thousand of them would be written every few seconds.
#[test]
fn ten_thousand_producers_cost_the_checkpoint_their_changes_only() {
    let mut directory = Directory::new("many", 64 << 20);
    let log = directory.scratch.0.join("checkpoint/checkpoint.log");
    let len = || std::fs::metadata(&log).unwrap().len();
    for id in 0..10_000 {
        append_at(&mut directory, 1, stamp(id, 0));
    }
    directory.store(true);
    let all = len();
    assert!(all < 10_000 * 50, "{all} bytes for a batch of each");
    for sequence in 1..=50 {
        append_at(&mut directory, 2, stamp(7, sequence));
        directory.store(true);
    }
    let one = len() - all;
    assert!(one < 50 * 500, "{one} bytes for fifty checkpoints with one producer");
    forget(&mut directory, 1);
    directory.store(true);
    let forgotten = len() - all - one;
    assert!(forgotten < 10_000 * 9, "{forgotten} bytes to forget all but one");
    directory.reopen();
    assert_eq!(known(&directory), [7]);
    assert_eq!(directory.logs.log(&partition(0)).unwrap().producers().len(), 1);
}
