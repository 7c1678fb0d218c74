use proptest::prelude::*;
use wire::record::codec::Compressor;
use wire::record::{
    BatchHeader, Builder, Codec, Compression, Header, Limits, TimestampType, read, set_log_append_time,
};

use super::{CodecChoice, MergeOptions, Merger, PASSED_BYTES, Part, Stored, records_between};

const CODECS: [Codec; 5] = Codec::ALL;

/// A record as a consumer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A batch in a partition.
#[derive(Clone, Debug)]
struct Sent {
    base_offset: i64,
    leader_epoch: i32,
    bytes: Vec<u8>,
}

impl Sent {
    fn part(&self) -> Part<'_> {
        let header = BatchHeader::parse(&self.bytes).unwrap();
        Part {
            base_offset: self.base_offset,
            last_offset: self.base_offset + i64::from(header.last_offset_delta),
            leader_epoch: self.leader_epoch,
            bytes: &self.bytes,
        }
    }
}

fn seen(bytes: &[u8], base_offset: i64) -> Vec<Seen> {
    let records = read(bytes, &Limits::default()).unwrap();
    let at = |offset: i64| offset - records.header().base_offset + base_offset;
    let one = |record: Result<wire::record::Record<'_>, _>| {
        let record = record.unwrap();
        Seen {
            offset: at(record.offset),
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    };
    records.iter().map(one).collect()
}

/// `count` records with values of `len` bytes that no codec makes shorter.
fn batch(base_offset: i64, count: usize, len: usize, compression: Compression) -> Sent {
    let mut builder = Builder::new(compression);
    let mut state = u64::try_from(base_offset).unwrap() + 1;
    for at in 0..count {
        let mut value = Vec::with_capacity(len + 8);
        while value.len() < len {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value.extend_from_slice(&(state ^ (state >> 31)).to_le_bytes());
        }
        value.truncate(len);
        builder.append(1000 + i64::try_from(at).unwrap(), None, Some(&value), &[]).unwrap();
    }
    Sent { base_offset, leader_epoch: 3, bytes: builder.finish().unwrap() }
}

fn small(count: usize) -> Vec<Sent> {
    (0..i64::try_from(count).unwrap()).map(|at| batch(at, 1, 50, Compression::NONE)).collect()
}

fn next(sent: &[Sent], options: &MergeOptions) -> Stored {
    let parts: Vec<_> = sent.iter().map(Sent::part).collect();
    Merger::default().next(&parts, options)
}

fn merged(sent: &[Sent], options: &MergeOptions) -> (usize, BatchHeader) {
    let stored = next(sent, options);
    let batch = stored.batch.expect("merged");
    let expected: Vec<_> =
        sent[..stored.parts].iter().flat_map(|sent| seen(&sent.bytes, sent.base_offset)).collect();
    assert_eq!(seen(&batch, sent[0].base_offset), expected);
    (stored.parts, BatchHeader::parse(&batch).unwrap())
}

#[test]
fn small_batches_become_one_without_a_producer() {
    let producer = |at: i32| {
        let mut builder = Builder::new(Compression::NONE).producer(7, 1, at);
        builder.append(i64::from(at), Some(b"k"), None, &[]).unwrap();
        Sent { base_offset: i64::from(at), leader_epoch: 3, bytes: builder.finish().unwrap() }
    };
    let (parts, header) = merged(&(5..25).map(producer).collect::<Vec<_>>(), &MergeOptions::default());
    assert_eq!((parts, header.record_count, header.base_offset), (20, 20, 5));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
    assert_eq!((header.partition_leader_epoch, header.base_timestamp, header.max_timestamp), (3, 5, 24));
}

#[test]
fn nothing_is_larger_than_the_bounds() {
    let options = MergeOptions { records_max: 7, ..MergeOptions::default() };
    assert_eq!(merged(&small(20), &options).0, 7);
    let options = MergeOptions { bytes_max: 300, ..MergeOptions::default() };
    assert_eq!(merged(&small(20), &options).0, 5, "five times 57 bytes of record");
    for codec in CODECS {
        let choice = CodecChoice::Producers { of_uncompressed: codec };
        let options = MergeOptions { encoded_bytes_max: 60_000, codec: choice, ..MergeOptions::default() };
        let sent: Vec<_> = (0..20).map(|at| batch(at, 1, 9000, Compression::NONE)).collect();
        let (parts, header) = merged(&sent, &options);
        let bytes = header.batch_length + 12;
        assert!((40_000..=60_000).contains(&bytes) && parts >= 5, "{codec}: {parts} parts, {bytes} bytes");
    }
}

#[test]
fn a_batch_alone_and_a_large_one_stay_as_they_were_sent() {
    let options = MergeOptions::default();
    let as_sent = Stored { parts: 1, batch: None, has_failed: false };
    assert_eq!(next(&small(1), &options), as_sent);
    let large = batch(0, 1, PASSED_BYTES, Compression::NONE);
    let behind = batch(1, 1, 10, Compression::NONE);
    assert_eq!(next(&[large.clone(), behind.clone()], &options), as_sent);
    let ahead = batch(0, 1, 10, Compression::NONE);
    assert_eq!(next(&[ahead, Sent { base_offset: 1, ..large }], &options), as_sent);
    let zstd = CodecChoice::Producers { of_uncompressed: Codec::Zstd };
    assert_eq!(next(&small(1), &MergeOptions { codec: zstd, ..options }), as_sent);
    let one = MergeOptions { records_max: 1, ..options };
    assert_eq!(next(&small(2), &one), as_sent);
}

