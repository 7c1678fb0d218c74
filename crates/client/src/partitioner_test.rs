use super::{partition_of_key, partitioner::murmur2};

// What Apache Kafka's own hash gives; another value would part a key's records.
#[test]
fn keys_hash_as_kafkas_do() {
    for (key, expected) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
    }
}

#[test]
fn every_key_has_one_of_the_partitions() {
    for length in 0..100_u8 {
        let key = vec![length; usize::from(length)];
        assert!((0..7).contains(&partition_of_key(&key, 7)));
        assert_eq!(partition_of_key(&key, 1), 0);
    }
}
