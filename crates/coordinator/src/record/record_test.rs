use super::*;

fn offset(expire_timestamp_ms: Option<i64>, topic_id: Uuid) -> Record {
    let value = CommittedOffset {
        offset: 42,
        leader_epoch: 3,
        metadata: "kept".into(),
        commit_timestamp_ms: 1_700_000_000_000,
        expire_timestamp_ms,
        topic_id,
    };
    Record::Offset { group: "g".into(), topic: "t".into(), partition: 7, value: Some(value) }
}

fn group() -> Record {
    let member = MemberMetadata {
        member_id: "m-1".into(),
        instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription: Bytes::from_static(b"sub"),
        assignment: Bytes::from_static(b"ass"),
    };
    let value = GroupMetadata {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        state_timestamp_ms: 1_700_000_000_000,
        members: vec![member],
    };
    Record::Group { group: "g".into(), value: Some(value) }
}

fn member(classic: Option<ClassicMember>) -> Record {
    let value = MemberSubscription { client_id: "c".into(), classic, ..MemberSubscription::default() };
    let change = ConsumerRecord::Member { member: "m".into(), value: Some(value) };
    Record::Consumer { group: "g".into(), change }
}

fn classic() -> Option<ClassicMember> {
    let protocol = Protocol { name: "range".into(), metadata: Bytes::from_static(b"sub") };
    Some(ClassicMember { session_timeout_ms: 10_000, protocols: vec![protocol] })
}

fn decoded(record: &Record) -> Record {
    let (key, value) = record.encode();
    Record::decode(Some(&key), value.as_deref()).unwrap().expect("a known kind")
}

fn current(assigned: Held, revoking: Held) -> Record {
    let value =
        CurrentAssignment { epoch: 5, previous_epoch: 4, assigned, revoking, ..CurrentAssignment::default() };
    let change = ConsumerRecord::Current { member: "m".into(), value: Some(value) };
    Record::Consumer { group: "g".into(), change }
}

/// Could break: brokers before Kafka 4.3 did not write the epochs.
#[test]
fn partitions_without_epochs_are_of_the_members_own() {
    let held = |epoch| Held::from([(Uuid([1; 16]), [(0, epoch), (1, epoch)].into())]);
    let record = current(held(5), Held::new());
    let (key, value) = record.encode();
    let mut value = value.unwrap();
    // Count of tags, tag, size, an array of two.
    let epochs = value.windows(2).position(|pair| pair == [1, 0]).expect("one tagged field, number 0");
    value.splice(epochs..epochs + 12, [0]);
    assert_eq!(Record::decode(Some(&key), Some(&value)).unwrap(), Some(record));
}

#[test]
fn records_are_read_as_they_were_written() {
    let tombstone = Record::Offset { group: "g".into(), topic: "t".into(), partition: 7, value: None };
    let held = |numbers: &[(i32, i32)]| Held::from([(Uuid([1; 16]), numbers.iter().copied().collect())]);
    let moved = current(held(&[(0, 3), (1, 5)]), held(&[(2, 4)]));
    let without_expiry = [offset(None, Uuid::ZERO), offset(None, Uuid([7; 16])), group(), tombstone];
    for record in without_expiry.into_iter().chain([member(None), member(classic()), moved]) {
        assert_eq!(decoded(&record), record);
    }
    // The version that keeps the expiry keeps no leader epoch: so it is with Kafka.
    let Record::Offset { value: Some(value), .. } = decoded(&offset(Some(9), Uuid::ZERO)) else {
        panic!("an offset")
    };
    assert_eq!((value.expire_timestamp_ms, value.leader_epoch), (Some(9), -1));
}

#[test]
fn a_record_takes_no_more_bytes_than_it_says() {
    for record in [offset(None, Uuid([7; 16])), offset(Some(1), Uuid::ZERO), group(), member(classic())] {
        let (key, value) = record.encode();
        assert!(key.len() + value.unwrap().len() <= record.bytes(), "{record:?}");
    }
}

/// Could break: where the field is left out, Kafka takes the member for one of the classic protocol, without protocols.
#[test]
fn which_protocol_a_member_speaks_is_written_as_kafka_writes_it() {
    let value = |record: &Record| record.encode().1.unwrap();
    assert!(value(&member(None)).ends_with(&[1, 0, 1, 0]), "one tagged field, 0, of one byte: null");
    let written = value(&member(classic()));
    assert!(
        written.ends_with(b"\x01\x00\x12\x01\x00\x00\x27\x10\x02\x06range\x04sub\x00\x00"),
        "{written:?}"
    );
    // What was written before migration: nothing is said.
    let (key, mut value) = member(None).encode();
    let end = value.as_ref().unwrap().len() - 4;
    value.as_mut().unwrap().splice(end.., [0]);
    assert_eq!(Record::decode(Some(&key), value.as_deref()), Ok(Some(member(None))));
}

#[test]
fn versions_are_the_ones_that_kafka_writes() {
    let version = |record: &Record| i16::from_be_bytes(*record.encode().1.unwrap().first_chunk().unwrap());
    assert_eq!(version(&offset(None, Uuid::ZERO)), 3);
    assert_eq!(version(&offset(Some(1), Uuid::ZERO)), 1);
    assert_eq!(version(&group()), 3);
}

#[test]
fn what_is_no_record_is_an_error_and_what_is_not_known_is_skipped() {
    assert_eq!(Record::decode(None, None), Err(RecordError::NoKey));
    assert!(Record::decode(Some(&[0]), None).is_err());
    assert_eq!(Record::decode(Some(&[0, 99]), None), Ok(None));
    let (key, value) = group().encode();
    assert!(Record::decode(Some(&key), Some(&value.unwrap()[..20])).is_err());
}
