//! Batches that lie get the answer that Apache Kafka 4.3.1 gave to the same bytes over its socket.
//!
//! Where the name ends in "(stricter)", Kafka took the batch or failed with UNKNOWN_SERVER_ERROR; the head of
//! `src/record/error.rs` says why we do not.
#![allow(clippy::unwrap_used)]

use wire::ErrorCode;
use wire::record::header::{BATCH_LENGTH_AT, BatchHeader, CRC_AT, HEADER_BYTES, MAGIC_AT, seal};
use wire::record::{BatchError, Builder, Codec, Compression, Limits, RecordFault, Scratch, validate};

const NOW: i64 = 1_700_000_000_000;

/// A good batch of `count` records.
fn good(codec: Codec, count: i32) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(codec));
    for _ in 0..count {
        builder.append(NOW, Some(b"k"), Some(b"v"), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// A good batch with one header field changed and the CRC right.
fn with_header(change: impl Fn(&mut BatchHeader)) -> Vec<u8> {
    let mut batch = good(Codec::None, 1);
    let mut header = BatchHeader::parse(&batch).unwrap();
    change(&mut header);
    header.write(&mut batch).unwrap();
    seal(&mut batch).unwrap();
    batch
}

/// A batch whose records are `data`, said to be `count` records in `codec`.
fn with_records(codec: Codec, count: i32, data: &[u8]) -> Vec<u8> {
    let mut batch = with_header(|header| {
        header.attributes = codec.id();
        header.record_count = count;
        header.last_offset_delta = count - 1;
    });
    batch.truncate(HEADER_BYTES);
    batch.extend_from_slice(data);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[BATCH_LENGTH_AT..BATCH_LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
    seal(&mut batch).unwrap();
    batch
}

/// The records of a good batch as `codec` stores them.
fn stored(codec: Codec, count: i32) -> Vec<u8> {
    good(codec, count)[HEADER_BYTES..].to_vec()
}

/// A record: zig-zag varints of one byte, written by hand.
fn record(body: &[u8]) -> Vec<u8> {
    let mut record = vec![zigzag(i8::try_from(body.len()).unwrap())];
    record.extend_from_slice(body);
    record
}

const fn zigzag(value: i8) -> u8 {
    ((value << 1) ^ (value >> 7)).cast_unsigned()
}

fn answer(batch: &[u8]) -> ErrorCode {
    match validate(batch, &Limits::default(), &mut Scratch::default()) {
        Ok(_) => ErrorCode::NONE,
        Err(error) => error.code(),
    }
}

#[track_caller]
fn assert_answers(cases: &[(&str, Vec<u8>, ErrorCode)]) {
    for (name, batch, code) in cases {
        assert_eq!(answer(batch), *code, "{name}");
    }
}

use ErrorCode::{
    CORRUPT_MESSAGE, INVALID_PRODUCER_EPOCH, INVALID_RECORD, INVALID_TIMESTAMP, NONE,
    UNSUPPORTED_COMPRESSION_TYPE,
};

#[test]
fn frames_that_lie() {
    let whole = good(Codec::None, 1);
    let magic = |magic: i8| {
        let mut batch = whole.clone();
        batch[MAGIC_AT] = magic.cast_unsigned();
        batch
    };
    let length = |length: i32| {
        let mut batch = whole.clone();
        batch[BATCH_LENGTH_AT..BATCH_LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        batch
    };
    let mut wrong_crc = whole.clone();
    wrong_crc[CRC_AT] ^= 1;
    assert_answers(&[
        ("good", whole.clone(), NONE),
        ("wrong CRC", wrong_crc, CORRUPT_MESSAGE),
        ("magic -1", magic(-1), CORRUPT_MESSAGE),
        ("magic 0", magic(0), INVALID_RECORD),
        ("magic 1", magic(1), INVALID_RECORD),
        ("magic 3", magic(3), CORRUPT_MESSAGE),
        ("magic 127", magic(127), CORRUPT_MESSAGE),
        ("nothing", Vec::new(), INVALID_RECORD),
        ("11 bytes", whole[..11].to_vec(), INVALID_RECORD),
        ("16 bytes", whole[..16].to_vec(), INVALID_RECORD),
        ("half a header", whole[..40].to_vec(), INVALID_RECORD),
        ("one byte short", whole[..whole.len() - 1].to_vec(), INVALID_RECORD),
        ("two batches", whole.repeat(2), INVALID_RECORD),
        ("a byte behind it (stricter)", [whole.as_slice(), b"\0"].concat(), INVALID_RECORD),
        ("length -1", length(-1), CORRUPT_MESSAGE),
        ("length 0", length(0), CORRUPT_MESSAGE),
        ("length 13", length(13), CORRUPT_MESSAGE),
        ("length 14", length(14), CORRUPT_MESSAGE),
        ("length 48", length(48), CORRUPT_MESSAGE),
        ("length i32::MIN", length(i32::MIN), CORRUPT_MESSAGE),
        ("length i32::MAX (stricter)", length(i32::MAX), INVALID_RECORD),
    ]);
}

#[test]
fn headers_that_lie() {
    assert_answers(&[
        ("base offset 5", with_header(|h| h.base_offset = 5), INVALID_RECORD),
        ("leader epoch 7", with_header(|h| h.partition_leader_epoch = 7), NONE),
        ("count 0", with_header(|h| h.record_count = 0), INVALID_RECORD),
        ("count -5", with_header(|h| h.record_count = -5), INVALID_RECORD),
        ("last offset delta 1", with_header(|h| h.last_offset_delta = 1), INVALID_RECORD),
        ("codec 5 (stricter)", with_header(|h| h.attributes = 5), UNSUPPORTED_COMPRESSION_TYPE),
        ("codec 7 (stricter)", with_header(|h| h.attributes = 7), UNSUPPORTED_COMPRESSION_TYPE),
        ("unused attribute 0x80", with_header(|h| h.attributes = 0x80), NONE),
        ("unused attribute 0x8000", with_header(|h| h.attributes = i16::MIN), NONE),
        ("control", with_header(|h| h.attributes = 0x20), INVALID_RECORD),
        ("delete horizon (stricter)", with_header(|h| h.attributes = 0x40), INVALID_RECORD),
        ("transactional, no producer (stricter)", with_header(|h| h.attributes = 0x10), INVALID_RECORD),
        ("LogAppendTime", with_header(|h| h.attributes = 8), INVALID_TIMESTAMP),
        ("max timestamp wrong", with_header(|h| h.max_timestamp = 5), NONE),
    ]);
}

#[test]
fn producers_that_lie() {
    let producer = |id, epoch, sequence| {
        with_header(|header| {
            header.producer_id = id;
            header.producer_epoch = epoch;
            header.base_sequence = sequence;
        })
    };
    assert_answers(&[
        ("idempotent", producer(7, 0, 0), NONE),
        ("no sequence", producer(7, 0, -1), INVALID_RECORD),
        ("sequence -5", producer(7, 0, -5), INVALID_RECORD),
        ("epoch -5", producer(7, -5, 0), INVALID_PRODUCER_EPOCH),
        ("epoch -1 (stricter)", producer(7, -1, 0), INVALID_PRODUCER_EPOCH),
        ("producer id -2", producer(-2, 0, 0), NONE),
        ("epoch and sequence without producer", producer(-1, 3, 5), NONE),
    ]);
}

#[test]
fn records_that_lie() {
    // attributes, timestamp delta, offset delta, key length, key, value length, value, header count
    let plain = record(&[0, 0, 0, 2, b'k', 2, b'v', 0]);
    let body = |bytes: &[u8]| with_records(Codec::None, 1, &record(bytes));
    let raw = |bytes: &[u8]| with_records(Codec::None, 1, bytes);
    let second = record(&[0, 0, 2, 2, b'k', 2, b'v', 0]);
    let mut long = plain.clone();
    long[0] = zigzag(9);
    let mut short = plain.clone();
    short[0] = zigzag(7);
    let mut negative = plain.clone();
    negative[0] = zigzag(-1);
    assert_answers(&[
        ("good", raw(&plain), NONE),
        ("two said to be one", raw(&[plain.clone(), second.clone()].concat()), INVALID_RECORD),
        ("one said to be two", with_records(Codec::None, 2, &plain), INVALID_RECORD),
        ("one said to be i32::MAX", with_records(Codec::None, i32::MAX, &plain), INVALID_RECORD),
        ("two", with_records(Codec::None, 2, &[plain.clone(), second].concat()), NONE),
        ("offset delta 1 (stricter)", body(&[0, 0, 2, 2, b'k', 2, b'v', 0]), INVALID_RECORD),
        ("same delta twice (stricter)", with_records(Codec::None, 2, &plain.repeat(2)), INVALID_RECORD),
        ("length one more", raw(&long), INVALID_RECORD),
        ("length one less", raw(&short), INVALID_RECORD),
        ("length -1", raw(&negative), INVALID_RECORD),
        ("length 0", raw(&[0]), INVALID_RECORD),
        ("length i32::MAX", raw(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), INVALID_RECORD),
        ("length of six bytes (stricter)", raw(&[0xff; 6]), INVALID_RECORD),
        ("a byte behind the record", raw(&[plain.as_slice(), b"z"].concat()), INVALID_RECORD),
        ("a byte inside the record", body(&[0, 0, 0, 2, b'k', 2, b'v', 0, b'z']), INVALID_RECORD),
        ("null key and value", body(&[0, 0, 0, 1, 1, 0]), NONE),
        ("key length -2 (stricter)", body(&[0, 0, 0, 3, 2, b'v', 0]), INVALID_RECORD),
        ("key past the record", body(&[0, 0, 0, 20, b'k', 2, b'v', 0]), INVALID_RECORD),
        ("record attributes", body(&[0xff, 0, 0, 2, b'k', 2, b'v', 0]), NONE),
        ("overlong key length", body(&[0, 0, 0, 0x82, 0, b'k', 2, b'v', 0]), NONE),
        ("header count -1", body(&[0, 0, 0, 1, 1, 1]), INVALID_RECORD),
        ("header count 30", body(&[0, 0, 0, 1, 1, 60]), INVALID_RECORD),
        ("header count i32::MAX", body(&[0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]), INVALID_RECORD),
        ("header without key", body(&[0, 0, 0, 1, 1, 2, 1, 2, b'x']), INVALID_RECORD),
        ("header without value", body(&[0, 0, 0, 1, 1, 2, 2, b'h', 1]), NONE),
        ("header key not UTF-8", body(&[0, 0, 0, 1, 1, 2, 2, 0xff, 1]), NONE),
    ]);
}

#[test]
fn compressed_data_that_lies() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let (one, two) = (stored(codec, 1), stored(codec, 2));
        let behind = [one.as_slice(), b"xx"].concat();
        let cases = [
            ("good", with_records(codec, 2, &two), NONE),
            ("two said to be one", with_records(codec, 1, &two), INVALID_RECORD),
            ("one said to be two", with_records(codec, 2, &one), INVALID_RECORD),
            ("garbage (stricter)", with_records(codec, 1, b"garbagegarbage"), INVALID_RECORD),
            ("nothing (stricter)", with_records(codec, 1, b""), INVALID_RECORD),
            ("cut off (stricter)", with_records(codec, 1, &one[..one.len() - 1]), INVALID_RECORD),
            ("bytes behind the stream (stricter)", with_records(codec, 1, &behind), INVALID_RECORD),
        ];
        for (name, batch, code) in cases {
            assert_eq!(answer(&batch), code, "{codec}: {name}");
        }
    }
}

#[test]
fn codecs_take_what_kafka_takes() {
    let plain = stored(Codec::None, 1);
    let mut raw_snappy = vec![u8::try_from(plain.len()).unwrap()];
    raw_snappy.push((u8::try_from(plain.len()).unwrap() - 1) << 2);
    raw_snappy.extend_from_slice(&plain);
    let both = |codec: Codec| {
        let second = record(&[0, 0, 2, 2, b'k', 2, b'v', 0]);
        let mut compressor = wire::record::codec::Compressor::default();
        let mut out = stored(codec, 1);
        compressor.compress(Compression::from(codec), &second, &mut out).unwrap();
        with_records(codec, 2, &out)
    };
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0abcd".as_slice(), &stored(Codec::Zstd, 1)].concat();
    assert_answers(&[
        ("a bare snappy block", with_records(Codec::Snappy, 1, &raw_snappy), NONE),
        ("two gzip members", both(Codec::Gzip), NONE),
        ("two xerial streams", both(Codec::Snappy), NONE),
        ("two zstd frames", both(Codec::Zstd), NONE),
        ("two lz4 frames", both(Codec::Lz4), INVALID_RECORD),
        ("a skippable zstd frame", with_records(Codec::Zstd, 1, &skippable), NONE),
    ]);
}

#[test]
fn a_timestamp_that_overflows_is_refused() {
    // attributes, timestamp delta i64::MAX, offset delta, null key, null value, no headers
    let delta = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let body = [&[0u8][..], &delta, &[0, 1, 1, 0]].concat();
    let batch = with_records(Codec::None, 1, &record(&body));
    let error = validate(&batch, &Limits::default(), &mut Scratch::default()).unwrap_err();
    let fault = RecordFault::TimestampDelta(i64::MAX);
    assert_eq!(error, BatchError::Record { index: 0, fault });
    assert_eq!(error.code(), INVALID_TIMESTAMP);
}

#[test]
fn size_is_judged_before_the_crc() {
    // Kafka's order: a client that must send less learns it, whatever else is wrong.
    let mut batch = good(Codec::None, 1);
    batch[CRC_AT] ^= 1;
    let limits = Limits { batch_bytes_max: batch.len() - 1, ..Limits::default() };
    let error = validate(&batch, &limits, &mut Scratch::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::MESSAGE_TOO_LARGE);
    let enough = Limits { batch_bytes_max: batch.len(), ..Limits::default() };
    let error = validate(&batch, &enough, &mut Scratch::default()).unwrap_err();
    assert_eq!(error.code(), CORRUPT_MESSAGE);
}
