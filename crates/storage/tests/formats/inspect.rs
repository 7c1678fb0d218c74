//! What `inspect` says of segments, indexes and the checkpoint, good and damaged.

use std::path::Path;

use env::disk::RealDisk;
use storage::inspect::{Line, Report, dump, verify};

use crate::directory::Directory;

fn report(directory: &Directory) -> Report {
    let mut looked_at = (0, 0);
    let report =
        verify(&RealDisk, &directory.scratch.0, &|_| Ok(()), &mut |bytes, total| looked_at = (bytes, total))
            .unwrap();
    assert_eq!(looked_at, (report.segments.bytes, report.segments.bytes), "told to the end");
    report
}

fn lines(path: &Path, with_records: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut take = |line| {
        lines.push(line);
        Ok(())
    };
    dump(&RealDisk, path, with_records, &|_| String::new(), &mut take).unwrap();
    lines
}

fn kinds(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.kind).collect()
}

fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= bit;
    std::fs::write(path, bytes).unwrap();
}

fn small(name: &str) -> Directory {
    let mut directory = Directory::new(name, 1 << 20);
    for number in 0..4 {
        directory.append(vec![number; 20], None);
        directory.store(true);
    }
    directory
}

#[test]
fn an_undamaged_directory_is_good_and_counted() {
    let mut directory = Directory::new("good", 2 << 20);
    for number in 0..60 {
        directory.append(vec![number; 40 << 10], None);
    }
    directory.store(true);
    let report = report(&directory);
    assert_eq!((&report.damages[..], &report.notes[..]), (&[][..], &[][..]));
    assert_eq!((report.segments.files, report.segments.items, report.records), (2, 60, 60));
    assert_eq!((report.indexes.files, report.checkpoint.files), (1, 1));
    assert!(report.indexes.items > 16 && report.checkpoint.items >= 2);
}

#[test]
fn every_flipped_byte_of_a_segment_is_named_with_file_and_position() {
    let directory = small("segment-flips");
    let segment = &directory.files("log")[0];
    let len = std::fs::read(segment).unwrap().len();
    let begins: Vec<u64> = lines(segment, false).iter().map(|line| line.position).collect();
    assert_eq!(begins.len(), 4);
    for at in 0..len {
        flip(segment, at, 0x11);
        let damages = report(&directory).damages;
        assert!(!damages.is_empty(), "byte {at} is believed");
        let begin = begins.iter().rev().find(|begin| **begin <= at as u64).unwrap();
        assert!(damages.iter().all(|damage| damage.path == *segment), "{damages:?}");
        assert_eq!(damages[0].position, *begin, "byte {at}: {}", damages[0]);
        flip(segment, at, 0x11);
    }
}

#[test]
fn a_segment_that_is_gone_or_short_is_damage_and_a_longer_one_is_cut_by_a_start() {
    let directory = small("segment-length");
    let segment = &directory.files("log")[0];
    let good = std::fs::read(segment).unwrap();
    std::fs::write(segment, [&good[..], b"more"].concat()).unwrap();
    let longer = report(&directory);
    assert!(longer.damages.is_empty() && longer.notes.len() == 1, "{longer:?}");
    std::fs::write(segment, &good[..good.len() - 1]).unwrap();
    let short = report(&directory).damages;
    assert_eq!(short[0].position, good.len() as u64 - 1);
    assert!(short[0].what.contains("ends here"), "{}", short[0]);
    std::fs::remove_file(segment).unwrap();
    let gone = report(&directory).damages;
    assert!(gone[0].to_string().starts_with(segment.to_str().unwrap()), "{}", gone[0]);
}

#[test]
fn the_checkpoints_damage_is_named_and_its_torn_end_is_none() {
    let directory = small("checkpoint");
    let log = &directory.scratch.0.join("checkpoint/checkpoint.log");
    let records = lines(log, false);
    assert_eq!(kinds(&records)[..3], ["header", "partition", "shard"]);
    let good = std::fs::read(log).unwrap();
    // The last checkpoint is its partition's record and its shard's.
    let last = records[records.len() - 2].position;
    for at in (0..last as usize).step_by(3) {
        flip(log, at, 0xff);
        let report = report(&directory);
        flip(log, at, 0xff);
        let is_padding = report.damages.is_empty();
        assert!(is_padding || report.damages[0].path == *log, "{}", report.damages[0]);
        assert!(!is_padding || good[at] == 0, "byte {at} is believed");
    }
    std::fs::write(log, &good[..good.len() - 9]).unwrap();
    let torn = report(&directory);
    assert!(torn.damages.is_empty(), "{:?}", torn.damages);
    assert!(torn.notes.iter().any(|note| note.path == *log), "{:?}", torn.notes);
    assert_eq!(kinds(&lines(log, false)).last(), Some(&"invalid"));
}

#[test]
fn a_checkpoint_of_another_version_is_one_line() {
    let directory = small("version");
    let log = &directory.scratch.0.join("checkpoint/checkpoint.log");
    let mut bytes = std::fs::read(log).unwrap();
    bytes[4] = 9;
    let crc = crc32c::crc32c(&bytes[4..32]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(log, bytes).unwrap();
    let report = report(&directory);
    assert_eq!(report.damages.len(), 1);
    assert_eq!(report.damages[0].what, "format version 9, this program reads 2");
}

#[test]
fn files_that_no_checkpoint_names_are_noted() {
    let directory = small("left-over");
    let segment = &directory.files("log")[0];
    let stray = segment.with_file_name("00000000000000000099.log");
    std::fs::write(&stray, b"stray").unwrap();
    let report = report(&directory);
    assert!(report.damages.is_empty());
    assert_eq!(report.notes.len(), 1);
    assert_eq!(report.notes[0].path, stray);
}

#[test]
fn a_dump_has_a_line_for_each_batch_record_and_entry() {
    let mut directory = Directory::new("dump", 2 << 20);
    for number in 0..60 {
        directory.append(vec![b'a' + number % 26; 40 << 10], None);
    }
    directory.store(true);
    let (segment, index) = (&directory.files("log")[0], &directory.files("idx")[0]);
    let batches = lines(segment, false);
    let with_records = lines(segment, true);
    assert!(batches.iter().all(|line| line.kind == "batch"));
    assert_eq!(with_records.len(), 2 * batches.len());
    assert_eq!(kinds(&with_records[..2]), ["batch", "record"]);
    let text = batches[1].to_string();
    assert!(text.contains(" base_offset=1 ") && text.ends_with(" crc=right"), "{text}");
    let entries = lines(index, false);
    assert_eq!(entries[0].kind, "header");
    assert_eq!(entries.len(), batches.len(), "every batch but the first has an entry here");
    assert!(dump(&RealDisk, Path::new("x.txt"), false, &|_| String::new(), &mut |_| Ok(())).is_err());
}
