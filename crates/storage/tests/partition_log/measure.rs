//! Figures, by hand: `cargo test --release -p storage --test partition_log measure -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;

use env::Instant;
use env::disk::{Access, Caching, Disk, RealDisk};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::ShardLogs;
use storage::segment_writer::{StoreOptions, WriterCore};

use crate::batches::{Spec, batch, partition};

fn open(dir: &Path) -> (WriterCore, ShardLogs) {
    let disk = Arc::new(RealDisk);
    let (core, mut recovered) =
        WriterCore::open(disk, dir, &StoreOptions::default(), Box::new(|| {})).unwrap();
    (core, recovered.take(ShardId(1)).logs)
}

fn resident_kib() -> u64 {
    let status = RealDisk.open(Path::new("/proc/self/status"), Access::Read, Caching::Cached).unwrap();
    let mut bytes = [0; 8192];
    let count = status.read_at(&mut bytes, 0).unwrap();
    let status = std::str::from_utf8(&bytes[..count]).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn store_all(core: &mut WriterCore, logs: &mut ShardLogs, applied: u64) {
    core.submit(logs.maintain_all(applied, applied).works);
    while !core.is_idle() {
        let progress = core.step(Instant::now(), true);
        assert!(progress.poisoned.is_none() && progress.no_space.is_none(), "{progress:?}");
    }
}

#[test]
#[ignore = "a measurement"]
fn measure_ten_thousand_partitions() {
    let dir = std::env::temp_dir().join(format!("takhin-measure-{}", std::process::id()));
    RealDisk.create_dir_all(&dir).unwrap();
    let (mut core, mut logs) = open(&dir);
    let named = |number: u32| PartitionId {
        topic_id: TopicId([(number / 100) as u8; 16]),
        partition: (number % 100) as i32,
    };
    let (start, before) = (Instant::now(), resident_kib());
    for number in 0..10_000 {
        logs.create(1, named(number), 0, Instant::now());
    }
    println!("create 10,000: {:?}, {} KiB", start.elapsed(), resident_kib() - before);
    let start = Instant::now();
    store_all(&mut core, &mut logs, 1);
    println!("checkpoint of them empty: {:?}", start.elapsed());
    let batch = batch(&Spec::default(), 1);
    for number in 0..10_000 {
        let pin = logs.pinned().pin(batch.bytes.len() as u64);
        logs.append(2, &named(number), &pin, batch.clone(), Instant::now());
    }
    let start = Instant::now();
    store_all(&mut core, &mut logs, 2);
    println!("one record in each, to segments and checkpoint: {:?}", start.elapsed());
    println!("resident above the start: {} KiB", resident_kib() - before);
    drop((core, logs));
    let start = Instant::now();
    let opened = open(&dir);
    println!("open again: {:?}", start.elapsed());
    drop(opened);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
#[ignore = "a measurement"]
fn measure_appends_and_stores_of_tiny_batches() {
    let dir = std::env::temp_dir().join(format!("takhin-measure-tiny-{}", std::process::id()));
    RealDisk.create_dir_all(&dir).unwrap();
    let (mut core, mut logs) = open(&dir);
    for number in 0..16 {
        logs.create(1, partition(number), 0, Instant::now());
    }
    let batch = batch(&Spec { payload: 109, ..Spec::default() }, 1);
    let (mut appending, mut storing) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let (rounds, per_round) = (20, 50_000);
    for round in 0..rounds {
        let now = Instant::now();
        for at in 0..per_round {
            let pin = logs.pinned().pin(170);
            logs.append(round + 2, &partition(at % 16), &pin, batch.clone(), now);
        }
        appending += now.elapsed();
        let now = Instant::now();
        core.submit(logs.maintain_all(round + 2, round + 2).works);
        while core.step(now, false).wake_at == Some(now) {}
        storing += now.elapsed();
    }
    let count = rounds as u32 * per_round as u32;
    println!("append: {:?} a batch; cut, write, publish: {:?} a batch", appending / count, storing / count);
    drop((core, logs));
    std::fs::remove_dir_all(dir).unwrap();
}
