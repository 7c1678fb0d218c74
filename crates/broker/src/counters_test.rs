//! Counters that are read are counters that were moved.

use std::time::Duration;

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
fn errors_are_counted_as_often_as_they_were_answered() {
    let counters = Counters::default();
    counters.answered(ApiKey::Produce, &[]);
    counters.answered(ApiKey::Produce, &[(ErrorCode::KAFKA_STORAGE_ERROR.code(), 3)]);
    counters.answered(ApiKey::Fetch, &[(ErrorCode::KAFKA_STORAGE_ERROR.code(), 1), (-1, 2)]);
    counters.failed(ApiKey::Produce, ErrorCode::KAFKA_STORAGE_ERROR, 1);
    let expected = [
        ("Produce", "KAFKA_STORAGE_ERROR", 4),
        ("Fetch", "UNKNOWN_SERVER_ERROR", 2),
        ("Fetch", "KAFKA_STORAGE_ERROR", 1),
    ];
    assert_eq!(counters.traffic(0).errors, expected);
}

#[test]
fn durations_are_of_their_api() {
    let counters = Counters::default();
    for key in crate::dispatch::SERVED {
        counters.took(*key, Duration::from_micros(u64::from(key.code().unsigned_abs()) + 1));
    }
    let durations = counters.traffic(0).durations;
    assert_eq!(durations.len(), crate::dispatch::SERVED.len());
    for ((name, durations), key) in durations.iter().zip(crate::dispatch::SERVED) {
        let sum = Duration::from_micros(u64::from(key.code().unsigned_abs()) + 1);
        assert_eq!((*name, durations.count(), durations.sum), (key.name(), 1, sum));
    }
}
