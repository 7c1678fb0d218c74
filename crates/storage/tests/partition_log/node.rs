//! A node's store with a WAL that never fails beside it: what is replayed comes from there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use env::Instant;
use storage::id::ShardId;
use storage::partition_log::{DueLimits, PinnedBytes, ShardLogs};
use storage::segment_writer::{CheckpointLimits, Progress, StoreOptions, WriterCore};

use crate::dice::Dice;
use crate::memory_disk::MemoryDisk;
use crate::model::{Model, Op, apply};

pub(crate) struct NodeShard {
    pub(crate) logs: ShardLogs,
    pub(crate) model: Model,
    /// The operations of entry 1 and on, all that ever were.
    pub(crate) history: Vec<Vec<Op>>,
    pub(crate) flushed: u64,
    /// The WAL has no entry up to here any more.
    pub(crate) released: u64,
}

impl NodeShard {
    pub(crate) fn applied(&self) -> u64 {
        self.history.len() as u64
    }
}

pub(crate) struct Node {
    pub(crate) disk: Arc<MemoryDisk>,
    pub(crate) core: WriterCore,
    pub(crate) shards: Vec<NodeShard>,
    pub(crate) options: StoreOptions,
    pub(crate) now: Instant,
}

pub(crate) fn options(segment_bytes: u64, good_bytes: u64) -> StoreOptions {
    StoreOptions {
        due: DueLimits { good_bytes, age_max: Duration::from_secs(1), pinned_bytes_soft: 1 << 20 },
        checkpoint: CheckpointLimits {
            bytes: 20_000,
            batches: 100,
            age_max: Duration::from_secs(5),
            rewrite_bytes_min: 4000,
            files_synced_alone_max: 2,
        },
        segment_bytes,
        open_files_max: 3,
        free_bytes_min: Some(1000),
        merged_size: None,
        pinned: PinnedBytes::new(),
    }
}

impl Node {
    pub(crate) fn new(shard_count: u16, options: StoreOptions) -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (core, mut recovered) =
            WriterCore::open(disk.clone(), Path::new("data"), &options, Box::new(|| {})).unwrap();
        let shard = |shard| NodeShard {
            logs: recovered.take(ShardId(shard)).logs,
            model: Model::default(),
            history: Vec::new(),
            flushed: 0,
            released: 0,
        };
        let shards = (0..shard_count).map(shard).collect();
        Self { disk, core, shards, options, now: Instant::now() }
    }

    /// Applies an entry to the model and the logs; both must say the same.
    pub(crate) fn apply(&mut self, shard: usize, ops: Vec<Op>) {
        let shard = &mut self.shards[shard];
        let index = shard.applied() + 1;
        for op in &ops {
            let expected = shard.model.apply(op);
            assert_eq!(apply(&mut shard.logs, index, op, self.now), expected);
        }
        shard.history.push(ops);
    }

    pub(crate) fn maintain(&mut self, shard: usize) {
        let shard = &mut self.shards[shard];
        let applied = shard.applied();
        let works = shard.logs.maintain(self.now, applied, shard.flushed).works;
        self.core.submit(works);
    }

    pub(crate) fn step(&mut self, checkpoint_now: bool) -> Progress {
        let progress = self.core.step(self.now, checkpoint_now);
        for (shard, index) in &progress.covered {
            let shard = &mut self.shards[usize::from(shard.0)];
            assert!(*index <= shard.flushed, "covered what the WAL may still lose");
            shard.released = shard.released.max(*index);
        }
        progress
    }

    /// Everything applied is flushed, cut, stored and in a checkpoint.
    pub(crate) fn drain(&mut self) {
        for shard in 0..self.shards.len() {
            self.shards[shard].flushed = self.shards[shard].applied();
        }
        self.now = self.now + Duration::from_secs(10);
        loop {
            for shard in 0..self.shards.len() {
                self.maintain(shard);
            }
            if self.core.is_idle() {
                break;
            }
            let progress = self.step(true);
            assert!(progress.poisoned.is_none() && progress.no_space.is_none(), "{progress:?}");
        }
    }

    /// The power fails; afterwards the WAL has what was flushed, and perhaps more.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        self.disk.crash(dice);
        // What readers and tails held is gone with the process.
        self.options.pinned = PinnedBytes::new();
        let (core, mut recovered) =
            WriterCore::open(self.disk.clone(), Path::new("data"), &self.options, Box::new(|| {})).unwrap();
        self.core = core;
        for (number, shard) in self.shards.iter_mut().enumerate() {
            let found = recovered.take(ShardId(number as u16));
            assert!(found.covered >= shard.released, "the WAL was released too early");
            let kept = shard.flushed + dice.below(shard.applied() - shard.flushed + 1);
            assert!(found.covered <= kept, "a checkpoint covers what the WAL lost");
            shard.history.truncate(kept as usize);
            shard.flushed = kept;
            shard.model = Model::default();
            shard.logs = found.logs;
            let replay_after = if dice.one_in(2) { found.covered } else { shard.released };
            for (at, ops) in shard.history.iter().enumerate() {
                let index = at as u64 + 1;
                for op in ops {
                    shard.model.apply(op);
                    if index > replay_after {
                        apply(&mut shard.logs, index, op, self.now);
                    }
                }
            }
        }
    }

    pub(crate) fn check(&self, dice: &mut Dice) {
        for shard in &self.shards {
            assert_eq!(shard.logs.logs().count(), shard.model.logs.len());
            for (partition, expected) in &shard.model.logs {
                let log = shard.logs.log(partition).unwrap();
                assert_eq!(log.epoch_base(), expected.epoch_base);
                expected.check(&log.reader(), dice);
                assert_eq!(log.producers().len(), expected.producers.len());
                for id in 0..4 {
                    assert_eq!(log.producers().entry(id), expected.producers.entry(id));
                }
            }
        }
    }
}
