use super::*;

fn stamp(epoch: i16, base_sequence: i32, count: i32) -> ProducerStamp {
    ProducerStamp { id: 7, epoch, base_sequence, last_offset_delta: count - 1 }
}

/// Appends what is accepted, as a log does.
fn append(producers: &mut Producers, stamp: ProducerStamp, base_offset: i64) -> Verdict {
    let verdict = producers.check(&stamp);
    if verdict == Verdict::Accept {
        producers.record(&stamp, base_offset, base_offset * 10);
    }
    verdict
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut producers = Producers::default();
    assert_eq!(append(&mut producers, stamp(3, 41, 2), 0), Verdict::Accept);
    assert_eq!(append(&mut producers, stamp(3, 43, 1), 2), Verdict::Accept);
}

#[test]
fn each_of_the_last_five_batches_is_known_as_a_duplicate_and_the_sixth_is_out_of_order() {
    let mut producers = Producers::default();
    for at in 0..6 {
        assert_eq!(append(&mut producers, stamp(0, at * 3, 3), i64::from(at) * 3), Verdict::Accept);
    }
    for at in 1..6 {
        let base_offset = i64::from(at) * 3;
        let duplicate = Verdict::Duplicate { base_offset, timestamp: base_offset * 10 };
        assert_eq!(producers.check(&stamp(0, at * 3, 3)), duplicate);
    }
    assert_eq!(producers.check(&stamp(0, 0, 3)), Verdict::OutOfOrder { expected: 18 });
}

#[test]
fn a_batch_that_overlaps_another_is_no_duplicate() {
    let mut producers = Producers::default();
    append(&mut producers, stamp(0, 0, 4), 0);
    assert_eq!(producers.check(&stamp(0, 0, 3)), Verdict::OutOfOrder { expected: 4 });
    assert_eq!(producers.check(&stamp(0, 1, 3)), Verdict::OutOfOrder { expected: 4 });
}

#[test]
fn a_gap_is_out_of_order() {
    let mut producers = Producers::default();
    append(&mut producers, stamp(0, 0, 4), 0);
    assert_eq!(producers.check(&stamp(0, 5, 1)), Verdict::OutOfOrder { expected: 4 });
}

#[test]
fn sequences_wrap_after_the_largest() {
    let mut producers = Producers::default();
    assert_eq!(append(&mut producers, stamp(0, i32::MAX - 1, 2), 0), Verdict::Accept);
    assert_eq!(append(&mut producers, stamp(0, 0, 1), 2), Verdict::Accept);

    let mut producers = Producers::default();
    assert_eq!(append(&mut producers, stamp(0, i32::MAX - 1, 4), 0), Verdict::Accept);
    assert_eq!(producers.check(&stamp(0, 0, 1)), Verdict::OutOfOrder { expected: 2 });
    assert_eq!(append(&mut producers, stamp(0, 2, 1), 4), Verdict::Accept);
    let duplicate = Verdict::Duplicate { base_offset: 0, timestamp: 0 };
    assert_eq!(producers.check(&stamp(0, i32::MAX - 1, 4)), duplicate);
}

#[test]
fn a_newer_epoch_begins_at_zero_and_fences_the_older() {
    let mut producers = Producers::default();
    append(&mut producers, stamp(1, 0, 4), 0);
    assert_eq!(append(&mut producers, stamp(2, 4, 1), 4), Verdict::OutOfOrder { expected: 0 });
    assert_eq!(append(&mut producers, stamp(2, 0, 4), 4), Verdict::Accept);
    assert_eq!(producers.check(&stamp(1, 4, 1)), Verdict::Fenced { epoch: 2 });
    // The batches of the older epoch are no duplicates any more.
    assert_eq!(producers.check(&stamp(1, 0, 4)), Verdict::Fenced { epoch: 2 });
    let duplicate = Verdict::Duplicate { base_offset: 4, timestamp: 40 };
    assert_eq!(producers.check(&stamp(2, 0, 4)), duplicate);
}

#[test]
fn the_eighth_that_wrote_longest_ago_is_forgotten_above_the_bound() {
    let mut producers = Producers::with_count_max(16);
    for id in 0..17 {
        let stamp = ProducerStamp { id, epoch: 0, base_sequence: 0, last_offset_delta: 0 };
        producers.record(&stamp, 100 - id, 0);
    }
    assert_eq!(producers.len(), 15);
    assert!(producers.entry(16).is_none(), "16 has the lowest last offset");
    assert!(producers.entry(15).is_none());
    let delta = producers.take_delta();
    assert_eq!(delta.removed, [16, 15]);
    assert_eq!(delta.changed.len(), 15);
}

#[test]
fn a_delta_holds_what_changed_since_the_last_one_only() {
    let mut producers = Producers::default();
    append(&mut producers, stamp(0, 0, 1), 0);
    append(&mut producers, stamp(0, 1, 1), 1);
    let delta = producers.take_delta();
    assert_eq!(delta.changed.len(), 1);
    assert_eq!(delta.changed[0].1.batches().len(), 2);
    assert_eq!(producers.take_delta(), ProducersDelta::default());
    append(&mut producers, stamp(0, 2, 1), 2);
    assert_eq!(producers.take_delta().changed.len(), 1);
}

#[test]
fn recovered_producers_decide_as_before() {
    let mut producers = Producers::default();
    for at in 0..7 {
        append(&mut producers, stamp(4, at, 1), i64::from(at));
    }
    let recovered = Producers::recovered(producers.take_delta().changed);
    for at in 0..9 {
        assert_eq!(recovered.check(&stamp(4, at, 1)), producers.check(&stamp(4, at, 1)));
    }
}

#[test]
fn who_wrote_in_an_entry_of_a_time_or_before_is_forgotten() {
    let mut producers = Producers::default();
    assert_eq!(producers.written_at_min(), None);
    for id in 0..4 {
        producers.set_time(id * 100);
        producers.record(&ProducerStamp { id, epoch: 0, base_sequence: 0, last_offset_delta: 0 }, id, 0);
    }
    assert_eq!(producers.take_delta().changed.len(), 4);
    assert!(!producers.forget_written_until(-1));
    assert!(producers.forget_written_until(100));
    assert!(!producers.forget_written_until(100), "they are gone");
    assert_eq!((producers.len(), producers.written_at_min()), (2, Some(200)));
    let delta = producers.take_delta();
    assert_eq!((&delta.removed[..], delta.changed.len()), (&[0, 1][..], 0));
}

#[test]
fn one_that_comes_back_between_two_cuts_is_removed_first_and_then_there() {
    let mut producers = Producers::default();
    append(&mut producers, stamp(0, 0, 1), 0);
    assert!(producers.forget_written_until(0));
    append(&mut producers, stamp(0, 9, 1), 1);
    let delta = producers.take_delta();
    assert_eq!(delta.removed, [7]);
    assert_eq!(delta.changed.len(), 1);
    assert_eq!(delta.changed[0].1.batches()[0].base_sequence, 9);
}
