use std::path::PathBuf;

use super::{Access, AlignedBuffer, Caching, DirLock, Disk, LockError, RealDisk};

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

/// A thread of sockets takes `None` for "ask a thread that may wait", and the end of the file for damage.
#[test]
fn a_read_that_must_not_wait_gives_what_was_just_written() {
    let scratch = Scratch::new("once");
    let file = RealDisk.open(&scratch.0.join("a"), Access::CreateNew, Caching::Cached).unwrap();
    file.write_at(&[7; 10_000], 0).unwrap();
    let mut seen = vec![0; 20_000];
    // A file system that can't tell says `None` throughout.
    if let Some(count) = file.read_at_once(&mut seen, 4000).unwrap() {
        assert!((1..=6000).contains(&count) && seen[..count].iter().all(|byte| *byte == 7));
        assert_eq!(file.read_at_once(&mut seen, 10_000).unwrap(), Some(0));
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
