//! Which partition a key belongs to: as Kafka's Java clients and librdkafka's `murmur2_random` have it, so that
//! records written by either stay together.

/// The partition of `key` among `partitions`, which is at least 1.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    let positive = murmur2(key) & 0x7fff_ffff;
    i32::try_from(positive).expect("31 bits fit") % partitions.max(1)
}

/// MurmurHash2, 32 bits, with Kafka's seed.
pub(crate) fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // The hash takes the length modulo 2^32.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).expect("masked");
    let mut hash = SEED ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}
