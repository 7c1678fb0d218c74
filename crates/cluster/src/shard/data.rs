//! The machine of a data shard: appends what was committed to its partitions' logs, in the order of the shard's log.
//!
//! It decides what only the log's order can decide: duplicate, out of sequence, fenced, no such partition. Batches
//! were checked before they were proposed; what a batch says of itself is believed here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use env::Instant;
use futures::future::LocalBoxFuture;
use storage::id::{PartitionId, ShardId};
use storage::partition_log::producers::{ProducerStamp, Verdict};
use storage::partition_log::{
    self as partition_log, EntryPin, NewBatch, PartitionLog, PartitionState, ShardLogs,
};
use wire::record::header::{BatchHeader, TimestampType};

use super::entry::{self, EntryKind, Item};
use super::outcome::{Appended, BatchOutcome, Outcome, Refused};
use super::planted::{Plan, planted};
use super::snapshot::{LogEnds, PartitionSnapshot, Records, ShardSnapshot};
use super::{Machine, MachineError};
use crate::partitions::Partitions;
use crate::replay::Replay;
use crate::storekeeper::Storekeeper;

/// See the module's head.
pub(crate) struct DataMachine {
    logs: Rc<RefCell<ShardLogs>>,
    partitions: Rc<Partitions>,
    storekeeper: Rc<Storekeeper>,
    shard: ShardId,
    plan: Plan,
}

impl DataMachine {
    /// A machine over the logs as the checkpoint has them.
    pub(crate) fn new(
        logs: Rc<RefCell<ShardLogs>>,
        partitions: Rc<Partitions>,
        storekeeper: Rc<Storekeeper>,
    ) -> Self {
        for log in logs.borrow().logs() {
            partitions.insert(log.reader(), log.epoch_base());
        }
        let shard = logs.borrow().shard();
        storekeeper.keep(&logs);
        Self { logs, partitions, storekeeper, shard, plan: Plan::default() }
    }

    /// The same with a mistake.
    #[cfg(feature = "simulated")]
    pub(crate) fn with_plan(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    fn append_all(&self, index: u64, term: u64, entry: &Bytes) -> Result<Vec<BatchOutcome>, MachineError> {
        let mut logs = self.logs.borrow_mut();
        let pin = logs.pinned().pin(entry.len() as u64);
        let now = Instant::now();
        let mut outcomes = Vec::with_capacity(64);
        for item in entry::items(entry) {
            outcomes.push(append(&mut logs, index, term, &pin, item?, &self.partitions, now));
        }
        Ok(outcomes)
    }

    fn install_all(&self, index: u64, snapshot: &ShardSnapshot) -> Result<(), MachineError> {
        let mut logs = self.logs.borrow_mut();
        let known: BTreeSet<_> = snapshot.partitions.iter().map(|taken| taken.state.partition).collect();
        for partition in logs.delete_unknown(index, |partition| known.contains(partition)) {
            self.partitions.remove(&partition);
        }
        for PartitionSnapshot { state, records } in &snapshot.partitions {
            let batches = records.batches()?;
            if let Some(reader) = logs.install(state, batches, Instant::now())? {
                self.partitions.replace(reader, state.epoch_base);
            }
        }
        Ok(())
    }

    fn create(&self, index: u64, entry: &Bytes) -> Result<(), MachineError> {
        let mut logs = self.logs.borrow_mut();
        for partition in entry::created(entry) {
            let (partition, epoch_base) = partition?;
            if let Some(reader) = logs.create(index, partition, epoch_base, Instant::now()) {
                self.partitions.insert(reader, epoch_base);
            }
        }
        Ok(())
    }

    fn delete(&self, index: u64, entry: &Bytes) -> Result<(), MachineError> {
        let mut logs = self.logs.borrow_mut();
        for partition in entry::deleted(entry) {
            let partition: PartitionId = partition?;
            logs.delete(index, &partition);
            self.partitions.remove(&partition);
        }
        Ok(())
    }

    fn advance_log_starts(&self, index: u64, entry: &Bytes) -> Result<(), MachineError> {
        let mut logs = self.logs.borrow_mut();
        for start in entry::advanced(entry) {
            let (partition, offset) = start?;
            // One that is gone has nothing to forget.
            logs.advance_log_start(index, &partition, offset, Instant::now());
            if let Some(partition) = self.partitions.find(&partition) {
                partition.moved();
            }
        }
        Ok(())
    }
}

impl Machine for DataMachine {
    fn apply(&mut self, index: u64, term: u64, entry: Bytes) -> Result<Outcome, MachineError> {
        let (kind, time_ms) = entry::read_header(&entry)?;
        self.logs.borrow_mut().set_entry_time(time_ms);
        let mut batches = 0;
        let outcome = match kind {
            EntryKind::Batches => {
                let outcomes = self.append_all(index, term, &entry)?;
                batches = outcomes.len() as u64;
                Outcome::Batches(outcomes)
            }
            EntryKind::PartitionsCreated => {
                self.create(index, &entry)?;
                Outcome::Done
            }
            EntryKind::PartitionsDeleted => {
                self.delete(index, &entry)?;
                Outcome::Done
            }
            EntryKind::LogStartsAdvanced => {
                self.advance_log_starts(index, &entry)?;
                Outcome::Done
            }
            EntryKind::ProducersForgotten => {
                let written_until = entry::forgotten_until(&entry)?;
                self.logs.borrow_mut().forget_producers(index, written_until, Instant::now());
                Outcome::Done
            }
            EntryKind::Blank | EntryKind::Membership | EntryKind::Metadata => Outcome::Done,
        };
        self.storekeeper.meter(self.shard, index, Replay { bytes: entry.len() as u64, batches });
        self.storekeeper.applied(self.shard, index);
        Ok(outcome)
    }

