use env::disk::BLOCK_BYTES;

use super::encode::{GroupEncoder, Label};
use super::files::Generation;
use super::frame::{FileHeader, HEADER_BYTES, Header, Kind, LogPosition, checksum, next_position, u32_at};
use super::options::WalOptions;
use crate::id::ShardId;

/// The bytes are on people's disks: a change here is a new format version.
#[test]
fn a_frame_has_these_bytes() {
    let mut encoder = GroupEncoder::default();
    let options = WalOptions::default();
    encoder.begin(Generation(0x0000_0007_aabb_ccdd), 8192, &options);
    let label =
        Label { kind: Kind::Entry, shard: ShardId(3), at: LogPosition { term: 5, index: 258 }, meta: 9 };
    let payload: [&[u8]; 2] = [b"ta", b"khin"];
    assert_eq!(encoder.push(label, payload.into_iter(), &options), 8192);
    let expected = [
        &[6, 0, 0, 0][..],                     // length
        &[0xdd, 0xcc, 0xbb, 0xaa, 7, 0, 0, 0], // generation
        &[5, 0, 0, 0, 0, 0, 0, 0],             // term
        &[2, 1, 0, 0, 0, 0, 0, 0],             // index
        &[2, 0, 0, 0],                         // synced: two blocks
        &[3, 0, 2, 9],                         // shard, kind, meta
        b"takhin",
    ]
    .concat();
    assert_eq!(&encoder.bytes()[4..], expected);
    let covered = [&8192_u64.to_le_bytes()[..], &expected].concat();
    assert_eq!(u32_at(encoder.bytes(), 0), crc32c::crc32c(&covered));
    assert_eq!(encoder.finish(&options), 8192 + 4096);
    let pad: [u8; HEADER_BYTES] = encoder.bytes()[48..88].try_into().unwrap();
    let (pad, crc) = Header::parse(&pad).unwrap();
    assert_eq!((pad.kind, pad.length), (Kind::Pad, 4096 - 88));
    assert_eq!(crc, checksum(&encoder.bytes()[48..], 8192 + 48, &options));
}

/// A header that straddles blocks could be torn in the middle of its own fields.
#[test]
fn frames_begin_aligned_and_never_at_a_blocks_very_end() {
    assert_eq!(next_position(0), 0);
    assert_eq!(next_position(41), 48);
    assert_eq!(next_position(4096 - 40), 4096 - 40);
    assert_eq!(next_position(4096 - 39), 4096);
    assert_eq!(next_position(4096 + 1), 4104);
    let options = WalOptions::default();
    let mut encoder = GroupEncoder::default();
    encoder.begin_file(Generation(1));
    for size in 0..200 {
        let payload = vec![1; size * 13];
        let position = encoder.push(Label::of_file(Kind::Floor), std::iter::once(&payload[..]), &options);
        assert!(position.is_multiple_of(8) && position % 4096 <= 4096 - HEADER_BYTES as u64, "{position}");
    }
    assert!(encoder.finish(&options).is_multiple_of(BLOCK_BYTES as u64));
    assert!(encoder.len().is_multiple_of(BLOCK_BYTES));
}

/// A newer program's log must be refused by its version, not called damaged.
#[test]
fn a_file_header_says_its_version() {
    let header = FileHeader { floor: 1 << 32, previous: 2 << 32, previous_end: 12_345 };
    let mut bytes = header.to_bytes();
    assert_eq!(FileHeader::parse(&bytes), Some(Ok(header)));
    bytes[8] = 2;
    assert_eq!(FileHeader::parse(&bytes), Some(Err(2)));
    bytes[0] = 0;
    assert_eq!(FileHeader::parse(&bytes), None);
    assert_eq!(FileHeader::parse(&bytes[..11]), None);
}

/// Other programs' files in the directory must be left alone.
#[test]
fn only_our_names_are_ours() {
    let generation = Generation::new(7, 0xaabb_ccdd);
    let path = generation.path(std::path::Path::new("/wal"));
    assert_eq!(path.to_str(), Some("/wal/00000007aabbccdd.wal"));
    assert_eq!(Generation::from_name("00000007aabbccdd.wal"), Some(generation));
    for name in
        ["7aabbccdd.wal", "00000007AABBCCDD.wal", "00000007aabbccdd.wal.bak", "+0000007aabbccdd.wal", ".wal"]
    {
        assert_eq!(Generation::from_name(name), None, "{name}");
    }
}
