//! The store with its thread, on the machine's own disk, with readers beside it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use env::Instant;
use env::disk::{Disk, RealDisk};
use storage::id::ShardId;
use storage::partition_log::{DueLimits, LogReader, Maintained, ReadError, ShardLogs};
use storage::segment_writer::{Progress, Recovered, Store, StoreListener, StoreOptions};
use wire::record::{BatchHeader, batches};

use crate::batches::{Spec, batch, partition};

/// A directory of its own for a test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-store-{}-{name}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[derive(Default)]
struct Heard {
    covered: Mutex<Vec<(ShardId, u64)>>,
    changed: Condvar,
}

impl StoreListener for Heard {
    fn progressed(&self, progress: Progress) {
        assert!(progress.poisoned.is_none() && progress.no_space.is_none(), "{progress:?}");
        self.covered.lock().unwrap().extend(progress.covered);
        self.changed.notify_all();
    }
}

fn options() -> StoreOptions {
    let due = DueLimits { good_bytes: 4096, age_max: Duration::from_millis(5), ..DueLimits::default() };
    StoreOptions { due, segment_bytes: 64 << 10, open_files_max: 4, ..StoreOptions::default() }
}

fn open(dir: &Path) -> (Store, Recovered, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (store, recovered) = Store::open(Arc::new(RealDisk), dir, &options(), heard.clone()).unwrap();
    (store, recovered, heard)
}

fn append(logs: &mut ShardLogs, index: u64, number: i32) {
    let batch = batch(&Spec { payload: 300, count: 2, ..Spec::default() }, index as u8);
    let pin = logs.pinned().pin(batch.bytes.len() as u64);
    logs.append(index, &partition(number), &pin, batch, Instant::now()).unwrap();
}

fn finish(store: Store, logs: &mut ShardLogs, applied: u64) {
    let Maintained { works, .. } = logs.maintain_all(applied, applied);
    store.submit(works);
    store.close();
}

/// Reads a log to its end, over and over, until told to stop; every read must go on exactly where the last one ended.
fn follow(reader: &LogReader, stop: &AtomicBool) -> i64 {
    let mut next = 0;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let read = reader.read(next, 5000).unwrap();
        let mut bytes = Vec::new();
        for slice in &read.slices {
            slice.copy_into(&mut bytes).unwrap();
        }
        for batch in batches(&bytes) {
            let header = BatchHeader::parse(batch.unwrap()).unwrap();
            assert_eq!(header.base_offset, next);
            next = header.last_offset() + 1;
        }
        assert_eq!(read.end, next);
        if stopping && read.slices.is_empty() {
            return next;
        }
    }
}

// The hand-over from tail to segment must have no moment at which a batch is in neither or in both.
#[test]
fn readers_see_every_record_once_while_tails_become_segments() {
    let scratch = Scratch::new("hand-over");
    let (store, mut recovered, _) = open(&scratch.0);
    let mut logs = recovered.take(ShardId(1)).logs;
    let stop = Arc::new(AtomicBool::new(false));
    let mut followers = Vec::new();
    for number in 0..3 {
        let reader = logs.create(1, partition(number), 0, Instant::now()).unwrap();
        let stop = Arc::clone(&stop);
        followers.push(env::spawn_thread("follower", move || follow(&reader, &stop)).unwrap());
    }
    let last = 6000;
    for index in 2..=last {
        append(&mut logs, index, (index % 3) as i32);
        let works = logs.maintain(Instant::now(), index, index).works;
        store.submit(works);
    }
    stop.store(true, Ordering::Release);
    for follower in followers {
        let end = follower.join().unwrap();
        assert!(end >= 3998, "{end}");
    }
    finish(store, &mut logs, last);
    let (_store, mut recovered, _) = open(&scratch.0);
    let found = recovered.take(ShardId(1));
    assert_eq!(found.covered, last);
    let ends: i64 = found.logs.logs().map(|log| log.reader().offsets().stored_end).sum();
    assert_eq!(ends, 2 * (last as i64 - 1));
}

#[test]
fn a_checkpoint_that_was_asked_for_covers_what_was_submitted() {
    let scratch = Scratch::new("asked");
    let (store, mut recovered, heard) = open(&scratch.0);
    let mut logs = recovered.take(ShardId(3)).logs;
    logs.create(1, partition(0), 0, Instant::now());
    append(&mut logs, 2, 0);
    logs.set_state(b"state"[..].into());
    store.submit(logs.maintain_all(2, 2).works);
    store.checkpoint();
    let covered = heard.covered.lock().unwrap();
    let covered = heard.changed.wait_while(covered, |covered| covered.is_empty()).unwrap();
    assert_eq!(*covered, [(ShardId(3), 2)]);
    drop(covered);
    drop(store);
    let (_store, mut recovered, _) = open(&scratch.0);
    assert_eq!(recovered.shards().collect::<Vec<_>>(), [ShardId(3)]);
    let found = recovered.take(ShardId(3));
    assert_eq!(found.state.as_deref(), Some(&b"state"[..]));
    assert_eq!(found.logs.log(&partition(0)).unwrap().reader().offsets().high_watermark, 2);
}

#[test]
fn a_deleted_partition_leaves_no_file() {
    let scratch = Scratch::new("deleted");
    let (store, mut recovered, _) = open(&scratch.0);
    let mut logs = recovered.take(ShardId(1)).logs;
    let reader = logs.create(1, partition(0), 0, Instant::now()).unwrap();
    append(&mut logs, 2, 0);
    store.submit(logs.maintain_all(2, 2).works);
    assert!(logs.delete(3, &partition(0)));
    assert!(matches!(reader.read(0, 1), Err(ReadError::Deleted)));
    finish(store, &mut logs, 3);
    assert!(RealDisk.list(&scratch.0.join("partitions")).unwrap().is_empty());
}
