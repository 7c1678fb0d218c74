//! A node's storage between its start and its end: the WAL and the store without their threads, and the shards' logs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use batch::MergeOptions;
use batch::merge::CodecChoice;
use bytes::Bytes;
use env::Instant;
use env::disk::DiskError;
use storage::id::ShardId;
use storage::partition_log::{Appended, DueLimits, LogSlice, NewBatch, PinnedBytes, ShardLogs};
use storage::segment_writer::{CheckpointLimits, StoreError, StoreOptions, WriterCore};
use storage::wal::{
    Poisoned, Recovered as WalRecovered, Upkeep, WalCore, WalError, WalListener, WalOptions, WalQueue,
};

use wire::record::Codec;

use super::entry::{Entry, Load, Op};
use crate::dice::Dice;
use crate::disk::SimDisk;

/// The data directory.
pub(super) const DIR: &str = "/sim";
pub(super) const WAL_DIR: &str = "/sim/wal";
pub(super) const PARTITIONS_DIR: &str = "/sim/partitions";

/// What the WAL answered.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) answered: Mutex<Vec<(ShardId, u64, bool)>>,
}

impl WalListener for Answers {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        let mut answered = self.answered.lock().expect("nobody panics under it");
        answered.extend(batch.drain(..).map(|(shard, ticket)| (shard, ticket, result.is_ok())));
    }
}

/// Slices that a consumer holds, and what is in them.
pub(super) struct Held {
    pub(super) slices: Vec<LogSlice>,
    pub(super) expected: Vec<u8>,
}

/// See the module's head.
pub(super) struct Life {
    pub(super) wal: WalCore,
    pub(super) queue: WalQueue,
    pub(super) answers: Answers,
    pub(super) upkeep: Vec<Upkeep>,
    pub(super) store: WriterCore,
    pub(super) logs: Vec<ShardLogs>,
    pub(super) held: Vec<Held>,
    /// Neither stops the other.
    pub(super) wal_has_failed: bool,
    pub(super) store_has_failed: bool,
}

/// What a start found.
pub(super) struct Found {
    pub(super) wal: WalRecovered,
    /// Of each shard: the covered index and the state.
    pub(super) shards: Vec<(u64, Option<Bytes>)>,
}

/// Sizes of a run.
pub(super) struct Sizes {
    wal: WalOptions,
    store: StoreOptions,
    /// How batches are merged, if they are.
    pub(super) merge: Option<MergeOptions>,
}

impl Sizes {
    pub(super) fn new(load: Load, dice: &mut Dice) -> Self {
        let wal = WalOptions {
            file_bytes: 128 << 10,
            files_free_max: dice.index(3),
            kept_bytes_max: 384 << 10,
            copied_bytes_max: 32 << 10,
            group_bytes_max: 48 << 10,
            queued_bytes_max: 96 << 10,
            entry_bytes_max: 300 << 10,
            salt: Some(0x5eed_5a17),
            planted: None,
        };
        let due = DueLimits {
            good_bytes: if dice.chance(50) { 600 } else { 3000 },
            age_max: Duration::from_secs(1),
            pinned_bytes_soft: if dice.chance(30) { 20_000 } else { 1 << 20 },
        };
        let checkpoint = CheckpointLimits {
            bytes: 10_000,
            batches: 40,
            age_max: Duration::from_secs(5),
            rewrite_bytes_min: 2000,
            files_synced_alone_max: if dice.chance(50) { 2 } else { 100 },
        };
        let store = StoreOptions {
            due,
            checkpoint,
            // Large ones have index files, and writes past the page cache.
            segment_bytes: match load.payload_max {
                9001.. => 2 << 20,
                _ if dice.chance(60) => 1500,
                _ => 60_000,
            },
            open_files_max: 3,
            merged_size: None,
            pinned: PinnedBytes::new(),
            // Space runs out for real here.
            free_bytes_min: Some(0),
        };
        let merge = dice.chance(60).then(|| merge(dice));
        Self { wal, store, merge }
    }
}

