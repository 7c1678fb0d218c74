use super::ApiKey;
use crate::primitive::DecodeError;

// The look-up is a binary search: keys out of order in the table would hide APIs.
#[test]
fn every_key_is_found_and_others_are_refused() {
    for api in ApiKey::ALL {
        assert_eq!(ApiKey::try_from(api.code()), Ok(api));
    }
    for key in [i16::MIN, -1, 4, 52, 93, i16::MAX] {
        assert_eq!(ApiKey::try_from(key), Err(DecodeError::UnknownApiKey { key }));
    }
}

// A client sends ApiVersions before it knows what the broker reads: both headers have their exceptions here.
#[test]
fn headers_follow_the_flexible_versions_except_in_the_api_versions_response() {
    assert_eq!(ApiKey::ApiVersions.request_header_version(2), 1);
    assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
    assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
    assert_eq!(ApiKey::Metadata.response_header_version(8), 0);
    assert_eq!(ApiKey::Metadata.response_header_version(9), 1);
    assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    assert_eq!(ApiKey::SaslHandshake.flexible_since(), None);
}

#[test]
fn versions_that_kafka_calls_unstable_are_left_out() {
    assert_eq!(ApiKey::InitProducerId.versions(), 0..=5);
    assert_eq!(ApiKey::Produce.versions(), 3..=13);
}
