//! Facts about topic configs; the texts were taken from a running Kafka 4.3.1.

use cluster::metadata::{ConfigKind, Image, Record};

use super::*;
use crate::configs::{StartedWith, Values};

fn refusal(name: &str, value: &str) -> String {
    check(name, value).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_legal() {
    // The look-up is a binary search.
    assert!(TABLE.is_sorted_by_key(|known| known.name));
    for known in TABLE {
        assert_eq!(refusal(known.name, known.default), "fine", "{}", known.name);
    }
}

#[test]
fn bad_values_are_refused_in_kafkas_words() {
    for (name, value, why) in [
        ("nope", "1", "Unknown topic config name: nope"),
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        ("flush.messages", "", "Invalid value  for configuration flush.messages: Not a number of type LONG"),
        (
            "max.message.bytes",
            "2147483648",
            "Invalid value 2147483648 for configuration max.message.bytes: Not a number of type INT",
        ),
        (
            "segment.bytes",
            "10",
            "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "cleanup.policy",
            "delete,none",
            "Invalid value none for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("cleanup.policy", "compact,", "Configuration 'cleanup.policy' values must not be empty."),
        (
            "compression.type",
            "none",
            "Invalid value none for configuration compression.type: \
             String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.lz4.level",
            "18",
            "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17",
        ),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "leader.replication.throttled.replicas",
            "0:1,x",
            "Invalid value [0:1, x] for configuration leader.replication.throttled.replicas: \
             leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following \
             format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
    ] {
        assert_eq!(refusal(name, value), why);
    }
}

#[test]
fn values_that_kafka_takes_are_taken() {
    for (name, value) in [
        ("max.message.bytes", " 5 "),
        ("retention.ms", "+7"),
        ("retention.bytes", "-5"),
        ("preallocate", " TRUE"),
        ("cleanup.policy", ""),
        ("cleanup.policy", " compact , delete"),
        ("message.timestamp.type", " CreateTime "),
        ("follower.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1, 1:2"),
        ("compression.zstd.level", "0"),
    ] {
        assert_eq!(refusal(name, value), "fine", "{name}={value}");
    }
}

#[test]
fn configs_that_contradict_each_other_are_refused() {
    let lag = configs(&[("min.compaction.lag.ms", "100"), ("max.compaction.lag.ms", "50")]);
    let why = "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)";
    assert_eq!(check_together(&lag).unwrap_err().to_string(), why);
    let tiered = configs(&[("remote.storage.enable", "True")]);
    assert_eq!(check_together(&tiered), Err(ConfigError::TieredStorage));
    assert_eq!(check_together(&BTreeMap::new()), Ok(()));
}

#[test]
fn a_topics_own_configs_win_over_the_brokers() {
    let broker = TopicConfig { max_message_bytes: 2_000_000, ..TopicConfig::default() };
    let own = configs(&[("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", "delete, compact")]);
    let config = broker.overridden_by(&own);
    assert_eq!((config.max_message_bytes, config.timestamp_type), (2_000_000, TimestampType::LogAppendTime));
    assert!(config.log.cleanup.compact);
    assert_eq!(broker.overridden_by(&configs(&[("max.message.bytes", " 7 ")])).max_message_bytes, 7);
}

fn started(name: &'static str, value: &str, default: &'static str) -> StartedWith {
    StartedWith {
        name,
        value: Some(value.to_owned()),
        default: Some(default),
        is_set: value != default,
        values: Values::Long,
        doc: "",
    }
}

fn set(image: &mut Image, broker: &str, pairs: &[(&str, &str)]) {
    let changes = configs(pairs).into_iter().map(|(name, value)| (name, Some(value))).collect();
    image.apply(Record::ConfigsChanged { kind: ConfigKind::Broker, name: broker.to_owned(), changes });
}

/// Value, source and synonyms of a config, as one text.
fn told(described: &[Described], name: &str) -> String {
    let config = described.iter().find(|config| config.name == name).unwrap();
    let synonym = |s: &Synonym| format!("{}={} {:?}", s.name, s.value.as_deref().unwrap_or("?"), s.source);
    let synonyms: Vec<_> = config.synonyms.iter().map(synonym).collect();
    format!("{} {:?}: {}", config.value.as_deref().unwrap_or("none"), config.source, synonyms.join(", "))
}

#[test]
fn a_description_says_where_each_value_comes_from() {
    // As a running Kafka 4.3.1 tells them, but for retention.ms, where Kafka keeps the hours to itself.
    let log = LogConfig { retention_ms: Some(36_000_000), ..LogConfig::default() };
    let defaults = TopicConfig { log, ..TopicConfig::default() };
    let started = [
        started("log.retention.hours", "10", "168"),
        started("log.roll.hours", "168", "168"),
        started("message.max.bytes", "2000000", "1048588"),
    ];
    let mut image = Image::default();
    let own = configs(&[("segment.ms", "1000")]);
    let described = describe(&defaults, &Origins::new(&image, 1, &started), &own);
    let retention =
        "36000000 StaticBroker: log.retention.hours=10 StaticBroker, log.retention.hours=168 Default";
    assert_eq!(told(&described, "retention.ms"), retention);
    let bytes =
        "2000000 StaticBroker: message.max.bytes=2000000 StaticBroker, message.max.bytes=1048588 Default";
    assert_eq!(told(&described, "max.message.bytes"), bytes);
    assert_eq!(told(&described, "segment.ms"), "1000 Topic: segment.ms=1000 Topic");
    assert_eq!(told(&described, "flush.ms"), "9223372036854775807 Default: ");
    assert_eq!(described.len(), 36);

    set(&mut image, "", &[("log.retention.ms", "77"), ("message.max.bytes", "5")]);
    set(&mut image, "1", &[("log.retention.ms", "99"), ("log.roll.ms", "3")]);
    let origins = Origins::new(&image, 1, &started);
    let described = describe(&defaults, &origins, &own);
    let retention = "99 DynamicBroker: log.retention.ms=99 DynamicBroker, log.retention.ms=77 DynamicDefaultBroker, \
                     log.retention.hours=10 StaticBroker, log.retention.hours=168 Default";
    assert_eq!(told(&described, "retention.ms"), retention);
    let segment =
        "1000 Topic: segment.ms=1000 Topic, log.roll.ms=3 DynamicBroker, log.roll.hours=168 Default";
    assert_eq!(told(&described, "segment.ms"), segment);
    let internal = configs(&[("internal.segment.bytes", "10")]);
    assert_eq!(describe(&defaults, &origins, &internal).len(), 37);
}
