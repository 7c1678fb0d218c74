//! What a durable write costs, and what the write-ahead log makes of it. Not run by itself:
//!
//! `cargo test --release -p storage --test wal_bench -- --ignored --nocapture --test-threads 1`
//!
//! `WAL_BENCH_DIR` names the directory (its disk is what is measured); the figures that decided are in docs/adr/0003-wal.md.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use env::Instant;
use env::disk::{Access, AlignedBuffer, Caching, Disk, DiskFile, RealDisk};
use storage::id::ShardId;
use storage::wal::{Frame, Poisoned, Wal, WalListener, WalOptions};

const FILE_BYTES: u64 = 64 << 20;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let base = std::env::var_os("WAL_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let dir = base.join(format!("takhin-wal-bench-{}-{name}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A way to make bytes durable.
struct Way {
    name: String,
    file: Arc<dyn DiskFile>,
    in_one_call: bool,
    spent: Vec<Duration>,
}

impl Way {
    fn new(dir: &Path, caching: Caching, prewritten: bool, in_one_call: bool) -> Self {
        let state = if prewritten { "prewritten" } else { "reserved" };
        let call = if in_one_call { "RWF_DSYNC" } else { "write+fdatasync" };
        let name = format!("{state:10} {caching:?} {call}");
        let file = RealDisk.open(&dir.join(&name), Access::CreateNew, caching).unwrap();
        file.preallocate(FILE_BYTES).unwrap();
        if prewritten {
            let mut zeros = AlignedBuffer::new();
            zeros.resize(1 << 20);
            for position in (0..FILE_BYTES).step_by(1 << 20) {
                file.write_at(zeros.as_slice(), position).unwrap();
            }
        }
        file.sync().unwrap();
        Self { name, file, in_one_call, spent: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8], position: u64) {
        let begin = Instant::now();
        if self.in_one_call {
            self.file.write_at_durable(bytes, position).unwrap();
        } else {
            self.file.write_at(bytes, position).unwrap();
            self.file.sync().unwrap();
        }
        self.spent.push(begin.elapsed());
    }
}

/// The ways take turns, write by write, so that a busy machine is busy for all of them.
#[test]
#[ignore = "a measurement"]
fn durable_writes_by_size_and_way() {
    for size in [4 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let scratch = Scratch::new("disk");
        let mut ways = Vec::new();
        for prewritten in [true, false] {
            for (caching, in_one_call) in
                [(Caching::Direct, true), (Caching::Cached, true), (Caching::Cached, false)]
            {
                ways.push(Way::new(&scratch.0, caching, prewritten, in_one_call));
            }
        }
        let mut buffer = AlignedBuffer::new();
        buffer.resize(size);
        buffer.as_mut_slice().fill(7);
        let rounds = (FILE_BYTES as usize / size).min(1000);
        for round in 0..rounds {
            for way in &mut ways {
                way.write(buffer.as_slice(), (round * size) as u64);
            }
        }
        for mut way in ways {
            let mean = way.spent.iter().sum::<Duration>() / rounds as u32;
            way.spent.sort_unstable();
            let (p10, p50, p99) =
                (way.spent[rounds / 10], way.spent[rounds / 2], way.spent[rounds * 99 / 100]);
            println!(
                "{:5} KiB  {:36} p10 {p10:>8.1?}  p50 {p50:>8.1?}  p99 {p99:>8.1?}  mean {mean:>8.1?}",
                size >> 10,
                way.name
            );
        }
    }
}

#[derive(Default)]
struct Answers {
    synced: Mutex<u64>,
    changed: Condvar,
}

impl WalListener for Answers {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        result.unwrap();
        *self.synced.lock().unwrap() += batch.len() as u64;
        self.changed.notify_one();
    }
}

/// One group in flight, as a shard does it: the next is appended when the last is answered.
#[test]
#[ignore = "a measurement"]
fn one_group_in_flight_by_size() {
    for size in [1 << 10, 15 << 10, 60 << 10, 1 << 20] {
        let scratch = Scratch::new("wal");
        let answers = Arc::new(Answers::default());
        let (wal, _) =
            Wal::open(Arc::new(RealDisk), &scratch.0, WalOptions::default(), answers.clone()).unwrap();
        let payload = Bytes::from(vec![7; size]);
        let rounds = ((1 << 30) / size as u64).min(10_000);
        let mut spent = Vec::new();
        for index in 0..rounds {
            let entry = Frame::Entry { term: 1, index, meta: 0, payload: payload.clone().into() };
            let begin = Instant::now();
            wal.append(ShardId(1), [entry], Some(index)).unwrap();
            wal.submit();
            let synced = answers.synced.lock().unwrap();
            drop(answers.changed.wait_while(synced, |synced| *synced <= index).unwrap());
            spent.push(begin.elapsed());
            wal.release(ShardId(1), index);
        }
        let stats = wal.stats();
        let mean = spent.iter().sum::<Duration>() / rounds as u32;
        spent.sort_unstable();
        let (p50, p99, max) = (spent[spent.len() / 2], spent[spent.len() * 99 / 100], spent[spent.len() - 1]);
        println!(
            "{:5} KiB  p50 {p50:.1?}  p99 {p99:.1?}  max {max:.1?}  mean {mean:.1?}  sync {:.1?}  {:.0} MB/s  {stats:?}",
            size >> 10,
            stats.sync_time / stats.syncs as u32,
            size as f64 / mean.as_secs_f64() / 1e6,
        );
    }
}
