//! Facts about what may be created; the texts were taken from a running Kafka 4.3.1.

use wire::message::create_topics::CreatableReplicaAssignment;

use super::*;

fn topic(
    num_partitions: i32,
    replication_factor: i16,
    assignments: &[(i32, &[i32])],
) -> CreatableTopic<'static> {
    let assign = |(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: brokers.to_vec().into(),
    };
    CreatableTopic {
        name: "t".into(),
        num_partitions,
        replication_factor,
        assignments: assignments.iter().map(assign).collect(),
        configs: Array::new(),
    }
}

#[test]
fn partitions_and_copies_may_be_left_to_the_broker() {
    assert_eq!(checked_partitions(&topic(-1, -1, &[]), 3), Ok(3));
    assert_eq!(checked_partitions(&topic(7, 1, &[]), 3), Ok(7));
    for (partitions, copies, error) in [
        (0, 1, ErrorCode::INVALID_PARTITIONS),
        (-2, 1, ErrorCode::INVALID_PARTITIONS),
        (1, 0, ErrorCode::INVALID_REPLICATION_FACTOR),
        (1, -2, ErrorCode::INVALID_REPLICATION_FACTOR),
        (0, 2, ErrorCode::INVALID_REPLICATION_FACTOR),
    ] {
        assert_eq!(checked_partitions(&topic(partitions, copies, &[]), 3).unwrap_err().error, error);
    }
}

#[test]
fn assignments_name_this_broker_once_for_each_partition_in_a_row() {
    assert_eq!(checked_assignments(&topic(-1, -1, &[(1, &[9]), (0, &[9])]), 9), Ok(2));
    for (assignments, message) in [
        (&[(1, &[9][..]), (2, &[9])][..], "partitions should be a consecutive 0-based integer sequence"),
        (&[(-1, &[9])], "partitions should be a consecutive 0-based integer sequence"),
        (&[(0, &[9]), (0, &[9])], "Found multiple manual partition assignments for partition 0"),
        (&[(0, &[])], "The manual partition assignment includes an empty replica list."),
        (&[(0, &[9, 9])], "The manual partition assignment includes the broker 9 more than once."),
        (
            &[(0, &[9, 2])],
            "The manual partition assignment includes broker 2, but no such broker is registered.",
        ),
    ] {
        let refusal = checked_assignments(&topic(-1, -1, assignments), 9).unwrap_err();
        assert_eq!(
            (refusal.error, refusal.message.as_str()),
            (ErrorCode::INVALID_REPLICA_ASSIGNMENT, message)
        );
    }
    for (partitions, copies) in [(1, -1), (-1, 1)] {
        let refusal = checked_assignments(&topic(partitions, copies, &[(0, &[9])]), 9).unwrap_err();
        assert_eq!(refusal.error, ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn the_last_value_of_a_config_counts_and_null_is_none() {
    let config = |name: &'static str, value: Option<&'static str>| CreatableTopicConfig {
        name: name.into(),
        value: value.map(Into::into),
    };
    let twice = [config("retention.ms", Some("1")), config("retention.ms", Some("2"))].into_iter().collect();
    assert_eq!(
        checked_configs(&twice).unwrap(),
        BTreeMap::from([("retention.ms".to_owned(), "2".to_owned())])
    );
    let null = [config("retention.ms", None)].into_iter().collect();
    assert_eq!(
        checked_configs(&null).unwrap_err().message,
        "Null value not supported for topic configs: retention.ms"
    );
}
