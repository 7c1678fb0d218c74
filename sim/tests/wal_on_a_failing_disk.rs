//! What the simulations found in the write-ahead log, one fact each, without the dice.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sim::disk::{End, Faults, SimDisk};
use storage::id::ShardId;
use storage::wal::{
    Frame, Poisoned, RecoveredShard, Step, WalCore, WalError, WalListener, WalOptions, WalQueue,
};

const SHARD: ShardId = ShardId(1);

struct Nobody;

impl WalListener for Nobody {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, _: Result<(), Poisoned>) {
        batch.clear();
    }
}

/// Opens the log, writes `entry`, and needs those up to `released` no more; what it held before.
fn live(disk: &SimDisk, entry: u64, released: u64) -> Result<RecoveredShard, WalError> {
    let options = WalOptions { file_bytes: 128 << 10, ..WalOptions::default() };
    let (mut core, mut recovered) =
        WalCore::open(Arc::new(disk.clone()), Path::new("/wal"), options.clone())?;
    let mut queue = WalQueue::new(&recovered, &options);
    let payload = Bytes::from_static(b"an entry").into();
    queue.append(SHARD, [Frame::Entry { term: 1, index: entry, meta: 0, payload }], None).unwrap();
    core.release(SHARD, released);
    queue.submit();
    core.take(&mut queue);
    assert_eq!(core.step(&Nobody), Step::Wrote);
    Ok(recovered.shards.remove(&SHARD).unwrap_or_default())
}

// A file that is renamed twice, and the first time by a process that died, may be found under the first name and the last.
#[test]
fn a_reused_file_has_one_name_though_two_processes_died_as_they_renamed_it() {
    let renaming = Faults { stop_behind_rename: Some(1), ..Faults::default() };
    for seed in 0..100 {
        let disk = SimDisk::new(seed, 1 << 20);
        for entry in 1..=2 {
            disk.begin_life(Faults::default());
            // The first file is not needed any more: the next start reuses it.
            live(&disk, entry, entry - 1).unwrap();
            disk.end_life(End::PowerLoss);
        }
        for end in [End::Kill, End::PowerLoss] {
            disk.begin_life(renaming);
            assert!(live(&disk, 3, 1).is_err() && disk.stopped(), "it dies behind the rename");
            disk.end_life(end);
        }
        for entry in 3..=6 {
            disk.begin_life(Faults::default());
            let found =
                live(&disk, entry, 1).unwrap_or_else(|error| panic!("seed {seed}, entry {entry}: {error}"));
            assert_eq!(found.entries.last().unwrap().index, entry - 1, "seed {seed}");
            disk.end_life(End::PowerLoss);
        }
    }
}
