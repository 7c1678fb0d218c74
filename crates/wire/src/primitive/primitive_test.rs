use super::{Array, DecodeError, Form, Message, Reader, Records, Uuid, Writer};
use crate::message::metadata::{MetadataRequest, MetadataRequestTopic};
use std::borrow::Cow;

const FORMS: [Form; 2] = [Form::Classic, Form::Compact];

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = Vec::new();
    write(&mut Writer::new(&mut buffer));
    buffer
}

// Zigzag and the last group of seven bits are where varints go wrong.
#[test]
fn varints_come_back_at_the_ends_of_their_ranges() {
    for value in [0, 1, -1, 63, 64, -64, -65, 1 << 20, i32::MAX, i32::MIN] {
        let bytes = written(|w| w.varint(value));
        assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        let bytes = written(|w| w.varlong(i64::from(value) << 32));
        assert_eq!(Reader::new(&bytes).varlong(), Ok(i64::from(value) << 32));
    }
    for value in [i64::MAX, i64::MIN] {
        let bytes = written(|w| w.varlong(value));
        assert_eq!((bytes.len(), Reader::new(&bytes).varlong()), (10, Ok(value)));
    }
    assert_eq!(written(|w| w.unsigned_varint(u32::MAX)), [0xff, 0xff, 0xff, 0xff, 0x0f]);
}

// The bits that do not fit must not be dropped: the value would be another one.
#[test]
fn varints_that_do_not_fit_are_refused() {
    for bytes in [&[0xff; 6][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], &[0xff, 0xff, 0xff, 0xff, 0x1f]] {
        let refused = Reader::new(bytes).unsigned_varint();
        assert!(matches!(refused, Err(DecodeError::VarintTooLong { bits: 32, .. })), "{refused:?}");
    }
    let mut bytes = [0xff; 10];
    bytes[9] = 0x02;
    assert_eq!(Reader::new(&bytes).varlong(), Err(DecodeError::VarintTooLong { at: 0, bits: 64 }));
    assert!(matches!(Reader::new(&[0x80]).varlong(), Err(DecodeError::Truncated { .. })));
}

#[test]
fn strings_and_bytes_come_back_in_both_forms() {
    for form in FORMS {
        let bytes = written(|w| {
            w.string("topic-ü", form);
            w.nullable_string(None, form);
            w.bytes(&[1, 2, 3], form);
            w.nullable_bytes(None, form);
            w.records(&Records::Parts(vec![b"ab".as_slice().into(), b"c".as_slice().into()]), form);
            w.nullable_records(&Records::Null, form);
        });
        let mut r = Reader::new(&bytes);
        assert_eq!(r.string(form).unwrap(), "topic-ü");
        assert_eq!(r.nullable_string(form), Ok(None));
        assert_eq!(r.bytes(form).unwrap(), [1, 2, 3].as_slice());
        assert_eq!(r.nullable_bytes(form), Ok(None));
        assert_eq!(r.records(form), Ok(Records::Slice(b"abc")));
        assert_eq!(r.nullable_records(form), Ok(Records::Null));
        r.finish().unwrap();
    }
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    let minus_two = [0xff, 0xfe, 0xff, 0xfe];
    for (form, null) in
        [(Form::Classic, [0xff; 4].as_slice()), (Form::Classic, &minus_two), (Form::Compact, &[0])]
    {
        assert!(matches!(Reader::new(null).string(form), Err(DecodeError::Null { .. })));
        assert!(matches!(Reader::new(null).bytes(form), Err(DecodeError::Null { .. })));
        assert!(matches!(Reader::new(null).records(form), Err(DecodeError::Null { .. })));
        assert!(matches!(Reader::new(null).array::<i32>(0, form), Err(DecodeError::Null { .. })));
    }
}

// Kafka refuses to read or write such strings; a length field of 16 bits could not even say it.
#[test]
fn strings_above_32767_bytes_are_refused_and_cut_when_written() {
    let long = "ü".repeat(20_000);
    for form in FORMS {
        let bytes = written(|w| w.string(&long, form));
        assert_eq!(Reader::new(&bytes).string(form).unwrap().len(), 32_766);
    }
    let mut bytes = written(|w| w.unsigned_varint(32_768 + 1));
    bytes.resize(40_000, b'x');
    let refused = Reader::new(&bytes).string(Form::Compact);
    assert!(matches!(refused, Err(DecodeError::StringTooLong { length: 32_768, .. })), "{refused:?}");
}

