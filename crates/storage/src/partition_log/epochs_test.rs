use super::epochs::{EpochStart, LeaderEpochs};

fn table() -> LeaderEpochs {
    LeaderEpochs::of(&[
        EpochStart { epoch: 2, start: 0 },
        EpochStart { epoch: 5, start: 10 },
        EpochStart { epoch: 7, start: 30 },
    ])
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let epochs = table();
    assert_eq!(epochs.end_of(2, 40), Some((2, 10)));
    assert_eq!(epochs.end_of(5, 40), Some((5, 30)));
    assert_eq!(epochs.end_of(7, 40), Some((7, 40)));
}

#[test]
fn an_epoch_without_batches_is_answered_with_the_one_below() {
    assert_eq!(table().end_of(6, 40), Some((5, 30)));
    assert_eq!(table().end_of(3, 40), Some((2, 10)));
}

#[test]
fn an_epoch_before_the_first_ends_where_the_first_begins() {
    assert_eq!(table().end_of(0, 40), Some((0, 0)));
    assert_eq!(table().end_of(-2, 40), Some((-2, 0)), "as in Kafka, where only -1 is none");
}

#[test]
fn an_unknown_epoch_has_no_end() {
    assert_eq!(table().end_of(8, 40), None);
    assert_eq!(table().end_of(-1, 40), None);
    assert_eq!(LeaderEpochs::default().end_of(0, 0), None);
}

#[test]
fn an_older_or_equal_epoch_is_not_assigned() {
    let mut epochs = table();
    assert!(!epochs.assign(7, 50));
    assert!(!epochs.assign(6, 50));
    assert!(epochs.assign(8, 50));
    assert_eq!(epochs.at(49), Some(7));
    assert_eq!(epochs.at(50), Some(8));
}

// Its records were deleted, or it never wrote: the next one begins where it does.
#[test]
fn an_epoch_that_holds_no_record_is_forgotten() {
    let mut epochs = table();
    epochs.truncate_before(40);
    assert!(epochs.assign(9, 40));
    assert_eq!(epochs.starts(), [EpochStart { epoch: 9, start: 40 }]);
    assert_eq!(epochs.end_of(7, 50), Some((7, 40)));
}

#[test]
fn the_epoch_in_force_at_the_log_start_begins_there_afterwards() {
    let mut epochs = table();
    assert!(epochs.truncate_before(20));
    assert_eq!(epochs.starts(), [EpochStart { epoch: 5, start: 20 }, EpochStart { epoch: 7, start: 30 }]);
    assert!(!epochs.truncate_before(20));
    assert!(!epochs.truncate_before(5));
    assert_eq!(epochs.at(5), None);
}
