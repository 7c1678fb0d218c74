//! Names, ids, levels, and decompression in steps of any size.

use super::stream::Bounds;
use super::*;

const BOUNDS: Bounds = Bounds { bytes_max: 1 << 20, zstd_window_log_max: 27 };

/// Decompresses in steps of `step` bytes.
fn decompressed(codec: Codec, data: &[u8], step: usize, bounds: Bounds) -> Result<Vec<u8>, DecompressError> {
    let mut contexts = Contexts::default();
    let mut decompressor = Decompressor::new(codec, data, &mut contexts, bounds)?;
    let (mut out, mut chunk) = (Vec::new(), vec![0; step]);
    loop {
        match decompressor.read(&mut chunk)? {
            0 => return Ok(out),
            count => out.extend_from_slice(&chunk[..count]),
        }
    }
}

fn compressed(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::default().compress(Compression::from(codec), data, &mut out).unwrap();
    out
}

#[test]
fn ids_and_names_are_kafkas() {
    let known: Vec<_> = Codec::ALL.into_iter().map(|codec| (codec.id(), codec.name())).collect();
    assert_eq!(known, [(0, "none"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")]);
    for codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()), Some(codec));
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
    }
    assert_eq!((Codec::from_id(5), Codec::from_id(-1)), (None, None));
    assert_eq!(Codec::from_name("producer"), None);
}

#[test]
fn levels_are_kafkas() {
    for (codec, good, bad) in [
        (Codec::Gzip, [-1, 1, 9].as_slice(), [0, 10, -2].as_slice()),
        (Codec::Lz4, &[1, 9, 17], &[0, 18]),
        (Codec::Zstd, &[-131_072, 0, 22], &[23, -131_073]),
        (Codec::Snappy, &[], &[0, 1]),
        (Codec::None, &[], &[0]),
    ] {
        assert!(good.iter().all(|&level| Compression::new(codec, level).is_ok()), "{codec}");
        assert!(bad.iter().all(|&level| Compression::new(codec, level).is_err()), "{codec}");
    }
}

#[test]
fn steps_of_any_size_give_the_same_bytes() {
    // States at block, member and frame ends are met only when a step ends exactly there.
    let data: Vec<u8> = (0..70_000u32).map(|i| (i / 7 % 256) as u8).collect();
    for codec in Codec::ALL {
        let stored = compressed(codec, &data);
        for step in [1, 2, 7, 4096, 32 << 10, 64 << 10, 70_000, 70_001] {
            assert!(decompressed(codec, &stored, step, BOUNDS).as_ref() == Ok(&data), "{codec} by {step}");
        }
    }
}

#[test]
fn the_bound_is_exact() {
    let data = vec![1; 100_000];
    for codec in Codec::ALL {
        let stored = compressed(codec, &data);
        let at = |bytes_max| decompressed(codec, &stored, 4096, Bounds { bytes_max, ..BOUNDS });
        assert!(at(100_000).is_ok(), "{codec}");
        assert_eq!(at(99_999), Err(DecompressError::TooLarge), "{codec}");
    }
}

#[test]
fn nothing_compresses_to_something_that_reads_as_nothing() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let stored = compressed(codec, b"");
        assert_eq!(decompressed(codec, &stored, 16, BOUNDS), Ok(Vec::new()), "{codec}");
    }
}

#[test]
fn gzip_header_fields_are_passed_over() {
    let plain = compressed(Codec::Gzip, b"data");
    let mut full = plain[..10].to_vec();
    full[3] = 0x1e; // header CRC, extra field, name, comment
    full.extend_from_slice(b"\x03\x00abcname\0comment\0\xaa\xbb");
    full.extend_from_slice(&plain[10..]);
    assert_eq!(decompressed(Codec::Gzip, &full, 16, BOUNDS), Ok(b"data".to_vec()));
}

#[test]
fn gzip_trailers_must_be_true() {
    let plain = compressed(Codec::Gzip, b"data");
    for from_end in [1, 5] {
        let mut lie = plain.clone();
        let at = lie.len() - from_end;
        lie[at] ^= 1;
        assert!(decompressed(Codec::Gzip, &lie, 16, BOUNDS).is_err());
    }
}

/// A frame of one stored block with the flags of `flg`; checksums and sizes are right.
fn lz4_frame(flg: u8, block_size_code: u8, data: &[u8]) -> Vec<u8> {
    use twox_hash::XxHash32;
    let mut descriptor = vec![flg, block_size_code << 4];
    if flg & 0x08 != 0 {
        descriptor.extend_from_slice(&(data.len() as u64).to_le_bytes());
    }
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18];
    frame.extend_from_slice(&descriptor);
    frame.push(XxHash32::oneshot(0, &descriptor).to_le_bytes()[1]);
    frame.extend_from_slice(&(data.len() as u32 | 0x8000_0000).to_le_bytes());
    frame.extend_from_slice(data);
    if flg & 0x10 != 0 {
        frame.extend_from_slice(&XxHash32::oneshot(0, data).to_le_bytes());
    }
    frame.extend_from_slice(&[0; 4]);
    if flg & 0x04 != 0 {
        frame.extend_from_slice(&XxHash32::oneshot(0, data).to_le_bytes());
    }
    frame
}

#[test]
fn lz4_frames_may_carry_sizes_and_checksums_which_must_be_true() {
    for flg in [0x60, 0x68, 0x70, 0x64, 0x7c] {
        let frame = lz4_frame(flg, 7, b"some data");
        assert_eq!(decompressed(Codec::Lz4, &frame, 4, BOUNDS), Ok(b"some data".to_vec()), "{flg:x}");
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = decompressed(Codec::Lz4, &flipped, 4, BOUNDS);
            // Without checksums a flip in the content can't be told; the header's has 8 bits only.
            let same = read.as_deref() == Ok(b"some data");
            assert!(read.is_err() || same || flg & 0x14 == 0, "{flg:x} bit {bit}");
        }
    }
}

#[test]
fn lz4_frames_that_kafka_refuses_are_refused() {
    for (why, flg, code) in [
        ("linked blocks", 0x40, 4),
        ("version 2", 0xa0, 4),
        ("a dictionary", 0x61, 4),
        ("a reserved bit", 0x62, 4),
        ("blocks of 16 KiB", 0x60, 3),
    ] {
        assert!(decompressed(Codec::Lz4, &lz4_frame(flg, code, b"data"), 16, BOUNDS).is_err(), "{why}");
    }
}

#[test]
fn snappy_blocks_that_do_not_fit_are_refused() {
    let good = compressed(Codec::Snappy, b"data");
    for (why, at, bytes) in [("length 0", 16, [0; 4]), ("length -1", 16, [0xff; 4])] {
        let mut lie = good.clone();
        lie[at..at + 4].copy_from_slice(&bytes);
        assert!(decompressed(Codec::Snappy, &lie, 16, BOUNDS).is_err(), "{why}");
    }
    assert!(decompressed(Codec::Snappy, &[good.as_slice(), &[0, 0]].concat(), 16, BOUNDS).is_err());
}
