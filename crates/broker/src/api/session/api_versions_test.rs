//! Facts about what a connection begins with.

use wire::frame::LENGTH_SIZE;
use wire::primitive::Reader;

use super::*;

#[test]
fn clients_are_called_as_kafka_lets_them_be_called() {
    // Tried against a running Kafka 4.3.1.
    for name in ["a", "a-b", "apache-kafka-java", "1.0-x", "A1", &"x".repeat(300)] {
        assert!(is_software(name), "{name}");
    }
    for name in ["", "a b", "-a", "a-", "é", "1.", ".1", "a@b"] {
        assert!(!is_software(name), "{name}");
    }
}

#[test]
fn an_unknown_version_is_answered_in_version_0() {
    // Whatever the client asked in, this it can read.
    let mut out = Vec::new();
    refuse_version(7, &mut out);
    let (correlation_id, mut body) =
        frame::read_response(&out[LENGTH_SIZE..], ApiKey::ApiVersions, 0).unwrap();
    let response = ApiVersionsResponse::decode(&mut body, 0).unwrap();
    assert_eq!((correlation_id, response.error_code), (7, ErrorCode::UNSUPPORTED_VERSION.code()));
    let listed: Vec<_> = response.api_keys.iter().collect();
    assert_eq!(listed, [ApiVersion { api_key: 18, min_version: 0, max_version: 4 }]);
    assert_eq!(Reader::new(&out).int32().unwrap(), i32::try_from(out.len() - LENGTH_SIZE).unwrap());
}

#[test]
fn produce_is_listed_from_version_0() {
    assert_eq!(listed(ApiKey::Produce), ApiVersion { api_key: 0, min_version: 0, max_version: 13 });
    assert_eq!(listed(ApiKey::Fetch).min_version, 4);
}
