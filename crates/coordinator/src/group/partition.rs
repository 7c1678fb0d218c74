//! Where a group lives.

/// The partition of `__consumer_offsets`, out of `count`, that a group's records are in: Kafka's, so that clients and tools
/// that compute it themselves agree.
#[must_use]
pub fn partition_of(group: &str, count: u32) -> u32 {
    // Java's String.hashCode, over UTF-16 units; then Kafka's `abs`, for which the smallest number is 0.
    let hash = group.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    let positive = if hash == 1 << 31 { 0 } else { hash.cast_signed().unsigned_abs() };
    positive % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_where_kafka_looks_for_it() {
        // `Utils.abs(id.hashCode()) % 50` of Java.
        for (group, partition) in [
            ("", 0),
            ("a", 47),
            ("test", 48),
            ("console-consumer-1", 24),
            ("grüße", 23),
            ("polygenelubricants", 0),
        ] {
            assert_eq!(partition_of(group, 50), partition, "{group}");
        }
    }
}
