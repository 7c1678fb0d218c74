//! Checkpoint records out of bytes. Layout: docs/format/checkpoint.md.
//!
//! Nothing is allocated by a length that was read: every count follows from bytes that are there.

use bytes::Bytes;

use super::encode::{ALIGNMENT, FILE_HEADER_BYTES, MAGIC, Place, RECORD_HEADER_BYTES, kind, section};
use super::record::{AbortedTransaction, CheckpointRecord, OpenTransaction, PartitionRecord, SegmentRecord};
use crate::id::{PartitionId, ShardId, TopicId};
use crate::partition_log::producers::{BATCHES_REMEMBERED, ProducerBatch, ProducerEntry};
use crate::partition_log::{EpochStart, IndexMark};

/// A record whose CRC is right, with its body still in bytes.
pub(super) struct Framed<'a> {
    kind: u8,
    shard: ShardId,
    body: &'a [u8],
    /// Everything of the file below this position was synced when the record was written.
    pub(super) synced: u64,
    /// Bytes to the next record.
    pub(super) len: usize,
}

/// What a file's first bytes say.
#[derive(Clone, Copy)]
pub(super) struct FileHeader {
    pub(super) version: u32,
    /// Grows each time the log is written anew.
    pub(super) generation: u64,
    /// Everything below was synced before the file got its name.
    pub(super) complete: u64,
}

/// The header of a file that begins with `bytes`; `None` when that is none.
pub(super) fn file_header(bytes: &[u8]) -> Option<FileHeader> {
    let mut header = Input(bytes.get(..FILE_HEADER_BYTES)?);
    let crc = header.u32()?;
    let covered = header.0;
    let version = header.u32()?;
    let magic: [u8; 8] = header.array()?;
    let generation = header.u64()?;
    let complete = header.u64()?;
    (crc == crc32c::crc32c(covered) && magic == MAGIC).then_some(FileHeader { version, generation, complete })
}

/// The record that `bytes` begin with; `None` when there is no valid one.
pub(super) fn frame(place: Place, bytes: &[u8]) -> Option<Framed<'_>> {
    let mut header = Input(bytes.get(..RECORD_HEADER_BYTES)?);
    let crc = header.u32()?;
    let length = usize::try_from(header.u32()?).ok()?;
    let synced = header.u64()?;
    let [kind, _] = header.array()?;
    let shard = ShardId(u16::from_le_bytes(header.array()?));
    let end = RECORD_HEADER_BYTES.checked_add(length)?;
    let body = bytes.get(RECORD_HEADER_BYTES..end)?;
    (crc == place.crc_of(&bytes[4..end])).then_some(Framed {
        kind,
        shard,
        body,
        synced,
        len: end.next_multiple_of(ALIGNMENT),
    })
}

impl Framed<'_> {
    /// Bytes behind the body that nothing covers.
    #[cfg(test)]
    pub(super) fn padding(&self) -> usize {
        self.len - RECORD_HEADER_BYTES - self.body.len()
    }

    /// What the record says.
    ///
    /// # Errors
    /// What is wrong with it: its CRC is right, so a program wrote it that knows more, or less.
    pub(super) fn parse(&self) -> Result<CheckpointRecord, &'static str> {
        let mut body = Input(self.body);
        let short = "a record is too short";
        match self.kind {
            kind::PARTITION => partition(self.shard, &mut body).map(CheckpointRecord::Partition),
            kind::DELETED => {
                let partition = body.partition_id().ok_or(short)?;
                Ok(CheckpointRecord::Deleted { partition, shard: self.shard })
            }
            kind::SHARD => {
                let index = body.u64().ok_or(short)?;
                Ok(CheckpointRecord::Shard { shard: self.shard, index, state: None })
            }
            kind::SHARD_WITH_STATE => {
                let index = body.u64().ok_or(short)?;
                let state = Some(Bytes::copy_from_slice(body.0));
                Ok(CheckpointRecord::Shard { shard: self.shard, index, state })
            }
            _ => Err("a record of a kind that this version does not know"),
        }
    }
}

