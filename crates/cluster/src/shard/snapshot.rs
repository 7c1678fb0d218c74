//! What brings a replica that lags too far up to date: the state of the shard's machine at an index, and the records that the
//! replica has not.
//!
//! The sender keeps the state as it was when the snapshot was taken, and readers of the logs; the records are read only when
//! the receiver has said how far its own logs reach. Both sides hold the same records at the same offsets.

use std::collections::BTreeMap;

use batch::merge::{Unreadable, records_between};
use bytes::Bytes;
use storage::id::PartitionId;
use storage::partition_log::{LogReader, NewBatch, PartitionState, ReadError, ReadSliceError, StoredBatch};
use wire::record::header::BATCH_LENGTH_AT;
use wire::record::{self, BatchError, BatchHeader, Limits, Scratch};

/// Bytes read from a log at once.
const READ_BYTES: usize = 1 << 20;

/// A shard's state at an index.
#[derive(Clone)]
pub struct ShardSnapshot {
    /// Its partitions.
    pub(crate) partitions: Vec<PartitionSnapshot>,
    /// What its owner keeps beside them.
    pub(crate) state: Option<Bytes>,
}

/// A partition of it.
#[derive(Clone)]
pub(crate) struct PartitionSnapshot {
    pub(crate) state: PartitionState,
    pub(crate) records: Records,
}

/// Where the records are.
#[derive(Clone)]
pub(crate) enum Records {
    /// In the sender's log.
    InLog(LogReader),
    /// Here: whole batches one behind the other, those that the receiver misses.
    Carried(Bytes),
}

/// How far each log of a replica reaches.
pub(crate) type LogEnds = BTreeMap<PartitionId, i64>;

/// The records of a snapshot can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// Take another: records that it needs were deleted meanwhile, or the disk refuses.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// As above.
    #[error(transparent)]
    Slice(#[from] ReadSliceError),
    /// What was carried is not what was sent.
    #[error("a batch of a snapshot: {0}")]
    Batch(#[from] BatchError),
    /// A batch of the sender's own log.
    #[error(transparent)]
    TakeApart(#[from] Unreadable),
    /// It ends before its own state says.
    #[error("a log ends at {end}, and its state says {log_end}")]
    Short {
        /// Where the records end.
        end: i64,
        /// Where they should.
        log_end: i64,
    },
}

impl ShardSnapshot {
    /// The same with the records that a replica needs whose logs reach to `ends`.
    pub(crate) fn carry(&self, ends: &LogEnds) -> Result<Self, SnapshotError> {
        let carried = |partition: &PartitionSnapshot| {
            let Records::InLog(reader) = &partition.records else { return Ok(partition.clone()) };
            let state = partition.state.clone();
            let end = ends.get(&state.partition).copied();
            let begin = end.filter(|end| *end >= state.log_start).unwrap_or(state.log_start);
            let records = Records::Carried(read_range(reader, begin, state.log_end)?);
            Ok(PartitionSnapshot { state, records })
        };
        let partitions = self.partitions.iter().map(carried).collect::<Result<_, SnapshotError>>()?;
        Ok(Self { partitions, state: self.state.clone() })
    }

    /// Bytes of the records in it.
    pub(crate) fn carried_bytes(&self) -> usize {
        self.partitions.iter().map(|partition| partition.records.bytes()).sum()
    }
}

impl Records {
    fn bytes(&self) -> usize {
        match self {
            Self::InLog(_) => 0,
            Self::Carried(bytes) => bytes.len(),
        }
    }

    /// The batches that were carried, each checked again.
    pub(crate) fn batches(&self) -> Result<Vec<StoredBatch>, SnapshotError> {
        let Self::Carried(bytes) = self else { return Ok(Vec::new()) };
        let limits = Limits { batch_bytes_max: usize::MAX, ..Limits::default() };
        let mut scratch = Scratch::default();
        let mut batches = Vec::new();
        let mut as_sent = Vec::new();
        for batch in record::batches(bytes) {
            let batch = batch?;
            let header = BatchHeader::parse(batch)?;
            // Checked as a client sends it, without an offset; the CRC does not cover that.
            as_sent.clear();
            as_sent.extend_from_slice(&0_i64.to_be_bytes());
            as_sent.extend_from_slice(&batch[BATCH_LENGTH_AT..]);
            let info = record::validate(&as_sent, &limits, &mut scratch)?;
            batches.push(StoredBatch {
                base_offset: header.base_offset,
                batch: NewBatch {
                    bytes: bytes.slice_ref(batch),
                    leader_epoch: header.partition_leader_epoch,
                    last_offset_delta: header.last_offset_delta,
                    max_timestamp: header.max_timestamp,
                    max_timestamp_delta: info.offset_of_max_timestamp,
                    producer: None,
                },
            });
        }
        Ok(batches)
    }
}

/// The records from `begin` up to `end`, in whole batches as a consumer gets them. The sender's batches may be cut otherwise than
/// the receiver's, and reach over either.
fn read_range(reader: &LogReader, begin: i64, end: i64) -> Result<Bytes, SnapshotError> {
    let mut out = Vec::new();
    let mut read = Vec::new();
    let mut next = begin;
    while next < end {
        read.clear();
        for slice in reader.read(next, READ_BYTES)?.slices {
            slice.copy_into(&mut read)?;
        }
        let from = next;
        // The log has grown since the snapshot was taken: what came later is not part of it.
        for batch in record::batches(&read) {
            let batch = batch?;
            let header = BatchHeader::parse(batch)?;
            if header.base_offset >= end {
                break;
            }
            let batch_end = header.last_offset() + 1;
            if header.base_offset < next || batch_end > end {
                out.extend_from_slice(&records_between(batch, next..end)?);
            } else {
                out.extend_from_slice(batch);
            }
            next = batch_end.min(end);
        }
        if next == from {
            return Err(SnapshotError::Short { end: next, log_end: end });
        }
    }
    Ok(out.into())
}
