//! The write-ahead log with its threads, on the machine's own disk.
#![allow(clippy::cast_possible_truncation, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use env::disk::{Access, Caching, Disk, RealDisk};
use storage::id::ShardId;
use storage::wal::{
    AppendError, Frame, LogPosition, Poisoned, Recovered, Wal, WalError, WalListener, WalOptions,
};

/// A directory of its own for a test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-wal-{}-{name}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Collects what it is told, and lets a test wait for it.
#[derive(Default)]
struct Answers {
    synced: Mutex<Vec<(ShardId, u64)>>,
    changed: Condvar,
}

impl WalListener for Answers {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        result.unwrap();
        self.synced.lock().unwrap().append(batch);
        self.changed.notify_all();
    }
}

impl Answers {
    fn wait_for(&self, count: usize) -> Vec<(ShardId, u64)> {
        let synced = self.synced.lock().unwrap();
        self.changed.wait_while(synced, |synced| synced.len() < count).unwrap().clone()
    }
}

fn open(dir: &Path, options: WalOptions) -> (Wal, Recovered, Arc<Answers>) {
    let answers = Arc::new(Answers::default());
    let (wal, recovered) = Wal::open(Arc::new(RealDisk), dir, options, answers.clone()).unwrap();
    (wal, recovered, answers)
}

fn small_files() -> WalOptions {
    WalOptions { file_bytes: 256 << 10, kept_bytes_max: 1 << 20, ..WalOptions::default() }
}

fn entry(index: u64, bytes: usize) -> Frame {
    let payload = Bytes::from(vec![(index % 251) as u8; bytes]);
    Frame::Entry { term: 1 + index / 100, index, meta: (index % 7) as u8, payload: payload.into() }
}

/// The first thing a broker needs: what was answered is there after a restart, in several pieces or in one.
#[test]
fn what_was_answered_is_there_after_a_restart() {
    let scratch = Scratch::new("restart");
    let (wal, recovered, answers) = open(&scratch.0, WalOptions::default());
    assert_eq!(recovered, Recovered::default());
    let (meta, data) = (ShardId(0), ShardId(3));
    wal.append(meta, [Frame::Vote(Bytes::from_static(b"me, term 1"))], Some(7)).unwrap();
    let parts = vec![Bytes::from_static(b"two "), Bytes::new(), Bytes::from_static(b"parts")];
    let pieces = Frame::Entry { term: 1, index: 0, meta: 9, payload: parts.into() };
    wal.append(data, [pieces, entry(1, 100_000), entry(2, 0)], Some(8)).unwrap();
    wal.append(data, [Frame::Committed { index: 2 }], None).unwrap();
    wal.append(data, [], Some(9)).unwrap();
    wal.submit();
    assert_eq!(answers.wait_for(3), [(meta, 7), (data, 8), (data, 9)]);
    drop(wal);

    let (_wal, recovered, _) = open(&scratch.0, WalOptions::default());
    assert_eq!(recovered.shards[&meta].vote.as_deref(), Some(&b"me, term 1"[..]));
    let shard = &recovered.shards[&data];
    assert_eq!(shard.committed, Some(2));
    assert_eq!(shard.purged, None);
    assert_eq!(shard.entries[0].payload, &b"two parts"[..]);
    assert_eq!((shard.entries[0].term, shard.entries[0].meta), (1, 9));
    assert_eq!(shard.entries[1].payload.len(), 100_000);
    assert_eq!(shard.entries.len(), 3);
}

/// Disk use must stay bounded when shards release, although one of them is idle with an entry in the very first file.
#[test]
fn released_files_are_used_again_and_an_idle_shard_loses_nothing() {
    let scratch = Scratch::new("recycle");
    let (busy, idle) = (ShardId(1), ShardId(2));
    {
        let (wal, _, answers) = open(&scratch.0, small_files());
        wal.append(idle, [entry(0, 10), entry(1, 2000)], None).unwrap();
        for index in 0..400 {
            wal.append(busy, [entry(index, 40_000)], Some(index)).unwrap();
            wal.submit();
            answers.wait_for(index as usize + 1);
            wal.release(busy, index.saturating_sub(10));
        }
        let stats = wal.stats();
        assert!(stats.files_live_bytes <= 2 << 20, "{stats:?}");
        assert!(stats.files_opened > 40 && stats.entries_copied > 0, "{stats:?}");
    }
    let (_wal, recovered, _) = open(&scratch.0, small_files());
    let shard = &recovered.shards[&idle];
    assert_eq!(shard.entries.iter().map(|e| e.payload.len()).collect::<Vec<_>>(), [10, 2000]);
    let shard = &recovered.shards[&busy];
    assert_eq!(shard.entries.last().unwrap().index, 399);
    assert!(shard.purged.unwrap().index < 389);
}

/// An entry may be larger than a file, and a queue below its bound takes it whole.
#[test]
fn an_entry_larger_than_a_file_is_taken() {
    let scratch = Scratch::new("large");
    {
        let (wal, _, answers) = open(&scratch.0, small_files());
        for index in 0..5 {
            wal.append(ShardId(1), [entry(index, 3_000_000 * (index as usize % 2) + 5)], Some(index))
                .unwrap();
        }
        wal.submit();
        answers.wait_for(5);
    }
    let (_wal, recovered, _) = open(&scratch.0, small_files());
    let sizes: Vec<_> = recovered.shards[&ShardId(1)].entries.iter().map(|e| e.payload.len()).collect();
    assert_eq!(sizes, [5, 3_000_005, 5, 3_000_005, 5]);
}

