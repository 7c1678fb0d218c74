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

fn decoded(record: &Record) -> Record {
    let (key, value) = record.encode();
    Record::decode(Some(&key), value.as_deref()).unwrap().expect("a known kind")
}

#[test]
fn records_are_read_as_they_were_written() {
    let tombstone = Record::Offset { group: "g".into(), topic: "t".into(), partition: 7, value: None };
    let without_expiry = [offset(None, Uuid::ZERO), offset(None, Uuid([7; 16])), group(), tombstone];
    for record in without_expiry {
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
    for record in [offset(None, Uuid([7; 16])), offset(Some(1), Uuid::ZERO), group()] {
        let (key, value) = record.encode();
        assert!(key.len() + value.unwrap().len() <= record.bytes(), "{record:?}");
    }
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
