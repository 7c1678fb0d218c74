//! What `inspect` says of the write-ahead log, good and damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::disk::{Disk, RealDisk};
use storage::id::ShardId;
use storage::inspect::{Line, Report, dump, verify};
use storage::wal::{Frame, Poisoned, WalCore, WalListener, WalOptions, WalQueue};

use crate::directory::Scratch;

struct Nobody;

impl WalListener for Nobody {
    fn synced(&self, _: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        result.unwrap();
    }
}

/// A log of several files: 40 groups of one entry each, the older ones released.
fn write(scratch: &Scratch) -> Vec<PathBuf> {
    let options =
        WalOptions { file_bytes: 256 << 10, files_free_max: 0, salt: Some(7), ..WalOptions::default() };
    let dir = scratch.0.join("wal");
    let (mut core, recovered) = WalCore::open(Arc::new(RealDisk), &dir, options.clone()).unwrap();
    let mut queue = WalQueue::new(&recovered, &options);
    for index in 1..=40 {
        let payload = Bytes::from(vec![index as u8; 20_000]).into();
        let entry = Frame::Entry { term: 1, index, meta: 0, payload };
        queue.append(ShardId(1), [entry], None).unwrap();
        queue.submit();
        core.take(&mut queue);
        core.step(&Nobody);
    }
    let mut files: Vec<PathBuf> = RealDisk.list(&dir).unwrap().iter().map(|name| dir.join(name)).collect();
    files.sort();
    files
}

fn report(scratch: &Scratch) -> Report {
    let check = |entry: &Bytes| match entry.iter().all(|byte| *byte == entry[0]) {
        true => Ok(()),
        false => Err("mixed".to_owned()),
    };
    verify(&RealDisk, &scratch.0, &check, &mut |_, _| {}).unwrap()
}

fn lines(path: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut take = |line| {
        lines.push(line);
        Ok(())
    };
    dump(&RealDisk, path, false, &|entry| format!("{} bytes", entry.len()), &mut take).unwrap();
    lines
}

fn flip(path: &Path, at: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at as usize] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_undamaged_log_is_good_and_its_dump_has_a_line_for_each_frame() {
    let scratch = Scratch::new("wal-good");
    let files = write(&scratch);
    assert!(files.len() > 2);
    let report = report(&scratch);
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    assert_eq!(report.wal.files, files.len() as u64);
    let all: Vec<Line> = files.iter().flat_map(|file| lines(file)).collect();
    let entries: Vec<&Line> = all.iter().filter(|line| line.kind == "entry").collect();
    assert_eq!(entries.len(), 40);
    let first = entries[0].to_string();
    assert!(first.contains(" shard=1 term=1 index=1 ") && first.ends_with(" what=20000 bytes"), "{first}");
    assert_eq!(lines(&files[0])[0].kind, "file header");
}

#[test]
fn a_damaged_frame_is_named_and_the_check_goes_on_behind_it() {
    let scratch = Scratch::new("wal-frames");
    let files = write(&scratch);
    // Two frames of the first file, which is closed, and one of the last, behind which there are others.
    let (first, last) = (lines(&files[0]), lines(&files[files.len() - 1]));
    let entries = |lines: &[Line]| -> Vec<u64> {
        lines.iter().filter(|line| line.kind == "entry").map(|line| line.position).collect()
    };
    let (in_first, in_last) = (entries(&first), entries(&last));
    flip(&files[0], in_first[1] + 50);
    flip(&files[0], in_first[4] + 3);
    flip(&files[files.len() - 1], in_last[0] + 20);
    let damages = report(&scratch).damages;
    let places: Vec<(&Path, u64)> =
        damages.iter().map(|damage| (damage.path.as_path(), damage.position)).collect();
    assert!(places.contains(&(&files[0], in_first[1])), "{damages:?}");
    assert!(places.contains(&(&files[0], in_first[4])), "{damages:?}");
    assert!(places.contains(&(&files[files.len() - 1], in_last[0])), "{damages:?}");
    assert!(damages.iter().any(|damage| damage.what.contains("is in no file")), "{damages:?}");
}

#[test]
fn a_torn_end_is_no_damage() {
    let scratch = Scratch::new("wal-torn");
    let files = write(&scratch);
    let newest = &files[files.len() - 1];
    let last = lines(newest).iter().rev().find(|line| line.kind == "entry").unwrap().position;
    flip(newest, last + 9);
    assert!(report(&scratch).damages.is_empty());
}

#[test]
fn a_missing_file_and_one_of_another_version_are_named() {
    let scratch = Scratch::new("wal-files");
    let files = write(&scratch);
    let good = std::fs::read(&files[1]).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let missing = report(&scratch).damages;
    assert_eq!((&missing[0].path, &missing[0].what[..]), (&files[1], "the file is missing"));
    let mut other = good.clone();
    other[48..52].copy_from_slice(&9u32.to_le_bytes());
    let mut crc = crc32c::crc32c(&0u64.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &other[4..80]);
    other[..4].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&files[1], other).unwrap();
    let version = report(&scratch).damages;
    assert!(version[0].what.contains("format version 9"), "{}", version[0]);
}
