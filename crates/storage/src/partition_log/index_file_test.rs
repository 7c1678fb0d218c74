use std::path::PathBuf;

use env::disk::{Disk, RealDisk};

use super::index_file::{self, IndexMark};
use super::offset_index::IndexEntry;

/// A directory of a test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-index-{}-{name}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn file(&self) -> PathBuf {
        self.0.join(index_file::file_name(7))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = RealDisk.remove(&self.file());
        let _ = RealDisk.remove_dir(&self.0);
    }
}

fn entries(count: u64) -> Vec<IndexEntry> {
    let entry = |at: u64| IndexEntry {
        offset: 7 + i64::try_from(at).unwrap(),
        position: at << 14,
        max_timestamp_before: -1,
    };
    (1..=count).map(entry).collect()
}

#[test]
fn what_was_appended_piece_by_piece_is_read_back_up_to_each_mark() {
    let scratch = Scratch::new("pieces");
    let (file, all) = (scratch.file(), entries(200));
    let mut marks = vec![IndexMark::default()];
    for count in [16, 17, 100, 200] {
        let mark = *marks.last().unwrap();
        marks.push(index_file::append(&RealDisk, &file, 7, mark, &all[..count]).unwrap());
    }
    for mark in &marks[1..] {
        assert_eq!(index_file::read(&RealDisk, &file, 7, *mark).unwrap(), all[..mark.count()]);
    }
    assert!(index_file::read(&RealDisk, &file, 8, marks[1]).is_none(), "another segment's");
    let longer = IndexMark { entries: 201, ..marks[4] };
    assert!(index_file::read(&RealDisk, &file, 7, longer).is_none(), "the file is too short");
}

#[test]
fn a_file_begins_late_grows_by_steps_and_ends_whole() {
    let none = IndexMark::default();
    assert!(!none.is_due(15, false) && !none.is_due(15, true) && none.is_due(16, false));
    let begun = IndexMark { entries: 16, crc: 1 };
    assert!(!begun.is_due(79, false) && begun.is_due(80, false));
    assert!(begun.is_due(17, true) && !begun.is_due(16, true));
}

#[test]
fn entries_are_laid_out_as_the_document_draws_them() {
    let scratch = Scratch::new("layout");
    let entry = IndexEntry { offset: 0x0102, position: 0x0304, max_timestamp_before: -1 };
    let mark = index_file::append(&RealDisk, &scratch.file(), 7, IndexMark::default(), &[entry]).unwrap();
    let file = RealDisk.open(&scratch.file(), env::disk::Access::Read, env::disk::Caching::Cached).unwrap();
    let mut bytes = [0; 64];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 48);
    assert_eq!(bytes[..24], *b"TAKHIIDX\x01\0\0\0\0\x40\0\0\x07\0\0\0\0\0\0\0");
    assert_eq!(bytes[24..40], *b"\x02\x01\0\0\0\0\0\0\x04\x03\0\0\0\0\0\0");
    assert_eq!(bytes[40..48], [0xff; 8]);
    assert_eq!((mark.entries, mark.crc), (1, crc32c::crc32c(&bytes[..48])));
}