#[test]
fn the_producers_codec_is_kept_and_different_ones_stay_apart() {
    for codec in CODECS {
        let sent: Vec<_> = (0..6).map(|at| batch(at, 1, 50, codec.into())).collect();
        let (parts, header) = merged(&sent, &MergeOptions::default());
        assert_eq!((parts, header.codec()), (6, Ok(codec)));
    }
    let mut sent: Vec<_> = (0..6).map(|at| batch(at, 1, 50, Codec::Lz4.into())).collect();
    sent[4] = batch(4, 1, 50, Codec::Zstd.into());
    assert_eq!(merged(&sent, &MergeOptions::default()).0, 4);
    let none = CodecChoice::Producers { of_uncompressed: Codec::Gzip };
    let (_, header) = merged(&small(3), &MergeOptions { codec: none, ..MergeOptions::default() });
    assert_eq!(header.codec(), Ok(Codec::Gzip));
}

// Kafka stores what is produced in the topic's codec, whatever its size.
#[test]
fn a_codec_that_the_topic_asks_for_is_given_to_all() {
    for codec in CODECS {
        let options = MergeOptions { codec: CodecChoice::Always(codec), ..MergeOptions::default() };
        let mixed: Vec<_> =
            (0..5).map(|at| batch(at, 1, 50, CODECS[usize::try_from(at).unwrap()].into())).collect();
        let (parts, header) = merged(&mixed, &options);
        assert_eq!((parts, header.codec()), (5, Ok(codec)));
        let other = if codec == Codec::None { Codec::Zstd } else { Codec::None };
        let large = [batch(0, 40, 1000, other.into()), batch(40, 1, 10, Compression::NONE)];
        let (parts, header) = merged(&large, &options);
        assert_eq!((parts, header.codec()), (1, Ok(codec)));
        let right = [batch(0, 40, 1000, codec.into())];
        assert_eq!(next(&right, &options), Stored { parts: 1, batch: None, has_failed: false });
    }
}

#[test]
fn a_batch_that_would_become_too_large_in_another_codec_stays() {
    let mut builder = Builder::new(Codec::Zstd.into());
    builder.append(0, None, Some(&vec![0; 2 << 20]), &[]).unwrap();
    let sent = [Sent { base_offset: 0, leader_epoch: 3, bytes: builder.finish().unwrap() }];
    let options = MergeOptions { codec: CodecChoice::Always(Codec::None), ..MergeOptions::default() };
    assert_eq!(next(&sent, &options), Stored { parts: 1, batch: None, has_failed: false });
}

#[test]
fn epochs_transactions_and_append_times_are_kept_apart() {
    let options = MergeOptions::default();
    let mut sent = small(6);
    sent[3].leader_epoch = 4;
    assert_eq!(merged(&sent, &options).0, 3);
    let mut sent = small(6);
    let mut builder = Builder::new(Compression::NONE).producer(1, 0, 0).transactional();
    builder.append(0, None, None, &[]).unwrap();
    sent[2].bytes = builder.finish().unwrap();
    assert_eq!(merged(&sent, &options).0, 2);
    assert_eq!(next(&sent[2..], &options).parts, 1);
    assert_eq!(next(&sent[2..], &options).batch, None);
    let mut sent = small(6);
    for (at, sent) in sent.iter_mut().enumerate().skip(1) {
        set_log_append_time(&mut sent.bytes, if at < 4 { 77 } else { 78 }).unwrap();
    }
    assert_eq!(next(&sent, &options), Stored { parts: 1, batch: None, has_failed: false });
    let (parts, header) = merged(&sent[1..], &options);
    assert_eq!((parts, header.timestamp_type(), header.max_timestamp), (3, TimestampType::LogAppendTime, 77));
}

#[test]
fn parts_that_cannot_be_read_are_stored_as_they_came() {
    let mut sent = small(4);
    let last = sent[2].bytes.len() - 1;
    sent[2].bytes[last] ^= 1;
    assert_eq!(next(&sent, &MergeOptions::default()), Stored { parts: 4, batch: None, has_failed: true });
}

#[test]
fn the_records_between_two_offsets_are_a_batch_of_their_own() {
    for codec in CODECS {
        let options = MergeOptions { codec: CodecChoice::Always(codec), ..MergeOptions::default() };
        let sent = small(9);
        let whole = next(&sent, &options).batch.unwrap();
        for (from, end) in [(-5, 4), (0, 1), (3, 7), (8, 20), (0, 9)] {
            let cut = records_between(&whole, from..end).unwrap();
            let first = from.max(0);
            let all = seen(&whole, 0);
            let expected = all.iter().filter(|record| (from..end).contains(&record.offset));
            assert!(seen(&cut, first).iter().eq(expected), "{codec} {from}..{end}");
            let header = BatchHeader::parse(&cut).unwrap();
            assert_eq!((header.base_offset, header.partition_leader_epoch), (first, 3));
            assert_eq!(header.codec(), Ok(codec));
        }
        assert!(records_between(&whole, 9..12).is_err());
    }
}