// Kafka answers such a name with INVALID_TOPIC_EXCEPTION, so it has to be read.
#[test]
fn what_is_not_utf8_in_a_string_is_replaced() {
    assert_eq!(Reader::new(&[0, 3, b'a', 0xc3, 0x28]).string(Form::Classic).unwrap(), "a\u{fffd}(");
}

// The count is believed only as far as the bytes go: 2^31 - 1 must not even start a loop.
#[test]
fn counts_beyond_the_bytes_are_refused_before_an_element_is_read() {
    let mut bytes = i32::MAX.to_be_bytes().to_vec();
    bytes.extend([0; 12]);
    let refused = Reader::new(&bytes).array::<i32>(0, Form::Classic);
    assert_eq!(refused, Err(DecodeError::ArrayTooLong { at: 4, count: 0x7fff_ffff, left: 12 }));
}

#[test]
fn decoded_and_built_arrays_are_equal_and_write_the_same_bytes() {
    let topic =
        |name: &'static str| MetadataRequestTopic { name: Some(Cow::Borrowed(name)), ..Default::default() };
    let built: Array<'_, _> = ["a", "b", ""].into_iter().map(topic).collect();
    let request = MetadataRequest { topics: Some(built.clone()), ..Default::default() };
    let bytes = written(|w| request.encode(w, 13));
    let decoded = MetadataRequest::decode(&mut Reader::new(&bytes), 13).unwrap();
    assert_eq!(decoded, request);
    assert_eq!(written(|w| decoded.encode(w, 13)), bytes);
    let topics = decoded.topics.unwrap();
    assert_eq!((topics.len(), topics.iter().len(), topics.is_empty()), (3, 3, false));
    assert_eq!(format!("{topics:?}"), format!("{built:?}"));
    let names: Vec<_> = topics.iter().map(|topic| topic.name.unwrap()).collect();
    assert!(names.iter().all(|name| matches!(name, Cow::Borrowed(_))), "a decoded string was copied");
}

// Version 0 of Metadata says "all topics" by an empty array, later ones by null.
#[test]
fn null_is_written_as_empty_where_the_version_has_no_null() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(written(|w| request.encode(w, 0)), [0; 4]);
    assert_eq!(written(|w| request.encode(w, 1)), [0xff; 4]);
}

#[test]
fn tagged_fields_that_are_not_known_are_passed_over() {
    let mut bytes = written(|w| MetadataRequest::default().encode(w, 13));
    assert_eq!(bytes.pop(), Some(0), "no tagged field");
    bytes.extend([2, 0, 3, 1, 2, 3, 0x80, 0x01, 0]);
    let mut r = Reader::new(&bytes);
    assert_eq!(MetadataRequest::decode(&mut r, 13), Ok(MetadataRequest::default()));
    r.finish().unwrap();
}

// A field that says it is longer than its value hides bytes from everybody else on the path.
#[test]
fn a_tagged_field_is_exactly_as_long_as_it_says() {
    let read =
        |bytes: &[u8]| Reader::new(bytes).tagged_fields(Form::Compact, |field, _| field.int16().map(drop));
    assert_eq!(read(&[1, 0, 2, 0, 0]), Ok(()));
    assert_eq!(read(&[1, 0, 3, 0, 0, 0]), Err(DecodeError::TaggedFieldTooLong { at: 6, tag: 0, left: 1 }));
    assert!(matches!(read(&[1, 0, 1, 0, 0]), Err(DecodeError::Truncated { .. })));
    assert!(matches!(read(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(DecodeError::Truncated { .. })));
}

#[test]
fn tagged_fields_are_written_with_their_length_in_front() {
    let bytes = written(|w| w.tagged(300, |w| w.raw(&[7; 200])));
    assert_eq!(bytes[..4], [0xac, 0x02, 0xc8, 0x01]);
    assert_eq!(bytes[4..], [7; 200]);
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    let refused = MetadataRequest::decode(&mut Reader::new(&[0; 64]), 14);
    assert_eq!(refused, Err(DecodeError::UnsupportedVersion { message: "MetadataRequest", version: 14 }));
}

#[test]
fn ids_print_as_kafka_prints_them() {
    let id = Uuid([0x7f, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff]);
    assert_eq!(id.to_string(), "f_8AAQIDBAUGBwgJCgsM_w");
    assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
}
