//! The metadata shard's machine: the image, and a snapshot of it now and then so that the WAL may forget the records.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use storage::partition_log::ShardLogs;
use wire::primitive::Reader;

use super::{Applied, Image, Record, RecordError};
use crate::replay::Replay;
use crate::shard::entry::{self, ENTRY_HEADER_BYTES, EntryKind};
use crate::shard::outcome::Outcome;
use crate::shard::snapshot::{LogEnds, ShardSnapshot};
use crate::shard::{Machine, MachineError};
use crate::storekeeper::Storekeeper;

/// Entries after which the image is written into the next checkpoint.
const SNAPSHOT_EVERY: u64 = 256;

/// The image as everybody on this thread reads it.
#[derive(Default)]
pub(crate) struct SharedImage {
    image: RefCell<Image>,
    version: Cell<u64>,
}

impl SharedImage {
    pub(crate) fn image(&self) -> Ref<'_, Image> {
        self.image.borrow()
    }

    /// Another number whenever the image has changed.
    pub(crate) fn version(&self) -> u64 {
        self.version.get()
    }

    fn apply(&self, record: Record) -> Applied {
        self.version.set(self.version.get() + 1);
        self.image.borrow_mut().apply(record)
    }

    /// Becomes what a snapshot says.
    fn replace(&self, snapshot: &Bytes) -> Result<(), RecordError> {
        let mut image = Image::default();
        for record in records(snapshot) {
            image.apply(record?);
        }
        self.version.set(self.version.get() + 1);
        *self.image.borrow_mut() = image;
        Ok(())
    }

    /// Its snapshot's bytes.
    pub(crate) fn snapshot(&self) -> Bytes {
        let mut out = Vec::new();
        self.image().snapshot().iter().for_each(|record| record.write(&mut out));
        out.into()
    }
}

/// See the module's head.
pub(crate) struct MetadataMachine {
    image: Rc<SharedImage>,
    logs: Rc<RefCell<ShardLogs>>,
    storekeeper: Rc<Storekeeper>,
    /// Entries up to here are in the snapshot that the image began with.
    replayed_to: u64,
    since_snapshot: u64,
    /// The last entry that the image has.
    applied: Rc<Cell<u64>>,
}

impl MetadataMachine {
    /// A machine that begins with `snapshot`, which has the entries up to `covered`.
    pub(crate) fn new(
        image: Rc<SharedImage>,
        logs: Rc<RefCell<ShardLogs>>,
        storekeeper: Rc<Storekeeper>,
        covered: u64,
        snapshot: Option<&Bytes>,
    ) -> Result<Self, RecordError> {
        if let Some(snapshot) = snapshot {
            image.replace(snapshot)?;
        }
        let applied = Rc::new(Cell::new(covered));
        let (of_image, at) = (image.clone(), applied.clone());
        storekeeper.keep_with_state(&logs, Box::new(move || (at.get(), of_image.snapshot())));
        // Without a snapshot nothing was covered that this machine needs: its entries are all in the WAL.
        let replayed_to = if snapshot.is_some() { covered } else { 0 };
        Ok(Self { image, logs, storekeeper, replayed_to, since_snapshot: 0, applied })
    }
}

impl Machine for MetadataMachine {
    fn apply(&mut self, index: u64, _term: u64, entry: Bytes) -> Result<Outcome, MachineError> {
        let (kind, _) = entry::read_header(&entry)?;
        let shard = self.logs.borrow().shard();
        self.storekeeper.meter(shard, index, Replay { bytes: entry.len() as u64, batches: 0 });
        if kind != EntryKind::Metadata || index <= self.replayed_to {
            return Ok(Outcome::Done);
        }
        let mut outcomes = Vec::new();
        for record in records(&entry[ENTRY_HEADER_BYTES..]) {
            outcomes.push(self.image.apply(record?));
        }
        self.applied.set(index);
        self.since_snapshot += 1;
        if self.since_snapshot >= SNAPSHOT_EVERY {
            self.since_snapshot = 0;
            self.logs.borrow_mut().set_state(self.image.snapshot());
            self.storekeeper.applied(shard, index);
        }
        Ok(Outcome::Metadata(outcomes))
    }

    fn pass(&mut self, index: u64) {
        let shard = self.logs.borrow().shard();
        self.storekeeper.meter(shard, index, Replay::default());
        self.applied.set(self.applied.get().max(index));
    }

    fn snapshot(&self, _applied: u64) -> ShardSnapshot {
        ShardSnapshot { partitions: Vec::new(), state: Some(self.image.snapshot()) }
    }

    fn log_ends(&self) -> LogEnds {
        LogEnds::default()
    }

    fn install(
        &mut self,
        index: u64,
        snapshot: ShardSnapshot,
    ) -> LocalBoxFuture<'_, Result<(), MachineError>> {
        Box::pin(async move {
            // After a restart the image may be ahead of the log that is still to be applied.
            if index <= self.replayed_to {
                return Ok(());
            }
            let state = snapshot.state.unwrap_or_default();
            self.image.replace(&state)?;
            self.replayed_to = index;
            self.applied.set(index);
            self.since_snapshot = 0;
            self.logs.borrow_mut().set_state(state);
            let shard = self.logs.borrow().shard();
            self.storekeeper.store_all(shard, index).await?;
            Ok(())
        })
    }
}

/// The records of an entry's body or of a snapshot, up to the first that can't be read.
fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record, RecordError>> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || {
        if reader.remaining() == 0 {
            return None;
        }
        let record = Record::read(&mut reader);
        if record.is_err() {
            reader.skip_rest();
        }
        Some(record)
    })
}
