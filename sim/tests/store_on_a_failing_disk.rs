//! What the simulation of all of storage found, one fact each, without the dice.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::Instant;
use env::disk::Disk;
use sim::disk::{End, Faults, SimDisk};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::{NewBatch, ShardLogs};
use storage::segment_writer::{CheckpointLimits, StoreError, StoreOptions, WriterCore};
use wire::record::{Builder, Codec, Compression};

const SHARD: ShardId = ShardId(1);
const PLENTY: u64 = 1 << 20;

fn open(disk: &SimDisk) -> Result<(WriterCore, ShardLogs, u64), StoreError> {
    let checkpoint = CheckpointLimits { rewrite_bytes_min: 0, ..CheckpointLimits::default() };
    let options = StoreOptions { checkpoint, ..StoreOptions::default() };
    let (core, mut recovered) =
        WriterCore::open(Arc::new(disk.clone()), Path::new("/d"), &options, Box::new(|| {}))?;
    let shard = recovered.take(SHARD);
    Ok((core, shard.logs, shard.covered))
}

fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: TopicId([7; 16]), partition: number }
}

/// Creates a partition by the entry at `index` and gives the store what came of it.
fn create(core: &mut WriterCore, logs: &mut ShardLogs, index: u64, number: i32) {
    logs.create(index, partition(number), 0, Instant::now());
    core.submit(logs.maintain_all(index, index).works);
}

fn append(logs: &mut ShardLogs, index: u64, number: i32) {
    let mut builder = Builder::new(Compression::from(Codec::None));
    builder.append(1000, None, Some(b"value"), &[]).unwrap();
    let batch = NewBatch {
        bytes: Bytes::from(builder.finish().unwrap()),
        leader_epoch: 0,
        last_offset_delta: 0,
        max_timestamp: 1000,
        max_timestamp_delta: 0,
        producer: None,
    };
    let pin = logs.pinned().pin(100);
    logs.append(index, &partition(number), &pin, batch, Instant::now()).unwrap();
}

// The next process finds the log by a name that is in the cache only; the WAL forgets what the log covers.
#[test]
fn a_checkpoint_outlives_the_power_though_a_killed_process_had_not_synced_the_logs_name() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed, PLENTY);
        disk.begin_life(Faults { stop_behind_rename: Some(1), ..Faults::default() });
        assert!(open(&disk).is_err() && disk.stopped(), "it dies behind the rename");
        disk.end_life(End::Kill);
        disk.begin_life(Faults::default());
        let (mut core, mut logs, _) = open(&disk).unwrap();
        create(&mut core, &mut logs, 1, 0);
        assert_eq!(core.step(Instant::now(), true).covered, [(SHARD, 1)]);
        drop((core, logs));
        disk.end_life(End::PowerLoss);
        let (_, logs, covered) = open(&disk).unwrap();
        assert_eq!((covered, logs.logs().count()), (1, 1), "seed {seed}");
    }
}

// A full disk may have no room for one more name: then there is nothing to be removed either.
#[test]
fn a_checkpoint_log_that_finds_no_room_to_be_written_anew_goes_on_as_it_is() {
    let mut was_full = 0;
    for room in (0..1200).step_by(8) {
        let disk = SimDisk::new(room, PLENTY);
        let (mut core, mut logs, _) = open(&disk).unwrap();
        create(&mut core, &mut logs, 1, 0);
        assert!(core.step(Instant::now(), true).poisoned.is_none());
        disk.set_space(disk.used() + room);
        for index in 2..6 {
            create(&mut core, &mut logs, index, i32::try_from(index).unwrap());
            let progress = core.step(Instant::now(), true);
            assert!(progress.poisoned.is_none(), "with room for {room} bytes: {:?}", progress.poisoned);
            was_full += u64::from(progress.no_space.is_some());
        }
        disk.set_space(PLENTY);
        core.step(Instant::now(), true);
        assert!(core.is_idle());
        drop((core, logs));
        let (_, logs, covered) = open(&disk).unwrap();
        assert_eq!((covered, logs.logs().count()), (5, 5));
    }
    assert!(was_full > 50, "{was_full}");
}

// Its only segment was in no checkpoint, so nothing is dropped that would take the directory along.
#[test]
fn a_partition_that_is_deleted_before_it_has_a_segment_again_leaves_no_directory() {
    let disk = SimDisk::new(1, PLENTY);
    let (mut core, mut logs, _) = open(&disk).unwrap();
    create(&mut core, &mut logs, 1, 0);
    core.step(Instant::now(), true);
    append(&mut logs, 2, 0);
    core.submit(logs.maintain_all(2, 2).works);
    core.step(Instant::now(), false);
    let partitions = || disk.list(Path::new("/d/partitions")).unwrap();
    assert_eq!(partitions().len(), 1);
    drop((core, logs));
    disk.end_life(End::Kill);
    let (mut core, mut logs, _) = open(&disk).unwrap();
    append(&mut logs, 2, 0);
    assert!(logs.delete(3, &partition(0)));
    core.submit(logs.maintain_all(3, 3).works);
    core.step(Instant::now(), true);
    assert!(partitions().is_empty());
}