/// Raft rewrites a log's end and moves its beginning; both must hold after a restart.
#[test]
fn truncated_and_purged_entries_stay_gone() {
    let scratch = Scratch::new("truncate");
    let shard = ShardId(4);
    {
        let (wal, _, answers) = open(&scratch.0, WalOptions::default());
        wal.append(shard, (1..=10).map(|index| entry(index, 50)), None).unwrap();
        wal.append(shard, [Frame::Truncate { from: 6 }, entry(6, 77)], None).unwrap();
        wal.append(shard, [Frame::Purge(LogPosition { term: 1, index: 3 })], Some(1)).unwrap();
        wal.submit();
        answers.wait_for(1);
        let gap = wal.append(shard, [entry(8, 1)], None);
        assert_eq!(gap, Err(AppendError::OutOfOrder { shard, expected: 7, index: 8 }));
    }
    let (wal, recovered, _) = open(&scratch.0, WalOptions::default());
    let state = &recovered.shards[&shard];
    assert_eq!(state.purged, Some(LogPosition { term: 1, index: 3 }));
    let entries: Vec<_> = state.entries.iter().map(|e| (e.index, e.payload.len())).collect();
    assert_eq!(entries, [(4, 50), (5, 50), (6, 77)]);
    wal.append(shard, [entry(7, 1)], None).unwrap();
}

/// Memory is bounded by refusing, and control frames still pass.
#[test]
fn a_full_queue_refuses_entries_and_takes_votes() {
    let scratch = Scratch::new("full");
    let options = WalOptions { queued_bytes_max: 10_000, ..WalOptions::default() };
    let (wal, _, answers) = open(&scratch.0, options);
    wal.append(ShardId(1), [entry(0, 20_000)], Some(1)).unwrap();
    assert!(matches!(wal.append(ShardId(1), [entry(1, 1)], Some(2)), Err(AppendError::Full { .. })));
    assert!(matches!(wal.check_room(), Err(AppendError::Full { .. })));
    wal.append(ShardId(1), [Frame::Vote(Bytes::from_static(b"v"))], Some(3)).unwrap();
    wal.submit();
    assert_eq!(answers.wait_for(2), [(ShardId(1), 1), (ShardId(1), 3)]);
}

/// Damage behind the torn tail's place must stop the start, and say where.
#[test]
fn a_synced_block_that_changed_is_refused_by_name_and_position() {
    let scratch = Scratch::new("damage");
    {
        let (wal, _, answers) = open(&scratch.0, WalOptions::default());
        for index in 0..10 {
            wal.append(ShardId(1), [entry(index, 5000)], Some(index)).unwrap();
            wal.submit();
            answers.wait_for(index as usize + 1);
        }
    }
    let name = RealDisk.list(&scratch.0).unwrap().remove(0);
    let file = scratch.0.join(name);
    let handle = RealDisk.open(&file, Access::Write, Caching::Cached).unwrap();
    handle.write_at(b"changed", 4096 + 3000).unwrap();
    let opened =
        Wal::open(Arc::new(RealDisk), &scratch.0, WalOptions::default(), Arc::new(Answers::default()));
    let Err(WalError::Corrupt { file: named, position, what }) = opened.map(|_| ()) else {
        panic!("not refused")
    };
    assert_eq!((named, position), (file, 4096));
    assert_eq!(what, "no valid frame, but the frame at 12288 says that it had been synced");
}

/// A follower that lags wants entries that left memory long ago: from several files, and not more than it has room for.
#[test]
fn entries_are_read_back_while_the_log_is_written() {
    let scratch = Scratch::new("read-back");
    let (wal, _, answers) = open(&scratch.0, small_files());
    let payload = |index: u64| Bytes::from(vec![index as u8; 20_000]);
    let entry = |index| Frame::Entry { term: 7, index, meta: 3, payload: payload(index).into() };
    for index in 0..60 {
        wal.append(ShardId(1), [entry(index)], Some(index)).unwrap();
        wal.append(ShardId(2), [Frame::Vote(Bytes::from_static(b"vote"))], None).unwrap();
        wal.submit();
        answers.wait_for(index as usize + 1);
    }
    let read = |from, to, bytes_max| {
        let (tell, told) = std::sync::mpsc::channel();
        wal.read_back(ShardId(1), from..to, bytes_max, Box::new(move |read| tell.send(read).unwrap()));
        told.recv().unwrap()
    };
    let all = read(2, 60, u64::MAX).unwrap();
    assert_eq!(all.iter().map(|entry| entry.index).collect::<Vec<_>>(), (2..60).collect::<Vec<_>>());
    assert!(
        all.iter().all(|entry| (entry.term, entry.meta) == (7, 3) && entry.payload == payload(entry.index))
    );
    assert_eq!(read(10, 60, 50_000).unwrap().len(), 2);
    assert_eq!(read(10, 60, 1).unwrap().len(), 1, "one at least, or a large entry would never be sent");
    assert_eq!(read(58, 99, u64::MAX).unwrap().len(), 2, "what is not written yet is not read");
    assert!(read(60, 61, u64::MAX).is_err());

    wal.append(ShardId(1), [Frame::Purge(LogPosition { term: 7, index: 40 })], Some(60)).unwrap();
    wal.submit();
    answers.wait_for(61);
    assert!(read(40, 60, u64::MAX).is_err(), "it is forgotten");
    assert_eq!(read(41, 60, u64::MAX).unwrap().len(), 19);
}
