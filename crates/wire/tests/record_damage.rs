//! Truncated, flipped and random bytes are an error or another value, never a panic.
//!
//! The long form: `PROPTEST_CASES=100000 cargo test -p wire --test record_damage`.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use wire::record::header::{CRC_COVERS_FROM, seal};
use wire::record::{Builder, Codec, Compression, Header, Limits, Scratch, batches, read, validate};

fn batch_of(codec: Codec) -> Vec<u8> {
    let headers = [Header { key: b"h", value: Some(b"x") }, Header { key: b"n", value: None }];
    let mut builder = Builder::new(Compression::from(codec)).producer(7, 1, 3);
    builder.append(1000, Some(b"key"), Some(b"value value value"), &headers).unwrap();
    builder.append(990, None, Some(b""), &[]).unwrap();
    builder.append(1001, Some(b""), None, &[]).unwrap();
    builder.finish().unwrap()
}

/// Runs everything that takes bytes; what `validate` accepts must also read to its end.
fn take(batch: &[u8], scratch: &mut Scratch) -> bool {
    let limits = Limits { decompressed_bytes_max: 1 << 20, ..Limits::default() };
    let valid = validate(batch, &limits, scratch).is_ok();
    for split in batches(batch).flatten() {
        assert!(split.len() <= batch.len());
    }
    let whole = read(batch, &limits).is_ok_and(|records| {
        records.iter().all(|record| {
            record.is_ok_and(|record| {
                record.headers.for_each(|header| assert!(header.key.len() <= batch.len().max(1 << 20)));
                true
            })
        })
    });
    assert!(whole || !valid, "accepted, but can't be read");
    valid
}

#[test]
fn every_truncation_is_refused() {
    let mut scratch = Scratch::default();
    for codec in Codec::ALL {
        let batch = batch_of(codec);
        assert!(take(&batch, &mut scratch));
        for length in 0..batch.len() {
            assert!(!take(&batch[..length], &mut scratch), "{codec} cut to {length}");
        }
    }
}

#[test]
fn every_flip_that_the_crc_covers_is_refused() {
    let mut scratch = Scratch::default();
    for codec in Codec::ALL {
        let batch = batch_of(codec);
        for bit in CRC_COVERS_FROM * 8..batch.len() * 8 {
            let mut flipped = batch.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!take(&flipped, &mut scratch), "{codec} with bit {bit} flipped");
        }
    }
}

#[test]
fn flips_with_a_right_crc_never_panic() {
    // A sender that lies computes the CRC of its lie; the leader epoch is the one field that may be anything.
    let mut scratch = Scratch::default();
    for codec in Codec::ALL {
        let batch = batch_of(codec);
        for bit in 0..batch.len() * 8 {
            let mut flipped = batch.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            seal(&mut flipped).unwrap();
            take(&flipped, &mut scratch);
        }
        assert!(take(&batch, &mut scratch), "the scratch is as good as new");
    }
}

#[test]
fn cut_compressed_data_with_a_right_header_is_refused() {
    let mut scratch = Scratch::default();
    for codec in Codec::ALL {
        let batch = batch_of(codec);
        for length in wire::record::header::HEADER_BYTES..batch.len() {
            let mut cut = batch[..length].to_vec();
            let batch_length = i32::try_from(length - 12).unwrap();
            cut[8..12].copy_from_slice(&batch_length.to_be_bytes());
            seal(&mut cut).unwrap();
            assert!(!take(&cut, &mut scratch), "{codec} cut to {length}");
        }
    }
}

proptest! {
    #[test]
    fn prop_random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        take(&bytes, &mut Scratch::default());
    }

    #[test]
    fn prop_random_records_with_a_right_header_never_panic(
        codec in 0usize..5,
        count in 1i32..5,
        front in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        // Half of the data starts as the codec's own does, to get further in.
        let codec = Codec::ALL[codec];
        let good = batch_of(codec);
        let header = wire::record::header::HEADER_BYTES;
        let keep = if front { header + (good.len() - header).min(12) } else { header };
        let mut batch = good[..keep].to_vec();
        batch.extend_from_slice(&bytes);
        let length = i32::try_from(batch.len() - 12).unwrap();
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        seal(&mut batch).unwrap();
        take(&batch, &mut Scratch::default());
    }
}