    fn pass(&mut self, index: u64) {
        self.storekeeper.meter(self.shard, index, Replay::default());
        self.storekeeper.applied(self.shard, index);
    }

    fn snapshot(&self, applied: u64) -> ShardSnapshot {
        let logs = self.logs.borrow();
        let partition = |mut state: PartitionState| {
            if planted!(self.plan, SnapshotWithoutProducers) {
                state.producers.clear();
            }
            if planted!(self.plan, SnapshotWithoutEpochs) {
                state.epochs.clear();
            }
            let reader = logs.log(&state.partition).expect("its state is of one of these").reader();
            PartitionSnapshot { state, records: Records::InLog(reader) }
        };
        ShardSnapshot { partitions: logs.states(applied).into_iter().map(partition).collect(), state: None }
    }

    fn log_ends(&self) -> LogEnds {
        let end = |log: &PartitionLog| (log.partition(), log.reader().offsets().high_watermark);
        self.logs.borrow().logs().map(end).collect()
    }

    fn install(
        &mut self,
        index: u64,
        snapshot: ShardSnapshot,
    ) -> LocalBoxFuture<'_, Result<(), MachineError>> {
        Box::pin(async move {
            self.install_all(index, &snapshot)?;
            let stored = self.storekeeper.store_all(self.shard, index);
            if !planted!(self.plan, SnapshotNotAwaited) {
                stored.await?;
            }
            Ok(())
        })
    }
}

fn append(
    logs: &mut ShardLogs,
    index: u64,
    term: u64,
    pin: &Arc<EntryPin>,
    item: Item,
    partitions: &Partitions,
    now: Instant,
) -> BatchOutcome {
    let header = BatchHeader::parse(&item.batch).expect("a batch is checked before it is proposed");
    let log = logs.log(&item.partition).ok_or(Refused::UnknownPartition)?;
    let epoch = i64::from(log.epoch_base()) + i64::try_from(term).unwrap_or(i64::MAX);
    let batch = NewBatch {
        leader_epoch: i32::try_from(epoch).unwrap_or(i32::MAX),
        last_offset_delta: header.last_offset_delta,
        max_timestamp: header.max_timestamp,
        max_timestamp_delta: item.offset_delta_of_max_timestamp,
        producer: header.has_producer_id().then_some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_offset_delta: header.last_offset_delta,
        }),
        bytes: item.batch,
    };
    let is_append_time = header.timestamp_type() == TimestampType::LogAppendTime;
    let appended = logs.append(index, &item.partition, pin, batch, now).ok_or(Refused::UnknownPartition)?;
    let (base_offset, log_append_time) = match appended {
        partition_log::Appended::At { base_offset } if is_append_time => (base_offset, header.max_timestamp),
        partition_log::Appended::At { base_offset } => (base_offset, -1),
        partition_log::Appended::Refused(verdict) => original_of(verdict)?,
        // Nobody waits for an entry from before the restart.
        partition_log::Appended::Replayed => (-1, -1),
    };
    let partition = partitions.find(&item.partition).ok_or(Refused::UnknownPartition)?;
    partition.moved();
    Ok(Appended { base_offset, log_append_time, log_start_offset: partition.reader.offsets().log_start })
}

/// The base offset and timestamp of the batch that a duplicate repeats. Kafka answers that timestamp as log append time,
/// also where the producer sets the times.
fn original_of(verdict: Verdict) -> Result<(i64, i64), Refused> {
    match verdict {
        Verdict::Duplicate { base_offset, timestamp } => Ok((base_offset, timestamp)),
        Verdict::OutOfOrder { expected } => Err(Refused::OutOfOrder { expected }),
        Verdict::Fenced { epoch } => Err(Refused::Fenced { epoch }),
        Verdict::Accept => unreachable!("an accepted batch is appended"),
    }
}
