//! Facts about what configs say of logs.

use super::*;

fn config(pairs: &[(&str, &str)]) -> LogConfig {
    let configs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LogConfig::default().overridden_by(&configs)
}

#[test]
fn a_topics_own_configs_win_and_the_rest_stays() {
    let own = config(&[("segment.bytes", " 2000000 "), ("segment.ms", "5"), ("retention.bytes", "0")]);
    assert_eq!(own.roll, RollLimits { segment_bytes: 2_000_000, segment_ms: 5 });
    assert_eq!(own.retention_bytes, Some(0));
    assert_eq!(own.retention_ms, LogConfig::default().retention_ms);
}

#[test]
fn negative_bounds_of_retention_are_none() {
    let unbounded = config(&[("retention.ms", "-1"), ("retention.bytes", "-7")]);
    assert_eq!((unbounded.retention_ms, unbounded.retention_bytes), (None, None));
    assert_eq!(config(&[("retention.ms", "0")]).retention_ms, Some(0));
}

// Kafka's own tests make small segments with it; whatever segment.bytes says.
#[test]
fn the_internal_segment_size_wins() {
    let both = config(&[("internal.segment.bytes", "100"), ("segment.bytes", "2000000")]);
    assert_eq!(both.roll.segment_bytes, 100);
}

#[test]
fn a_cleanup_policy_may_be_both_or_nothing() {
    let policy = |value| config(&[("cleanup.policy", value)]).cleanup;
    assert_eq!(policy("compact"), CleanupPolicy { delete: false, compact: true });
    assert_eq!(policy(" delete , compact"), CleanupPolicy { delete: true, compact: true });
    assert_eq!(policy(""), CleanupPolicy { delete: false, compact: false });
}

#[test]
fn a_topics_codec_and_levels_are_those_of_its_merged_batches() {
    let options = |pairs: &[(&str, &str)]| config(pairs).merge.in_force().unwrap();
    let producers = CodecChoice::Producers { of_uncompressed: Codec::None };
    assert_eq!(options(&[]), MergeOptions::default());
    assert_eq!(options(&[("compression.type", "producer")]).codec, producers);
    assert_eq!(options(&[("compression.type", "uncompressed")]).codec, CodecChoice::Always(Codec::None));
    let zstd = options(&[("compression.type", "zstd"), ("compression.zstd.level", "-5")]);
    assert_eq!(zstd.codec, CodecChoice::Always(Codec::Zstd));
    assert_eq!(zstd.levels.of(Codec::Zstd).level(), -5);
    assert_eq!(zstd.levels.of(Codec::Gzip).level(), -1);
}

#[test]
fn a_merged_batch_is_no_larger_than_what_the_topic_takes() {
    let encoded = |bytes| config(&[("max.message.bytes", bytes)]).merge.in_force().unwrap().encoded_bytes_max;
    assert_eq!(encoded("5000"), 5000);
    assert_eq!(encoded("50000000"), MergeOptions::ENCODED_BYTES_MAX);
}

#[test]
fn merging_can_be_switched_off() {
    assert_eq!(config(&[("batch.merge.enable", "False")]).merge.in_force(), None);
    assert!(config(&[("batch.merge.enable", "TRUE")]).merge.in_force().is_some());
}
