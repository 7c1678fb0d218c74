//! Facts about the metadata's state machine.

use std::collections::BTreeMap;

use storage::id::{ShardId, TopicId};
use wire::primitive::Reader;

use super::*;

fn topic(id: u8, name: &str) -> Record {
    let configs = BTreeMap::from([("max.message.bytes".to_owned(), "7".to_owned())]);
    Record::TopicCreated(TopicRecord {
        id: TopicId([id; 16]),
        name: name.into(),
        shards: vec![ShardId(1); 3],
        configs,
    })
}

#[test]
fn of_two_creations_of_a_name_the_first_in_the_log_wins() {
    // Both requests were checked against the same image before either was applied.
    let mut image = Image::default();
    assert!(matches!(image.apply(topic(1, "a")), Applied::TopicCreated(_)));
    assert_eq!(image.apply(topic(2, "a")), Applied::TopicExists);
    assert_eq!(image.topic("a").unwrap().id, TopicId([1; 16]));
}

#[test]
fn names_that_differ_by_dot_and_underscore_collide() {
    let mut image = Image::default();
    image.apply(topic(1, "a.b"));
    assert_eq!(image.apply(topic(2, "a_b")), Applied::TopicCollides("a.b".into()));
    assert_eq!(image.colliding_topic("a.b"), None);
}

#[test]
fn a_name_made_again_shares_nothing_with_the_old_one() {
    let mut image = Image::default();
    image.apply(topic(1, "a"));
    assert!(matches!(image.apply(Record::TopicDeleted(TopicId([1; 16]))), Applied::TopicDeleted(_)));
    assert_eq!(image.apply(Record::TopicDeleted(TopicId([1; 16]))), Applied::TopicUnknown);
    image.apply(topic(2, "a"));
    assert!(image.topic_by_id(TopicId([1; 16])).is_none());
    assert_eq!(image.topic("a").unwrap().id, TopicId([2; 16]));
}

#[test]
fn producer_ids_are_handed_out_once() {
    let mut image = Image::default();
    assert_eq!(
        image.apply(Record::ProducerIdsReserved { count: 10 }),
        Applied::ProducerIds { first: 0, count: 10 }
    );
    assert_eq!(
        image.apply(Record::ProducerIdsReserved { count: 5 }),
        Applied::ProducerIds { first: 10, count: 5 }
    );
}

#[test]
fn records_and_snapshots_survive_their_bytes() {
    let mut image = Image::default();
    for record in [topic(1, "a"), topic(2, "b"), Record::ProducerIdsReserved { count: 9 }] {
        image.apply(record);
    }
    image.apply(Record::TopicDeleted(TopicId([1; 16])));
    let mut bytes = Vec::new();
    image.snapshot().iter().for_each(|record| record.write(&mut bytes));
    Record::TopicDeleted(TopicId([1; 16])).write(&mut bytes);

    let (mut reader, mut copy) = (Reader::new(&bytes), Image::default());
    while reader.remaining() > 0 {
        copy.apply(Record::read(&mut reader).unwrap());
    }
    assert_eq!(copy.snapshot(), image.snapshot());
}

#[test]
fn a_record_of_a_newer_build_is_refused() {
    let error = Record::read(&mut Reader::new(&[99, 0])).unwrap_err();
    assert_eq!(error.to_string(), "metadata record of kind 99 version 0 is not known to this build");
    assert!(matches!(
        Record::read(&mut Reader::new(&[1, 9])),
        Err(RecordError::Unknown { kind: 1, version: 9 })
    ));
    assert!(matches!(Record::read(&mut Reader::new(&[1, 0, 3])), Err(RecordError::Malformed(_))));
}

#[test]
fn topic_names_follow_kafkas_rules() {
    for name in ["a", "a.b-c_D9", &"x".repeat(249), "..."] {
        assert_eq!(check_topic_name(name), Ok(()), "{name}");
    }
    for name in ["", ".", "..", "a/b", "ä", "a b", "../a", &"x".repeat(250)] {
        assert!(check_topic_name(name).is_err(), "{name}");
    }
}

#[test]
fn changes_of_configs_follow_each_other_and_survive_a_snapshot() {
    let mut image = Image::default();
    image.apply(topic(1, "a"));
    let change = |changes: &[(&str, Option<&str>)]| Record::TopicConfigsChanged {
        id: TopicId([1; 16]),
        changes: changes.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect(),
    };
    // Two requests that saw the same image: neither takes back what the other did.
    image.apply(change(&[("max.message.bytes", None), ("retention.ms", Some("5"))]));
    image.apply(change(&[("segment.ms", Some("6")), ("retention.ms", Some("7"))]));
    let expected =
        BTreeMap::from([("retention.ms", "7"), ("segment.ms", "6")].map(|(k, v)| (k.into(), v.into())));
    assert_eq!(image.topic("a").unwrap().configs, expected);
    assert_eq!(image.topic_by_id(TopicId([1; 16])).unwrap().configs, expected);
    let mut again = Image::default();
    for record in image.snapshot() {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        again.apply(Record::read(&mut Reader::new(&bytes)).unwrap());
    }
    assert_eq!(again.topic("a").unwrap().configs, expected);
    assert_eq!(image.apply(Record::TopicDeleted(TopicId([2; 16]))), Applied::TopicUnknown);
}

