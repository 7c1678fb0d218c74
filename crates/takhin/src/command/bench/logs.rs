//! Logs of a partition for measuring the library `batch`: the same bytes for each, made durable in one of them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, bail};
use batch::{
    Backend,
    batcher::{Appended, Item, Record},
};
use bytes::Bytes;
use env::disk::{Access, Caching, Disk, DiskFile, RealDisk};
use storage::{
    id::ShardId,
    wal::{Frame, Poisoned, Wal, WalListener, WalOptions, WalSteps},
};
use wire::record::{Builder, Codec};

const SHARD: ShardId = ShardId(1);
const TERM: u64 = 1;
/// Bytes of a record beside key and value, about.
const RECORD_BYTES_AROUND: usize = 16;

/// Encodes records as one record batch of magic 2, as a producer does.
fn encode(records: &[Record]) -> Result<Vec<u8>> {
    let bytes: usize = records.iter().map(|record| record.bytes() + RECORD_BYTES_AROUND).sum();
    let mut builder = Builder::new(Codec::None.into()).with_room_for(bytes);
    for record in records {
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &[])?;
    }
    Ok(builder.finish()?)
}

/// Where records end up.
#[derive(Default)]
struct Ends {
    offset: i64,
}

impl Ends {
    fn append(&mut self, records: &[Record], bytes_stored: usize) -> Result<Appended> {
        let base_offset = self.offset;
        self.offset += i64::try_from(records.len())?;
        Ok(Appended { base_offset, bytes_stored })
    }
}

/// Encodes, and keeps nothing: what batching costs by itself.
#[derive(Default)]
pub(super) struct Nowhere {
    ends: Ends,
    /// Batches that came.
    pub(super) entries: u64,
}

impl Backend<i32, Record> for Nowhere {
    type Error = String;

    fn append_batch(&mut self, _: &i32, records: &[Record]) -> Result<Appended, String> {
        self.entries += 1;
        let bytes = encode(records).map_err(|error| error.to_string())?;
        self.ends.append(records, bytes.len()).map_err(|error| error.to_string())
    }
}

/// A file that is written through the page cache and never synced.
pub(super) struct Cached {
    file: Arc<dyn DiskFile>,
    position: u64,
    ends: Ends,
}

impl Cached {
    /// In a new directory.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn create(dir: &Path) -> Result<Self> {
        RealDisk.create_dir_all(dir)?;
        let file = RealDisk.open(&dir.join("cached.log"), Access::CreateNew, Caching::Cached)?;
        Ok(Self { file, position: 0, ends: Ends::default() })
    }
}

impl Backend<i32, Record> for Cached {
    type Error = anyhow::Error;

    fn append_batch(&mut self, _: &i32, records: &[Record]) -> Result<Appended> {
        let bytes = encode(records)?;
        self.file.write_at(&bytes, self.position)?;
        // Over and over: a benchmark needs no more of the disk than this.
        self.position = (self.position + bytes.len() as u64) % CACHED_BYTES;
        self.ends.append(records, bytes.len())
    }
}

/// Bytes of a [`Cached`] log, about: what stays in a processor's cache, so that the speed of memory does not hide that of the library.
const CACHED_BYTES: u64 = 4 << 20;

/// The broker's own write-ahead log: each append is one entry, and one durable write.
pub(super) struct Durable {
    wal: Wal,
    steps: WalSteps,
    synced: Synced,
    index: u64,
    ends: Ends,
}

/// Whether the last write succeeded.
#[derive(Default)]
struct Synced(AtomicBool);

impl WalListener for Synced {
    fn synced(&self, _: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        self.0.store(result.is_ok(), Ordering::Relaxed);
    }
}

impl Durable {
    /// In a new directory.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let (wal, steps, _) =
            WalSteps::open(Arc::new(RealDisk), dir, WalOptions::default(), Box::new(|| {}))?;
        Ok(Self { wal, steps, synced: Synced::default(), index: 0, ends: Ends::default() })
    }
}

impl Backend<i32, Record> for Durable {
    type Error = anyhow::Error;

    fn append_batch(&mut self, _: &i32, records: &[Record]) -> Result<Appended> {
        let bytes = Bytes::from(encode(records)?);
        let len = bytes.len();
        self.index += 1;
        let entry = Frame::Entry { term: TERM, index: self.index, meta: 0, payload: bytes.into() };
        self.synced.0.store(false, Ordering::Relaxed);
        self.wal.append(SHARD, [entry], Some(self.index))?;
        self.wal.submit();
        self.steps.turn(&self.synced);
        if !self.synced.0.load(Ordering::Relaxed) {
            bail!("the write-ahead log could not be written");
        }
        // Nobody reads it again.
        self.wal.release(SHARD, self.index);
        self.ends.append(records, len)
    }
}
