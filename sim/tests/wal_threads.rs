//! The log with its threads, on a simulated disk that fails.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sim::disk::{Faults, SimDisk};
use storage::id::ShardId;
use storage::wal::{AppendError, Frame, Poisoned, Wal, WalListener, WalOptions};

const SHARD: ShardId = ShardId(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// A ticket and what became of it.
type Answer = (u64, Result<(), Poisoned>);

struct Answers(Mutex<Sender<Answer>>);

impl WalListener for Answers {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        for (_, ticket) in batch.drain(..) {
            let _ = self.0.lock().unwrap().send((ticket, result.clone()));
        }
    }
}

fn open(disk: &SimDisk) -> (Wal, Receiver<Answer>) {
    let (sender, answers) = channel();
    let options = WalOptions { file_bytes: 128 << 10, queued_bytes_max: 32 << 10, ..WalOptions::default() };
    let listener = Arc::new(Answers(Mutex::new(sender)));
    let (wal, _) = Wal::open(Arc::new(disk.clone()), Path::new("/wal"), options, listener).unwrap();
    (wal, answers)
}

fn entry(index: u64) -> Frame {
    Frame::Entry { term: 1, index, meta: 0, payload: Bytes::from(vec![7; 10_000]).into() }
}

/// After a failed sync nobody may be told that anything is durable, now or later.
#[test]
fn a_failed_write_fails_everybody_and_stays_failed() {
    let disk = SimDisk::new(1, 10 << 20);
    let (wal, answers) = open(&disk);
    wal.append(SHARD, [entry(0)], Some(1)).unwrap();
    wal.submit();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok((1, Ok(()))));
    disk.begin_life(Faults { fail_at: Some(1), ..Faults::default() });
    wal.append(SHARD, [entry(1)], Some(2)).unwrap();
    wal.append(SHARD, [entry(2)], Some(3)).unwrap();
    wal.submit();
    for ticket in [2, 3] {
        let (answered, result) = answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answered, ticket);
        assert!(result.unwrap_err().to_string().contains("/wal/00000001"), "names the file");
    }
    let poisoned = wal.poisoned().unwrap().clone();
    assert_eq!(wal.append(SHARD, [entry(3)], Some(4)), Err(poisoned.clone().into()));
    assert_eq!(wal.check_room(), Err(poisoned.into()));
    wal.submit();
    drop(wal);
    assert!(answers.recv().is_err(), "nothing else is answered");
}

/// A full disk is not a broken one: what was accepted is kept, new entries are refused, and space heals it.
#[test]
fn a_full_disk_refuses_entries_until_it_has_space() {
    let disk = SimDisk::new(1, 128 << 10);
    let (wal, answers) = open(&disk);
    let mut accepted = 0;
    let refused = loop {
        match wal.append(SHARD, [entry(accepted)], Some(accepted)) {
            Ok(()) => accepted += 1,
            Err(AppendError::Full { .. }) => {
                wal.submit();
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Err(refused) => break refused,
        }
        wal.submit();
    };
    assert_eq!(refused, AppendError::NoSpace);
    assert_eq!(wal.check_room(), Err(AppendError::NoSpace));
    wal.append(SHARD, [Frame::Vote(Bytes::from_static(b"still"))], None).unwrap();
    disk.set_space(10 << 20);
    for ticket in 0..accepted {
        assert_eq!(answers.recv_timeout(PATIENCE), Ok((ticket, Ok(()))));
    }
    while wal.append(SHARD, [entry(accepted)], Some(accepted)).is_err() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    wal.submit();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok((accepted, Ok(()))));
}

/// Space can also come from the log itself: a release must reach the thread although nothing can be written for want of it.
#[test]
fn a_release_makes_room_on_a_full_disk() {
    let disk = SimDisk::new(1, 256 << 10);
    let (wal, answers) = open(&disk);
    let (mut accepted, mut answered) = (0, 0);
    let deadline = env::Instant::now() + PATIENCE;
    while accepted < 200 {
        assert!(env::Instant::now() < deadline, "stuck at {accepted}");
        match wal.append(SHARD, [entry(accepted)], Some(accepted)) {
            Ok(()) => accepted += 1,
            Err(_) => std::thread::park_timeout(Duration::from_millis(1)),
        }
        wal.submit();
        while let Ok((ticket, result)) = answers.try_recv() {
            assert_eq!((ticket, result), (answered, Ok(())));
            wal.release(SHARD, answered);
            answered += 1;
        }
    }
}
