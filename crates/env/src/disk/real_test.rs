use std::path::PathBuf;

use super::{Access, AlignedBuffer, Caching, DirLock, Disk, DiskUse, LockError, RealDisk};

/// A directory of its own for a test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-disk-{}-{name}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Both ways around the page cache must show the same bytes, also to a reader of the other kind.
#[test]
fn direct_and_cached_handles_see_the_same_bytes() {
    let scratch = Scratch::new("direct");
    let path = scratch.0.join("a");
    let direct = RealDisk.open(&path, Access::CreateNew, Caching::Direct).unwrap();
    direct.preallocate(16 * 4096).unwrap();
    assert_eq!(direct.size().unwrap(), 16 * 4096);
    let mut block = AlignedBuffer::new();
    block.resize(8192);
    block.as_mut_slice().fill(9);
    direct.write_at_durable(block.as_slice(), 4096).unwrap();
    let cached = RealDisk.open(&path, Access::Write, Caching::Cached).unwrap();
    let mut seen = vec![0; 10_000];
    assert_eq!(cached.read_at(&mut seen, 4000).unwrap(), 10_000);
    assert_eq!(seen.iter().filter(|byte| **byte == 9).count(), 8192);
    cached.write_at(b"odd", 4097).unwrap();
    cached.write_at_durable(b"even", 8000).unwrap();
    cached.sync().unwrap();
    cached.set_len(8004).unwrap();
    assert_eq!(cached.read_at(&mut seen, 8000).unwrap(), 4);
    assert_eq!(&seen[..4], b"even");
    assert_eq!(cached.read_at(&mut seen, 90_000).unwrap(), 0);
}

/// A thread of sockets takes `None` for "ask a thread that may wait".
#[test]
fn what_lies_in_memory_is_shown_and_what_does_not_is_not() {
    let scratch = Scratch::new("cached");
    let file = RealDisk.open(&scratch.0.join("a"), Access::CreateNew, Caching::Cached).unwrap();
    let bytes: Vec<u8> = (0..200_000u32).map(|at| (at / 3).to_le_bytes()[0]).collect();
    file.write_at(&bytes, 0).unwrap();
    for (from, len) in [(0, 1), (4095, 2), (5000, 150_000), (199_999, 1)] {
        // Memory may be taken away at any time, even from what was just written.
        if let Some(cached) = file.cached(from as u64, len).unwrap() {
            assert!((1..=len).contains(&cached.len()));
            assert!(*cached.as_ref() == bytes[from..from + cached.len()], "{len} bytes from {from}");
        }
    }
    assert!(file.cached(400_000, 10).unwrap().is_none(), "nothing is there");
}

/// Appends past the page cache leave single pages of it behind, where they met within one.
#[test]
fn what_is_brought_into_memory_is_all_there_wherever_it_begins() {
    let scratch = Scratch::new("brought");
    let file = RealDisk.open(&scratch.0.join("a"), Access::CreateNew, Caching::Cached).unwrap();
    let bytes: Vec<u8> = (0..5_000_000u32).flat_map(u32::to_le_bytes).take(5_000_001).collect();
    file.write_at(&bytes, 0).unwrap();
    file.sync().unwrap();
    for (from, len) in [(0, 1), (4095, 2), (2_097_000, 1 << 20), (3_000_000, 2_000_001), (5_000_000, 1)] {
        // Not every file system can.
        if let Some(brought) = file.bring_in(from as u64, len) {
            assert!(*brought.as_ref() == bytes[from..from + len], "{len} bytes from {from}");
        }
    }
    assert!(file.bring_in(6_000_000, 1).is_none(), "nothing is there");
}

/// Segments are read so wherever a batch begins, while others append, and after they were removed.
#[test]
fn reads_past_the_page_cache_begin_and_end_anywhere() {
    let scratch = Scratch::new("past");
    let path = scratch.0.join("a");
    let file = RealDisk.open(&path, Access::CreateNew, Caching::Cached).unwrap();
    let bytes: Vec<u8> = (0..30_000u32).map(|at| (at / 3).to_le_bytes()[0]).collect();
    file.write_at(&bytes, 0).unwrap();
    RealDisk.remove(&path).unwrap();
    let mut buffer = AlignedBuffer::new();
    for (from, len) in [(0, 4096), (0, 30_000), (1, 8191), (4095, 2), (29_999, 1), (12_288, 17_712), (5, 0)] {
        let found = file.read_past_cache(&mut buffer, from as u64, len).unwrap();
        assert!(buffer.as_slice()[found] == bytes[from..from + len], "{len} bytes from {from}");
    }
    for (from, left) in [(29_000, 1000), (30_000, 0), (90_000, 0)] {
        assert_eq!(file.read_past_cache(&mut buffer, from, 5000).unwrap().len(), left);
    }
}

/// Storage decides by these kinds: no such file at first start, a left-over file where a new one should be.
#[test]
fn errors_name_path_and_kind() {
    let scratch = Scratch::new("errors");
    let path = scratch.0.join("missing");
    let error = RealDisk.open(&path, Access::Write, Caching::Direct).err().unwrap();
    assert!(error.is_not_found() && !error.is_no_space());
    assert!(error.to_string().starts_with(&format!("cannot open {}: ", path.display())), "{error}");
    RealDisk.open(&path, Access::CreateNew, Caching::Direct).unwrap();
    assert!(RealDisk.open(&path, Access::CreateNew, Caching::Direct).is_err());
    let other = scratch.0.join("other");
    RealDisk.rename(&path, &other).unwrap();
    RealDisk.sync_dir(&scratch.0).unwrap();
    assert_eq!(RealDisk.list(&scratch.0).unwrap(), ["other"]);
    RealDisk.remove(&other).unwrap();
    assert!(RealDisk.remove(&other).unwrap_err().is_not_found());
}

/// Two brokers in one data directory would each overwrite what the other acknowledged.
#[test]
fn a_directory_is_locked_once_and_free_again_afterwards() {
    let scratch = Scratch::new("lock");
    let held = DirLock::acquire(&scratch.0).unwrap();
    assert!(matches!(DirLock::acquire(&scratch.0), Err(LockError::InUse { .. })));
    drop(held);
    DirLock::acquire(&scratch.0).unwrap();
}

#[test]
fn calls_that_fail_are_counted_apart_from_those_that_succeed() {
    // Could break: an error that only its caller hears of, or one that counts as a write. Other tests count here, too.
    let scratch = Scratch::new("counts");
    let path = scratch.0.join("file");
    let before = DiskUse::of_process();
    let file = RealDisk.open(&path, Access::CreateNew, Caching::Cached).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.read_at(&mut [0; 3], 0).unwrap();
    let after = DiskUse::of_process();
    assert!(after.writes > before.writes && after.reads > before.reads);
    let read_only = RealDisk.open(&path, Access::Read, Caching::Cached).unwrap();
    read_only.write_at(b"abc", 0).unwrap_err();
    assert!(DiskUse::of_process().errors > after.errors);
}
