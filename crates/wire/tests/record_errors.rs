//! Records that break a rule of their topic: which are named, and what the batch is answered.
#![allow(clippy::unwrap_used)]

use wire::ErrorCode::{self, INVALID_RECORD, INVALID_TIMESTAMP};
use wire::record::header::{HEADER_BYTES, seal};
use wire::record::{
    BatchError, Builder, Codec, Compression, Header, Limits, RecordErrors, Scratch, validate,
};

const NOW: i64 = 1_700_000_000_000;
const OLD: i64 = NOW - 1001;
const AHEAD: i64 = NOW + 1001;
const KEY: Option<&[u8]> = Some(b"k");

/// What a compacted topic takes that looks at timestamps, too.
fn strict() -> Limits {
    let (timestamp_oldest, timestamp_newest) = (NOW - 1000, NOW + 1000);
    Limits { key_required: true, timestamp_oldest, timestamp_newest, ..Limits::default() }
}

fn batch(codec: Codec, records: &[(i64, Option<&[u8]>)]) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(codec));
    for (timestamp, key) in records {
        builder.append(*timestamp, *key, Some(b"v"), &[]).unwrap();
    }
    builder.finish().unwrap()
}

fn errors(batch: &[u8], limits: &Limits) -> RecordErrors {
    match validate(batch, limits, &mut Scratch::default()).unwrap_err() {
        BatchError::Records(errors) => *errors,
        error => panic!("{error}"),
    }
}

/// The code, and the places of those that are named.
fn named(batch: &[u8], limits: &Limits) -> (ErrorCode, Vec<i32>) {
    let errors = errors(batch, limits);
    (errors.code(), errors.named().iter().map(|error| error.batch_index).collect())
}

#[test]
fn every_record_at_fault_is_named() {
    // Could break: a client takes those that are not named for innocent, and one alone for the fault of all.
    for codec in Codec::ALL {
        let no_keys = batch(codec, &[(NOW, None), (NOW, KEY), (NOW, None), (NOW, KEY)]);
        assert_eq!(named(&no_keys, &strict()), (INVALID_RECORD, vec![0, 2]), "{codec}");
        let times = batch(codec, &[(AHEAD, KEY), (NOW, KEY), (-1, KEY), (OLD, KEY)]);
        assert_eq!(named(&times, &strict()), (INVALID_TIMESTAMP, vec![0, 3]), "{codec}");
    }
}

#[test]
fn one_bad_timestamp_gives_the_batch_its_code() {
    let key_first = batch(Codec::None, &[(NOW, None), (AHEAD, KEY)]);
    assert_eq!(named(&key_first, &strict()), (INVALID_TIMESTAMP, vec![0, 1]));
    // Of a record with both faults the key is the one that Kafka speaks of.
    let both = batch(Codec::None, &[(OLD, None), (NOW, KEY)]);
    assert_eq!(named(&both, &strict()), (INVALID_RECORD, vec![0]));
}

#[test]
fn limits_are_inclusive_and_topics_without_rules_take_all() {
    let at_the_limits = batch(Codec::None, &[(OLD + 1, KEY), (AHEAD - 1, Some(b""))]);
    let info = validate(&at_the_limits, &strict(), &mut Scratch::default()).unwrap();
    assert_eq!((info.max_timestamp, info.offset_of_max_timestamp), (AHEAD - 1, 1));
    let wild = batch(Codec::None, &[(AHEAD, None), (OLD, None)]);
    validate(&wild, &Limits::default(), &mut Scratch::default()).unwrap();
}

#[test]
fn a_header_is_no_key() {
    let mut builder = Builder::new(Compression::NONE);
    builder.append(NOW, None, Some(b"v"), &[Header { key: b"h", value: None }]).unwrap();
    assert_eq!(named(&builder.finish().unwrap(), &strict()), (INVALID_RECORD, vec![0]));
}

#[test]
fn beyond_the_bound_records_are_counted() {
    // Could break: a batch of some kilobytes with millions of records has an answer of hundreds of megabytes.
    let many = batch(Codec::Zstd, &vec![(NOW, None); 5000]);
    let limits = Limits { record_errors_max: 3, ..strict() };
    let mut errors = errors(&many, &limits);
    assert_eq!(errors.named().len(), 3);
    let first = "record 0: a compacted topic cannot accept a record without key";
    let text = format!("the batch is refused because 5000 records are at fault, the first is {first}");
    assert_eq!(errors.to_string(), text);
    errors.truncate(1);
    assert_eq!((errors.named().len(), errors.to_string()), (1, text));
    // The code does not depend on who is named.
    let late = batch(Codec::None, &[(NOW, None), (NOW, None), (NOW, None), (OLD, KEY)]);
    assert_eq!(named(&late, &limits), (INVALID_TIMESTAMP, vec![0, 1, 2]));
}

#[test]
fn a_batch_that_lies_is_answered_for_its_lie() {
    // Could break: a fault of the bytes behind a record without key; Kafka names no record then.
    let mut cut = batch(Codec::None, &[(NOW, None), (NOW, KEY)]);
    let last_byte = cut.len() - 1;
    // The second record says that it has a header.
    cut[last_byte] = 2;
    assert!(cut.len() > HEADER_BYTES);
    seal(&mut cut).unwrap();
    let error = validate(&cut, &strict(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(error, BatchError::Record { index: 1, .. }), "{error}");
}