#[test]
fn a_part_of_a_producers_batch_goes_on_in_its_sequence() {
    let mut builder = Builder::new(Compression::NONE).producer(7, 2, i32::MAX).transactional();
    for at in 0..3 {
        builder.append(at, None, None, &[]).unwrap();
    }
    let cut = records_between(&builder.finish().unwrap(), 1..3).unwrap();
    let header = BatchHeader::parse(&cut).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 2, 0));
    assert!(header.is_transactional() && header.record_count == 2);
}

fn sents() -> impl Strategy<Value = Vec<Sent>> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let header = (bytes(4), prop::option::of(bytes(6)));
    let record = (
        prop_oneof![Just(-1), 0..2_000_000_000_000i64],
        prop::option::of(bytes(12)),
        prop::option::of(prop_oneof![9 => bytes(80), 1 => bytes(20_000)]),
        prop::collection::vec(header, 0..3),
    );
    let one = (
        prop::collection::vec(record, 1..6),
        prop_oneof![3 => Just(0usize), 2 => 0..5usize],
        prop_oneof![9 => Just(0), 1 => 0..3i32],
        prop::option::weighted(0.1, 0..2i64),
        prop::option::weighted(0.3, 0..5i64),
    );
    prop::collection::vec(one, 1..30).prop_map(|all| {
        let mut base_offset = 40;
        let mut leader_epoch = 0;
        all.into_iter()
            .map(|(records, codec, epoch, append_time, producer)| {
                let mut builder = Builder::new(CODECS[codec].into());
                if let Some(id) = producer {
                    builder = builder.producer(id, 0, 9);
                }
                for (timestamp, key, value, headers) in &records {
                    let headers: Vec<_> =
                        headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
                    builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers).unwrap();
                }
                let mut bytes = builder.finish().unwrap();
                if let Some(time) = append_time {
                    set_log_append_time(&mut bytes, time).unwrap();
                }
                leader_epoch += epoch;
                let sent = Sent { base_offset, leader_epoch, bytes };
                base_offset += i64::try_from(records.len()).unwrap();
                sent
            })
            .collect()
    })
}

fn choices() -> impl Strategy<Value = CodecChoice> {
    let codec = (0..5usize).prop_map(|at| CODECS[at]);
    let producers = codec.clone().prop_map(|of_uncompressed| CodecChoice::Producers { of_uncompressed });
    prop_oneof![producers, codec.prop_map(CodecChoice::Always)]
}

proptest! {
    #[test]
    fn what_is_stored_has_the_records_that_were_sent(
        sent in sents(),
        codec in choices(),
        records_max in prop_oneof![1..40i32, Just(1000)],
        bytes_max in prop_oneof![1..3000usize, Just(1 << 20)],
        encoded_bytes_max in prop_oneof![100..5000usize, Just(MergeOptions::ENCODED_BYTES_MAX)],
    ) {
        let options = MergeOptions { records_max, bytes_max, encoded_bytes_max, codec, ..MergeOptions::default() };
        let parts: Vec<_> = sent.iter().map(Sent::part).collect();
        let (mut merger, mut rest) = (Merger::default(), &parts[..]);
        while !rest.is_empty() {
            let stored = merger.next(rest, &options);
            prop_assert!((1..=rest.len()).contains(&stored.parts) && !stored.has_failed);
            let (these, behind) = rest.split_at(stored.parts);
            rest = behind;
            let Some(batch) = stored.batch else { continue };
            let expected: Vec<_> = these.iter().flat_map(|part| seen(part.bytes, part.base_offset)).collect();
            prop_assert_eq!(seen(&batch, these[0].base_offset), expected);
            let header = BatchHeader::parse(&batch).unwrap();
            prop_assert_eq!(header.base_offset, these[0].base_offset);
            prop_assert_eq!(header.last_offset(), these[these.len() - 1].last_offset);
            prop_assert!(these.iter().all(|part| part.leader_epoch == header.partition_leader_epoch));
            if these.len() > 1 {
                prop_assert!(header.record_count <= records_max && batch.len() <= encoded_bytes_max);
            }
        }
    }
}

// The bound that keeps a merged batch below its size in bytes, tried where codecs lose.
#[test]
fn no_codec_makes_noise_longer_than_is_reckoned_with() {
    for codec in CODECS {
        for encoded_max in [400, 5000, 70_000, 1 << 20] {
            let raw = super::lot::raw_bytes_max(codec, encoded_max);
            let noise = batch(5, 1, raw.saturating_sub(61), Compression::NONE).bytes;
            let mut out = Vec::new();
            Compressor::default().compress(codec.into(), &noise[..raw.min(noise.len())], &mut out).unwrap();
            assert!(out.len() <= encoded_max, "{codec}: {raw} bytes became {}, not {encoded_max}", out.len());
        }
    }
}