impl Life {
    /// Starts on what is on the disk, as a node does: the WAL first.
    pub(super) fn open(disk: &SimDisk, sizes: &Sizes, shards: usize) -> Result<(Self, Found), OpenError> {
        let shared: Arc<SimDisk> = Arc::new(disk.clone());
        let (wal, recovered) = WalCore::open(shared.clone(), Path::new(WAL_DIR), sizes.wal.clone())?;
        // What an earlier life pinned went with it.
        let options = StoreOptions { pinned: PinnedBytes::new(), ..sizes.store.clone() };
        let (store, mut stored) = WriterCore::open(shared, Path::new(DIR), &options, Box::new(|| {}))?;
        let queue = WalQueue::new(&recovered, &sizes.wal);
        let mut life = Self {
            wal,
            queue,
            answers: Answers::default(),
            upkeep: Vec::new(),
            store,
            logs: Vec::new(),
            held: Vec::new(),
            wal_has_failed: false,
            store_has_failed: false,
        };
        let mut found = Found { wal: recovered, shards: Vec::new() };
        for shard in 0..shards {
            let shard = stored.take(shard_id(shard));
            life.wal.release(shard.logs.shard(), shard.covered);
            found.shards.push((shard.covered, shard.state));
            life.logs.push(shard.logs);
        }
        Ok((life, found))
    }

    pub(super) fn pinned(&self) -> &Arc<PinnedBytes> {
        self.logs[0].pinned()
    }

    /// Applies an entry whose bytes are `payload` to a shard's logs; the answers to its appends.
    pub(super) fn apply(
        &mut self,
        shard: usize,
        index: u64,
        entry: &Entry,
        payload: &Bytes,
        now: Instant,
    ) -> Vec<Option<Appended>> {
        let logs = &mut self.logs[shard];
        let pin = logs.pinned().pin(payload.len() as u64);
        logs.set_entry_time(entry.time_ms);
        let mut answers = Vec::new();
        for op in &entry.ops {
            match op {
                Op::Create { partition, epoch_base } => {
                    drop(logs.create(index, *partition, *epoch_base, now))
                }
                Op::Delete { partition } => drop(logs.delete(index, partition)),
                Op::AdvanceLogStart { partition, offset } => {
                    logs.advance_log_start(index, partition, *offset, now);
                }
                Op::ForgetProducers { time_ms } => logs.forget_producers(index, *time_ms, now),
                Op::Append { partition, batch } => {
                    let base =
                        logs.log(partition).map_or(0, storage::partition_log::PartitionLog::epoch_base);
                    let batch = NewBatch {
                        bytes: payload.slice(batch.at.clone()),
                        leader_epoch: base + i32::try_from(entry.term).expect("a few terms"),
                        last_offset_delta: batch.count - 1,
                        max_timestamp: batch.max_timestamp,
                        max_timestamp_delta: batch.max_timestamp_delta,
                        producer: batch.producer,
                    };
                    answers.push(logs.append(index, partition, &pin, batch, now));
                }
            }
        }
        answers
    }
}

fn merge(dice: &mut Dice) -> MergeOptions {
    let codec = [Codec::None, Codec::Lz4, Codec::Zstd][dice.index(3)];
    MergeOptions {
        records_max: if dice.chance(50) { 4 } else { 1000 },
        encoded_bytes_max: if dice.chance(30) { 700 } else { MergeOptions::ENCODED_BYTES_MAX },
        codec: match dice.chance(50) {
            true => CodecChoice::Always(codec),
            false => CodecChoice::Producers { of_uncompressed: codec },
        },
        ..MergeOptions::default()
    }
}

pub(super) fn shard_id(shard: usize) -> ShardId {
    ShardId(u16::try_from(shard).expect("a few shards"))
}

/// A start that was refused.
#[derive(Debug)]
pub(super) enum OpenError {
    Wal(WalError),
    Store(StoreError),
}

impl OpenError {
    /// What the disk said, if it was that.
    pub(super) fn disk(&self) -> Option<&DiskError> {
        match self {
            Self::Wal(WalError::Disk(error)) | Self::Store(StoreError::Disk(error)) => Some(error),
            Self::Wal(_) | Self::Store(_) => None,
        }
    }
}

impl From<WalError> for OpenError {
    fn from(error: WalError) -> Self {
        Self::Wal(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wal(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}
