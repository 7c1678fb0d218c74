//! Batches that real clients wrote read as what those clients were given (`fixtures/batches/README.md`).
#![allow(clippy::unwrap_used)]

use wire::record::control::{EndTransactionMarker, TransactionResult};
use wire::record::header::{NO_PRODUCER_ID, assign_offset};
use wire::record::{BatchHeader, Codec, Limits, Record, Scratch, TimestampType, batches, read, validate};

/// Timestamp of the first record of every fixture.
const BASE_TIMESTAMP: i64 = 1_700_000_000_000;

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("fixtures/batches/", $name, ".bin")) as &[u8])
    };
}

const SMALL: [(&str, &[u8]); 15] = [
    fixture!("java-none-small"),
    fixture!("java-gzip-small"),
    fixture!("java-snappy-small"),
    fixture!("java-lz4-small"),
    fixture!("java-zstd-small"),
    fixture!("librdkafka-none-small"),
    fixture!("librdkafka-gzip-small"),
    fixture!("librdkafka-snappy-small"),
    fixture!("librdkafka-lz4-small"),
    fixture!("librdkafka-zstd-small"),
    fixture!("franz-none-small"),
    fixture!("franz-gzip-small"),
    fixture!("franz-snappy-small"),
    fixture!("franz-lz4-small"),
    fixture!("franz-zstd-small"),
];

const LARGE: [(&str, &[u8]); 12] = [
    fixture!("java-gzip-large"),
    fixture!("java-snappy-large"),
    fixture!("java-lz4-large"),
    fixture!("java-zstd-large"),
    fixture!("librdkafka-gzip-large"),
    fixture!("librdkafka-snappy-large"),
    fixture!("librdkafka-lz4-large"),
    fixture!("librdkafka-zstd-large"),
    fixture!("franz-gzip-large"),
    fixture!("franz-snappy-large"),
    fixture!("franz-lz4-large"),
    fixture!("franz-zstd-large"),
];

const LOG_APPEND_TIME: &[u8] = include_bytes!("fixtures/batches/java-logappendtime.bin");
const TRANSACTIONS: &[u8] = include_bytes!("fixtures/batches/java-transactions.bin");

type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn owned(record: &Record<'_>) -> Owned {
    let headers = record.headers.map(|header| {
        let key = String::from_utf8(header.key.to_vec()).unwrap();
        (key, header.value.map(<[u8]>::to_vec))
    });
    let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
    (record.offset, record.timestamp, key, value, headers.collect())
}

fn records_of(batch: &[u8]) -> Vec<Owned> {
    let records = read(batch, &Limits::default()).unwrap();
    records.iter().map(|record| owned(&record.unwrap())).collect()
}

fn small_records(base_offset: i64) -> Vec<Owned> {
    let headers = vec![
        ("trace".to_owned(), Some(b"abc".to_vec())),
        ("trace".to_owned(), None),
        ("empty".to_owned(), Some(Vec::new())),
    ];
    let first = (base_offset, BASE_TIMESTAMP, Some(b"key-0".to_vec()), Some(b"value-0".to_vec()), headers);
    let last = Some("0123456789".repeat(70).into_bytes());
    vec![
        first,
        (base_offset + 1, BASE_TIMESTAMP + 1, None, Some(Vec::new()), Vec::new()),
        (base_offset + 2, BASE_TIMESTAMP + 5, Some(Vec::new()), None, Vec::new()),
        (base_offset + 3, BASE_TIMESTAMP + 2, Some(b"key-3".to_vec()), last, Vec::new()),
    ]
}

fn large_records() -> Vec<Owned> {
    let value = |i: u32| (0..100_000u32).map(|j| u8::try_from((j * 7 + i) % 251).unwrap()).collect();
    (0..3u32)
        .map(|i| {
            let key = Some(format!("key-{i}").into_bytes());
            (i64::from(i), BASE_TIMESTAMP + i64::from(i), key, Some(value(i)), Vec::new())
        })
        .collect()
}

