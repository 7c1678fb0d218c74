//! Counters that are read are counters that were moved.

use wire::api::ApiKey;
use wire::error::ErrorCode;

use crate::counters::Counters;

#[test]
fn every_served_version_has_a_place_of_its_own() {
    // Could break: a key or version beyond the table is not counted, or counted as another's.
    let counters = Counters::default();
    let all = || crate::dispatch::SERVED.iter().flat_map(|key| key.versions().map(|version| (*key, version)));
    for (count, (key, version)) in all().enumerate() {
        (0..=count).for_each(|_| counters.requested(key, version));
    }
    let traffic = counters.traffic(3);
    let expected: Vec<_> =
        all().enumerate().map(|(count, (key, version))| (key.name(), version, count as u64 + 1)).collect();
    assert_eq!(traffic.requests, expected);
    assert_eq!(traffic.connections_active, 3);
}

#[test]
fn success_is_no_error() {
    let counters = Counters::default();
    counters.failed(ApiKey::Produce, ErrorCode::NONE);
    counters.failed(ApiKey::Produce, ErrorCode::KAFKA_STORAGE_ERROR);
    counters.failed(ApiKey::Produce, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(counters.traffic(0).errors, [("Produce", "KAFKA_STORAGE_ERROR", 2)]);
}