#[test]
fn a_change_of_configs_is_read_as_it_was_written() {
    let changes = BTreeMap::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
    let record = Record::TopicConfigsChanged { id: TopicId([3; 16]), changes };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    assert_eq!(Record::read(&mut Reader::new(&bytes)).unwrap(), record);
    // docs/format/entry.md
    assert_eq!(bytes[..2], [4, 0]);
    assert_eq!(bytes[18..], [0, 0, 0, 2, 2, b'a', 2, b'1', 2, b'b', 0]);
}

#[test]
fn of_two_requests_for_more_partitions_the_larger_adds_what_the_other_did_not() {
    // Both saw three partitions; whatever their order in the log, none is there twice and none moves.
    let added = |count: usize, shard| Record::PartitionsAdded {
        id: TopicId([1; 16]),
        first: 3,
        shards: vec![ShardId(shard); count],
    };
    for order in [[1, 4], [4, 1]] {
        let mut image = Image::default();
        image.apply(topic(1, "a"));
        let first = image.apply(added(order[0], 7));
        assert!(matches!(first, Applied::PartitionsAdded { first: 3, .. }), "{first:?}");
        match (order[1], image.apply(added(order[1], 8))) {
            (4, Applied::PartitionsAdded { topic, first: 4 }) => {
                assert_eq!(topic.shards[..], [1, 1, 1, 7, 8, 8, 8].map(ShardId));
            }
            (1, Applied::PartitionsThere(topic)) => {
                assert_eq!(topic.shards[..], [1, 1, 1, 7, 7, 7, 7].map(ShardId));
            }
            (_, other) => panic!("{order:?} came to {other:?}"),
        }
        assert_eq!(image.topic("a"), image.topic_by_id(TopicId([1; 16])));
    }
    let mut image = Image::default();
    assert_eq!(image.apply(added(1, 7)), Applied::TopicUnknown);
}

#[test]
fn added_partitions_are_read_as_they_were_written_and_survive_a_snapshot() {
    let shards = vec![ShardId(1), ShardId(2)];
    let record = Record::PartitionsAdded { id: TopicId([1; 16]), first: 3, shards };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    assert_eq!(Record::read(&mut Reader::new(&bytes)).unwrap(), record);
    // docs/format/entry.md
    assert_eq!(bytes[..2], [5, 0]);
    assert_eq!(bytes[18..], [0, 0, 0, 3, 0, 0, 0, 2, 0, 1, 0, 2]);

    let (mut image, mut copy) = (Image::default(), Image::default());
    image.apply(topic(1, "a"));
    image.apply(record);
    image.snapshot().into_iter().for_each(|record| _ = copy.apply(record));
    assert_eq!(copy.topic("a").unwrap().shards[..], [1, 1, 1, 1, 2].map(ShardId));
}

fn set(name: &str, value: Option<&str>) -> ConfigChanges {
    ConfigChanges::from([(name.to_owned(), value.map(ToOwned::to_owned))])
}

fn broker(name: &str, changes: ConfigChanges) -> Record {
    Record::ConfigsChanged { kind: ConfigKind::Broker, name: name.into(), changes }
}

#[test]
fn configs_of_brokers_and_groups_survive_a_snapshot_and_those_without_any_are_forgotten() {
    let mut image = Image::default();
    image.apply(broker("1", set("log.retention.ms", Some("7"))));
    for value in [Some("50000"), None] {
        let changes = set("consumer.session.timeout.ms", value);
        image.apply(Record::ConfigsChanged { kind: ConfigKind::Group, name: "g".into(), changes });
    }
    assert_eq!(image.configured(ConfigKind::Group).count(), 0);
    let mut bytes = Vec::new();
    image.snapshot().iter().for_each(|record| record.write(&mut bytes));

    let (mut reader, mut copy) = (Reader::new(&bytes), Image::default());
    while reader.remaining() > 0 {
        copy.apply(Record::read(&mut reader).unwrap());
    }
    assert_eq!(copy.configs(ConfigKind::Broker, "1")["log.retention.ms"], "7");
    assert_eq!(copy.configured(ConfigKind::Broker).collect::<Vec<_>>(), ["1"]);
    let error = Record::read(&mut Reader::new(&[6, 0, 99])).unwrap_err();
    assert_eq!(error.to_string(), "metadata record: configs of kind 99 are not known to this build");
}

#[test]
fn what_one_broker_is_set_to_wins_over_what_all_are() {
    let mut image = Image::default();
    image.apply(broker("", set("log.retention.ms", Some("1"))));
    image.apply(broker("", set("log.segment.bytes", Some("2000000"))));
    image.apply(broker("7", set("log.retention.ms", Some("2"))));
    image.apply(broker("7", set("max.connections", Some("9"))));
    let text = |broker_id| format!("{:?}", image.topic_defaults(broker_id));
    assert_eq!(text(7), r#"{"retention.ms": "2", "segment.bytes": "2000000"}"#);
    assert_eq!(text(8), r#"{"retention.ms": "1", "segment.bytes": "2000000"}"#);
}