fn partition(shard: ShardId, body: &mut Input<'_>) -> Result<PartitionRecord, &'static str> {
    let short = "a partition's record is too short";
    let partition = body.partition_id().ok_or(short)?;
    let epoch_base = body.i32().ok_or(short)?;
    let mut record = PartitionRecord::change(partition, shard, body.u64().ok_or(short)?);
    record.epoch_base = epoch_base;
    record.log_start = body.i64().ok_or(short)?;
    record.stored_end = body.i64().ok_or(short)?;
    while !body.0.is_empty() {
        let tag = body.u32().ok_or(short)?;
        let length = body.u32().and_then(|length| usize::try_from(length).ok()).ok_or(short)?;
        let mut content = Input(body.take(length).ok_or(short)?);
        match tag {
            section::WHOLE => record.is_whole = true,
            section::EPOCHS => record.epochs = Some(all(&mut content, epoch)?),
            section::SEGMENTS => record.segments = all(&mut content, segment)?,
            section::SEGMENTS_REMOVED => record.segments_removed = all(&mut content, Input::i64)?,
            section::PRODUCERS => record.producers = all(&mut content, producer)?,
            section::PRODUCERS_REMOVED => record.producers_removed = all(&mut content, Input::i64)?,
            section::OPEN_TRANSACTIONS => {
                record.open_transactions = Some(all(&mut content, open_transaction)?);
            }
            section::ABORTED_TRANSACTIONS => {
                record.aborted_transactions = all(&mut content, aborted_transaction)?;
            }
            _ => return Err("a section of a partition's record that this version does not know"),
        }
    }
    Ok(record)
}

fn all<'a, T, C: FromIterator<T>>(
    content: &mut Input<'a>,
    mut one: impl FnMut(&mut Input<'a>) -> Option<T>,
) -> Result<C, &'static str> {
    let next = || (!content.0.is_empty()).then(|| one(content).ok_or("a section ends inside an element"));
    std::iter::from_fn(next).collect()
}

fn epoch(content: &mut Input<'_>) -> Option<EpochStart> {
    Some(EpochStart { epoch: content.i32()?, start: content.i64()? })
}

fn segment(content: &mut Input<'_>) -> Option<(i64, SegmentRecord)> {
    let base_offset = content.i64()?;
    let segment = SegmentRecord {
        synced: content.u64()?,
        end_offset: content.i64()?,
        max_timestamp: content.i64()?,
        offset_of_max_timestamp: content.i64()?,
        index: IndexMark { entries: content.u32()?, crc: content.u32()? },
    };
    Some((base_offset, segment))
}

fn open_transaction(content: &mut Input<'_>) -> Option<OpenTransaction> {
    Some(OpenTransaction { producer_id: content.i64()?, first_offset: content.i64()? })
}

fn aborted_transaction(content: &mut Input<'_>) -> Option<AbortedTransaction> {
    Some(AbortedTransaction {
        producer_id: content.i64()?,
        first_offset: content.i64()?,
        last_offset: content.i64()?,
        last_stable_offset: content.i64()?,
    })
}

fn producer(content: &mut Input<'_>) -> Option<(i64, ProducerEntry)> {
    let id = content.i64()?;
    let epoch = i16::from_le_bytes(content.array()?);
    let count = usize::from(u16::from_le_bytes(content.array()?));
    if count > BATCHES_REMEMBERED {
        return None;
    }
    let coordinator_epoch = content.i32()?;
    let written_at = content.i64()?;
    let mut batches = [ProducerBatch::default(); BATCHES_REMEMBERED];
    for batch in &mut batches[..count] {
        *batch = ProducerBatch {
            base_sequence: content.i32()?,
            last_offset_delta: content.i32()?,
            base_offset: content.i64()?,
            timestamp: content.i64()?,
        };
    }
    let mut entry = ProducerEntry::new(epoch, &batches[..count]);
    entry.set_written_at(written_at);
    entry.set_coordinator_epoch(coordinator_epoch);
    Some((id, entry))
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn partition_id(&mut self) -> Option<PartitionId> {
        Some(PartitionId { topic_id: TopicId(self.array()?), partition: self.i32()? })
    }
}
