//! What is built reads back, whatever the codec, sizes, nulls and headers.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use wire::record::codec::{Codec, Compression, Compressor};
use wire::record::{
    BatchHeader, BuildError, Builder, Header, Limits, Record, Scratch, TimestampType, batches, read,
    set_log_append_time, validate,
};

#[derive(Debug, Clone, PartialEq)]
struct Given {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Given {
    fn of(record: &Record<'_>) -> Given {
        Given {
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect(),
        }
    }

    fn append_to(&self, builder: &mut Builder) {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        builder.append(self.timestamp, self.key.as_deref(), self.value.as_deref(), &headers).unwrap();
    }

    fn payload(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

/// Bytes from empty over one-byte to two-byte lengths, runs that compress and noise that does not.
fn field(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        (any::<u8>(), 0..longest).prop_map(|(byte, length)| vec![byte; length]),
        prop::collection::vec(any::<u8>(), 0..longest),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let timestamp = prop_oneof![Just(-1), 0i64..1000, 0..i64::MAX / 4, Just(1_700_000_000_000)];
    let headers = prop::collection::vec((field(40), prop::option::of(field(200))), 0..4);
    (timestamp, prop::option::of(field(200)), prop::option::of(field(20_000)), headers)
        .prop_map(|(timestamp, key, value, headers)| Given { timestamp, key, value, headers })
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(vec![
        Compression::NONE,
        Compression::from(Codec::Gzip),
        Compression::new(Codec::Gzip, 1).unwrap(),
        Compression::from(Codec::Snappy),
        Compression::from(Codec::Lz4),
        Compression::from(Codec::Zstd),
        Compression::new(Codec::Zstd, -5).unwrap(),
        Compression::new(Codec::Zstd, 12).unwrap(),
    ])
}

fn read_all(batch: &[u8]) -> Vec<Given> {
    let records = read(batch, &Limits::default()).unwrap();
    let base = records.header().base_offset;
    let mut given = Vec::new();
    for (delta, record) in records.iter().enumerate() {
        let record = record.unwrap();
        assert_eq!(record.offset, base + i64::try_from(delta).unwrap());
        given.push(Given::of(&record));
    }
    given
}

proptest! {
    #[test]
    fn prop_built_batches_validate_and_read_back(
        compression in compression(),
        records in prop::collection::vec(given(), 1..30),
    ) {
        let mut builder = Builder::new(compression).producer(5, 2, i32::MAX);
        records.iter().for_each(|record| record.append_to(&mut builder));
        let batch = builder.finish().unwrap();
        let info = validate(&batch, &Limits::default(), &mut Scratch::default()).unwrap();
        let max = records.iter().map(|record| record.timestamp).max().unwrap();
        prop_assert_eq!(info.max_timestamp, max);
        prop_assert_eq!(info.header.max_timestamp, max);
        let payload: usize = records.iter().map(Given::payload).sum();
        prop_assert_eq!(info.key_value_header_bytes, u64::try_from(payload).unwrap());
        if max >= 0 {
            let first = records.iter().position(|record| record.timestamp == max).unwrap();
            prop_assert_eq!(info.offset_of_max_timestamp, i32::try_from(first).unwrap());
        }
        prop_assert_eq!(read_all(&batch), records);
    }

    #[test]
    fn prop_records_move_between_batches_unchanged(
        (from, to) in (compression(), compression()),
        first in prop::collection::vec(given(), 1..10),
        second in prop::collection::vec(given(), 1..10),
    ) {
        // What merging does: records of several batches in one, each with its own timestamp.
        let mut compressor = Compressor::default();
        let mut merged = Builder::new(to).base_offset(1000).partition_leader_epoch(4);
        for records in [&first, &second] {
            let mut builder = Builder::new(from);
            records.iter().for_each(|record| record.append_to(&mut builder));
            let batch = builder.finish_with(&mut compressor).unwrap();
            for record in &read(&batch, &Limits::default()).unwrap() {
                merged.append_record(&record.unwrap()).unwrap();
            }
        }
        let merged = merged.finish_with(&mut compressor).unwrap();
        prop_assert_eq!(BatchHeader::parse(&merged).unwrap().base_offset, 1000);
        prop_assert_eq!(read_all(&merged), [first, second].concat());
    }

    #[test]
    fn prop_compressed_bytes_do_not_depend_on_what_came_before(
        compression in compression(),
        before in field(5000),
        data in field(5000),
    ) {
        // Replicas and simulations compare bytes.
        let mut used = Compressor::default();
        used.compress(compression, &before, &mut Vec::new()).unwrap();
        let (mut again, mut fresh) = (Vec::new(), Vec::new());
        used.compress(compression, &data, &mut again).unwrap();
        Compressor::default().compress(compression, &data, &mut fresh).unwrap();
        prop_assert_eq!(again, fresh);
    }
}

#[test]
fn a_record_of_a_mebibyte_passes_every_codec() {
    // Larger than the walk's buffer and than any block.
    let value: Vec<u8> = (0..1u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let limits = Limits { batch_bytes_max: 2 << 20, ..Limits::default() };
    let mut scratch = Scratch::default();
    for codec in Codec::ALL {
        let mut builder = Builder::new(Compression::from(codec));
        builder.append(1, None, Some(&value), &[]).unwrap();
        let batch = builder.finish().unwrap();
        let info = validate(&batch, &limits, &mut scratch).unwrap();
        assert_eq!(info.key_value_header_bytes, 1 << 20, "{codec}");
        assert!(read_all(&batch)[0].value.as_deref() == Some(&value[..]), "{codec}");
    }
}

#[test]
fn split_batches_are_those_that_were_joined() {
    let one = |codec| {
        let mut builder = Builder::new(Compression::from(codec));
        builder.append(1, Some(b"k"), None, &[]).unwrap();
        builder.finish().unwrap()
    };
    let parts: Vec<Vec<u8>> = Codec::ALL.into_iter().map(one).collect();
    let joined = parts.concat();
    let split: Vec<&[u8]> = batches(&joined).map(Result::unwrap).collect();
    assert_eq!(split, parts);

    // A fetch response may end anywhere.
    let cut: Vec<_> = batches(&joined[..joined.len() - 1]).collect();
    assert_eq!(cut.len(), parts.len());
    assert!(cut.last().unwrap().is_err());
    assert!(cut[..parts.len() - 1].iter().all(Result::is_ok));
}

#[test]
fn log_append_time_replaces_all_timestamps() {
    for codec in Codec::ALL {
        let mut builder = Builder::new(Compression::from(codec));
        builder.append(7, None, Some(b"a"), &[]).unwrap();
        builder.append(9, None, Some(b"b"), &[]).unwrap();
        let mut batch = builder.finish().unwrap();
        set_log_append_time(&mut batch, 1234).unwrap();
        let records = read(&batch, &Limits::default()).unwrap();
        assert_eq!(records.header().timestamp_type(), TimestampType::LogAppendTime);
        assert!(records.iter().all(|record| record.unwrap().timestamp == 1234));
        // A client may not say so itself.
        assert!(validate(&batch, &Limits::default(), &mut Scratch::default()).is_err());
    }
}

#[test]
fn a_builder_refuses_what_does_not_fit() {
    let mut builder = Builder::new(Compression::NONE);
    assert_eq!(builder.clone().finish(), Err(BuildError::Empty));
    builder.append(i64::MIN, None, None, &[]).unwrap();
    let before = builder.bytes();
    let refused = builder.append(1, None, None, &[]);
    assert_eq!(refused, Err(BuildError::Timestamp { timestamp: 1, base: i64::MIN }));
    assert_eq!((builder.bytes(), builder.record_count()), (before, 1));
    builder.append(-1, None, None, &[]).unwrap();
    assert_eq!(read_all(&builder.finish().unwrap()).len(), 2);
}
