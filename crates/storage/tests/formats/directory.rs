//! A store in a directory of its own, stepped by hand, with batches of real records.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use env::Instant;
use env::disk::{Access, Caching, Disk, DiskError, DiskFile, RealDisk};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::producers::ProducerStamp;
use storage::partition_log::{Appended, LogReader, NewBatch, ShardLogs};
use storage::segment_writer::{StoreOptions, WriterCore};
use wire::record::{BatchHeader, Builder, Compression};

/// Removed with the value.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-formats-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The machine's disk, counting what is read.
#[derive(Default)]
pub(crate) struct CountingDisk {
    bytes_read: Arc<AtomicU64>,
}

struct CountingFile {
    file: Arc<dyn DiskFile>,
    bytes_read: Arc<AtomicU64>,
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, access: Access, caching: Caching) -> Result<Arc<dyn DiskFile>, DiskError> {
        let file = RealDisk.open(path, access, caching)?;
        Ok(Arc::new(CountingFile { file, bytes_read: Arc::clone(&self.bytes_read) }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        RealDisk.create_dir_all(dir)
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), DiskError> {
        RealDisk.remove_dir(dir)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        RealDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, _: &Path) -> Result<(), DiskError> {
        Ok(())
    }
}

/// Syncs nothing: the machine does not go down in these tests.
impl DiskFile for CountingFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        let count = self.file.read_at(buffer, position)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.file.write_at(bytes, position)
    }

    fn write_at_durable(&self, bytes: &[u8], position: u64) -> Result<(), DiskError> {
        self.file.write_at(bytes, position)
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, DiskError> {
        self.file.size()
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len)
    }

    fn preallocate(&self, len: u64) -> Result<(), DiskError> {
        self.file.preallocate(len)
    }
}

pub(crate) const SHARD: ShardId = ShardId(1);

pub(crate) fn partition(number: u8) -> PartitionId {
    PartitionId { topic_id: TopicId([number; 16]), partition: i32::from(number) }
}

/// What a reader must get.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) base_offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) value: Vec<u8>,
}

/// A store, and what is in its partition 0.
pub(crate) struct Directory {
    pub(crate) scratch: Scratch,
    disk: Arc<CountingDisk>,
    segment_bytes: u64,
    core: WriterCore,
    pub(crate) logs: ShardLogs,
    pub(crate) index: u64,
    pub(crate) expected: Vec<Expected>,
}

fn open(scratch: &Scratch, disk: &Arc<CountingDisk>, segment_bytes: u64) -> (WriterCore, ShardLogs, u64) {
    let options = StoreOptions { segment_bytes, ..StoreOptions::default() };
    let (core, mut recovered) =
        WriterCore::open(disk.clone(), &scratch.0, &options, Box::new(|| {})).unwrap();
    let shard = recovered.take(SHARD);
    (core, shard.logs, shard.covered)
}

impl Directory {
    pub(crate) fn new(name: &str, segment_bytes: u64) -> Self {
        let (scratch, disk) = (Scratch::new(name), Arc::new(CountingDisk::default()));
        let (core, mut logs, _) = open(&scratch, &disk, segment_bytes);
        logs.create(1, partition(0), 0, Instant::now());
        Self { scratch, disk, segment_bytes, core, logs, index: 1, expected: Vec::new() }
    }

    /// Appends a batch of one record.
    pub(crate) fn append(&mut self, value: Vec<u8>, producer: Option<ProducerStamp>) -> Appended {
        self.index += 1;
        let timestamp = 1_000 + self.index as i64;
        let mut builder = Builder::new(Compression::NONE);
        if let Some(stamp) = producer {
            builder = builder.producer(stamp.id, stamp.epoch, stamp.base_sequence);
        }
        builder.append(timestamp, None, Some(&value[..]), &[]).unwrap();
        let bytes = Bytes::from(builder.finish().unwrap());
        let pin = self.logs.pinned().pin(bytes.len() as u64);
        let batch = NewBatch {
            bytes,
            leader_epoch: 3,
            last_offset_delta: 0,
            max_timestamp: timestamp,
            max_timestamp_delta: 0,
            producer,
        };
        let appended = self.logs.append(self.index, &partition(0), &pin, batch, Instant::now()).unwrap();
        if let Appended::At { base_offset } = appended {
            self.expected.push(Expected { base_offset, timestamp, value });
        }
        appended
    }

    /// Stores all that was appended, with a checkpoint or without.
    pub(crate) fn store(&mut self, with_checkpoint: bool) {
        let now = Instant::now();
        self.core.submit(self.logs.maintain_all(self.index, self.index).works);
        loop {
            let progress = self.core.step(now, with_checkpoint);
            assert!(progress.poisoned.is_none() && progress.no_space.is_none(), "{progress:?}");
            if progress.wake_at != Some(now) {
                break;
            }
        }
        self.core.step(now, false);
    }

    /// The process dies and another one opens the directory; what no checkpoint has is gone, for there is no log here.
    pub(crate) fn reopen(&mut self) {
        let (core, logs, covered) = open(&self.scratch, &self.disk, self.segment_bytes);
        (self.core, self.logs, self.index) = (core, logs, covered);
        let end = self.reader().offsets().high_watermark;
        self.expected.retain(|expected| expected.base_offset < end);
    }

    pub(crate) fn reader(&self) -> LogReader {
        self.logs.log(&partition(0)).unwrap().reader()
    }

    /// Bytes that `read` reads from the disk.
    pub(crate) fn bytes_read_by(&self, read: impl FnOnce()) -> u64 {
        let before = self.disk.bytes_read.load(Ordering::Relaxed);
        read();
        self.disk.bytes_read.load(Ordering::Relaxed) - before
    }

    /// Every record is found by its offset and by its time.
    pub(crate) fn check(&self) {
        let (reader, start) = (self.reader(), self.reader().offsets().log_start);
        for expected in self.expected.iter().filter(|expected| expected.base_offset >= start) {
            let mut bytes = Vec::new();
            let read = reader.read(expected.base_offset, 1).unwrap();
            read.slices[0].copy_into(&mut bytes).unwrap();
            expected.check(&bytes);
            let mut bytes = Vec::new();
            let found = reader.batch_for_timestamp(expected.timestamp).unwrap().unwrap();
            found.slice.copy_into(&mut bytes).unwrap();
            expected.check(&bytes);
        }
    }

    /// The files of partition 0 with this extension, by name.
    pub(crate) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let dir = self.scratch.0.join("partitions").join(format!("{}-0", "00".repeat(16)));
        let Ok(names) = RealDisk.list(&dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
        paths
    }
}

impl Expected {
    fn check(&self, batch: &[u8]) {
        let header = BatchHeader::parse(batch).unwrap();
        assert_eq!(header.base_offset, self.base_offset);
        let batch = wire::record::batches(batch).next().unwrap().unwrap();
        let records = wire::record::read(batch, &wire::record::Limits::default()).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!((record.timestamp, record.value.unwrap()), (self.timestamp, &self.value[..]));
    }
}