fn codec_in(name: &str) -> Codec {
    Codec::from_name(name.split('-').nth(1).unwrap()).unwrap()
}

#[test]
fn small_batches_of_every_client_and_codec_read_exactly() {
    // Encoders differ in framing, block sizes and checksums; each must be understood.
    for (name, batch) in SMALL {
        let header = BatchHeader::parse(batch).unwrap();
        assert_eq!(header.codec(), Ok(codec_in(name)), "{name}");
        assert_eq!(header.producer_id, NO_PRODUCER_ID, "{name}");
        assert_eq!(header.max_timestamp, BASE_TIMESTAMP + 5, "{name}");
        assert_eq!(records_of(batch), small_records(0), "{name}");
    }
}

#[test]
fn large_batches_of_every_client_and_codec_read_exactly() {
    // Records that span several blocks and many chunks of the walk.
    for (name, batch) in LARGE {
        let header = BatchHeader::parse(batch).unwrap();
        assert_eq!(header.codec(), Ok(codec_in(name)), "{name}");
        assert!(header.has_producer_id() && header.base_sequence == 0, "{name}");
        assert!(records_of(batch) == large_records(), "{name}");
    }
}

#[test]
fn what_clients_send_is_accepted() {
    // A check that is too strict loses users; the maximum must be that of the records, not the last one's.
    let mut scratch = Scratch::default();
    for (name, batch) in SMALL.into_iter().chain(LARGE) {
        let info = validate(batch, &Limits::default(), &mut scratch).expect(name);
        assert_eq!(info.header.max_timestamp, info.max_timestamp, "{name}");
        assert_eq!(info.offset_of_max_timestamp, 2, "{name}");
        let payload = if name.ends_with("small") { 5 + 7 + 15 + 3 + 5 + 700 } else { 300_015 };
        assert_eq!(info.key_value_header_bytes, payload, "{name}");
    }
}

#[test]
fn log_append_time_stands_for_every_record() {
    let header = BatchHeader::parse(LOG_APPEND_TIME).unwrap();
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    let stamped = header.max_timestamp;
    let expected: Vec<Owned> = small_records(0)
        .into_iter()
        .map(|(offset, _, key, value, headers)| (offset, stamped, key, value, headers))
        .collect();
    assert_eq!(records_of(LOG_APPEND_TIME), expected);
}

#[test]
fn stamping_as_kafka_did_gives_its_bytes() {
    // The CRC must be that of the stamped batch, or every consumer refuses it.
    let (_, sent) = SMALL[0];
    let stamped = BatchHeader::parse(LOG_APPEND_TIME).unwrap().max_timestamp;
    let mut batch = sent.to_vec();
    wire::record::set_log_append_time(&mut batch, stamped).unwrap();
    assert_eq!(batch, LOG_APPEND_TIME);
}

#[test]
fn a_log_of_transactions_reads_with_its_markers() {
    let split: Vec<&[u8]> = batches(TRANSACTIONS).map(Result::unwrap).collect();
    assert_eq!(split.len(), 4);
    assert_eq!(records_of(split[0]), small_records(0));
    assert_eq!(records_of(split[2]), small_records(5));
    let producer = BatchHeader::parse(split[0]).unwrap();
    for (batch, result) in [(split[1], TransactionResult::Commit), (split[3], TransactionResult::Abort)] {
        let records = read(batch, &Limits::default()).unwrap();
        assert!(records.header().is_control() && records.header().is_transactional());
        let record = records.iter().next().unwrap().unwrap();
        let marker = EndTransactionMarker::parse(&record).unwrap();
        assert_eq!(marker, Some(EndTransactionMarker { result, coordinator_epoch: 0 }));

        // Ours is the same, byte for byte.
        let header = records.header();
        let ours =
            wire::record::control::MarkerProducer { id: producer.producer_id, epoch: header.producer_epoch };
        let mut built = marker.unwrap().batch(ours, record.timestamp);
        assign_offset(&mut built, header.base_offset, header.partition_leader_epoch).unwrap();
        assert_eq!(built, batch);
    }
}
