use crate::ErrorCode;

// `from_code` is an index into the list: a gap or a swap in the list would answer a wrong error.
#[test]
fn every_code_is_found_by_its_number_and_others_are_not() {
    for &error in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(error.code()), Some(error));
    }
    for code in [i16::MIN, -2, 134, i16::MAX] {
        assert_eq!(ErrorCode::from_code(code), None);
    }
}

#[test]
fn the_codes_are_those_of_kafka_4_3_1() {
    assert_eq!(ErrorCode::ALL.len(), 135);
    assert_eq!(ErrorCode::NONE.code(), 0);
    assert_eq!(ErrorCode::UNSUPPORTED_VERSION.code(), 35);
    assert_eq!(ErrorCode::UNKNOWN_TOPIC_ID.code(), 100);
    assert_eq!(ErrorCode::SHARE_SESSION_LIMIT_REACHED.code(), 133);
    assert_eq!(ErrorCode::UNKNOWN_SERVER_ERROR.to_string(), "UNKNOWN_SERVER_ERROR");
}
