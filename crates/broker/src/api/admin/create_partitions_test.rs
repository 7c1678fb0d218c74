//! Facts about what may be added to a topic; the texts were taken from a running Kafka 4.3.1.

use wire::message::create_partitions::CreatePartitionsAssignment;
use wire::primitive::Array;

use super::*;

/// What is said of a topic of three partitions on broker 9 that is to have `count`.
fn grow(count: i32, assignments: Option<&[&[i32]]>) -> Result<usize, Refusal> {
    let assign = |brokers: &&[i32]| CreatePartitionsAssignment { broker_ids: brokers.to_vec().into() };
    let assignments = assignments.map(|assignments| assignments.iter().map(assign).collect::<Array<'_, _>>());
    added(&CreatePartitionsTopic { name: "t".into(), count, assignments }, 3, 9)
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    assert_eq!(grow(4, None), Ok(1));
    assert_eq!(grow(i32::MAX, None), Ok(i32::MAX as usize - 3));
    for (count, message) in [
        (3, "Topic already has 3 partition(s)."),
        (2, "The topic t currently has 3 partition(s); 2 would not be an increase."),
        (-1, "The topic t currently has 3 partition(s); -1 would not be an increase."),
    ] {
        let message = message.to_owned();
        assert_eq!(grow(count, None), Err(Refusal { error: ErrorCode::INVALID_PARTITIONS, message }));
    }
}

#[test]
fn each_new_partition_is_assigned_to_this_broker_or_none_is() {
    assert_eq!(grow(5, Some(&[&[9], &[9]])), Ok(2));
    for (assignments, message) in [
        (
            &[&[9][..]][..],
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (&[], "Attempted to add 2 additional partition(s), but only 0 assignment(s) were specified."),
        (&[&[9], &[]], "The manual partition assignment includes an empty replica list."),
        (&[&[9], &[9, 9]], "The manual partition assignment includes the broker 9 more than once."),
        (
            &[&[9], &[2]],
            "The manual partition assignment includes broker 2, but no such broker is registered.",
        ),
    ] {
        let (error, message) = (ErrorCode::INVALID_REPLICA_ASSIGNMENT, message.to_owned());
        assert_eq!(grow(5, Some(assignments)), Err(Refusal { error, message }));
    }
    // Whether it grows at all comes first.
    assert_eq!(grow(3, Some(&[])).unwrap_err().error, ErrorCode::INVALID_PARTITIONS);
}
