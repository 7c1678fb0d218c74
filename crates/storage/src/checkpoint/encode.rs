//! Checkpoint records into bytes. Layout: docs/format/checkpoint.md.

use super::record::{CheckpointRecord, PartitionRecord};
use crate::id::PartitionId;
use crate::partition_log::producers::ProducerEntry;

/// The format that is written.
pub(super) const FORMAT_VERSION: u32 = 2;
/// Bytes of the file's header.
pub(super) const FILE_HEADER_BYTES: usize = 32;
/// Bytes of a record before its body.
pub(super) const RECORD_HEADER_BYTES: usize = 24;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
pub(super) const MAGIC: [u8; 8] = *b"TAKHICKP";

/// Kinds of records.
pub(super) mod kind {
    pub(in super::super) const PARTITION: u8 = 1;
    pub(in super::super) const DELETED: u8 = 2;
    pub(in super::super) const SHARD: u8 = 3;
    pub(in super::super) const SHARD_WITH_STATE: u8 = 4;
}

/// Sections of a partition's record.
pub(super) mod section {
    pub(in super::super) const WHOLE: u32 = 1;
    pub(in super::super) const EPOCHS: u32 = 2;
    pub(in super::super) const SEGMENTS: u32 = 3;
    pub(in super::super) const SEGMENTS_REMOVED: u32 = 4;
    pub(in super::super) const PRODUCERS: u32 = 5;
    pub(in super::super) const PRODUCERS_REMOVED: u32 = 6;
    pub(in super::super) const OPEN_TRANSACTIONS: u32 = 7;
    pub(in super::super) const ABORTED_TRANSACTIONS: u32 = 8;
}

/// Where in which file a record stands: part of what its CRC covers.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) generation: u64,
    pub(super) position: u64,
}

impl Place {
    /// The CRC of a record here whose bytes, from the fifth on, are `rest`.
    pub(super) fn crc_of(self, rest: &[u8]) -> u32 {
        let place = [self.generation.to_le_bytes(), self.position.to_le_bytes()].concat();
        crc32c::crc32c_append(crc32c::crc32c(&place), rest)
    }
}

/// The file's first bytes; everything below `complete` was synced before the file got its name.
pub(super) fn file_header(generation: u64, complete: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[8..16].copy_from_slice(&MAGIC);
    header[16..24].copy_from_slice(&generation.to_le_bytes());
    header[24..32].copy_from_slice(&complete.to_le_bytes());
    let crc = crc32c::crc32c(&header[4..]);
    header[..4].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Appends a record that will stand at `place`, in a file that is synced up to `synced`.
pub(super) fn record(place: Place, synced: u64, record: &CheckpointRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + RECORD_HEADER_BYTES, 0);
    let (kind, shard) = match record {
        CheckpointRecord::Partition(record) => {
            partition(record, out);
            (kind::PARTITION, record.shard)
        }
        CheckpointRecord::Deleted { partition, shard } => {
            partition_id(*partition, out);
            (kind::DELETED, *shard)
        }
        CheckpointRecord::Shard { shard, index, state } => {
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(state.as_deref().unwrap_or_default());
            (if state.is_some() { kind::SHARD_WITH_STATE } else { kind::SHARD }, *shard)
        }
    };
    let length = length_u32(out.len() - start - RECORD_HEADER_BYTES);
    let header = &mut out[start..start + RECORD_HEADER_BYTES];
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&synced.to_le_bytes());
    header[16] = kind;
    header[18..20].copy_from_slice(&shard.0.to_le_bytes());
    let crc = place.crc_of(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(ALIGNMENT), 0);
}

fn partition(record: &PartitionRecord, out: &mut Vec<u8>) {
    partition_id(record.partition, out);
    out.extend_from_slice(&record.epoch_base.to_le_bytes());
    out.extend_from_slice(&record.index.to_le_bytes());
    out.extend_from_slice(&record.log_start.to_le_bytes());
    out.extend_from_slice(&record.stored_end.to_le_bytes());
    if record.is_whole {
        section(section::WHOLE, out, |_| {});
    }
    if let Some(epochs) = &record.epochs {
        section(section::EPOCHS, out, |out| {
            for start in epochs {
                out.extend_from_slice(&start.epoch.to_le_bytes());
                out.extend_from_slice(&start.start.to_le_bytes());
            }
        });
    }
    offsets(section::SEGMENTS_REMOVED, record.segments_removed.iter(), out);
    if !record.segments.is_empty() {
        section(section::SEGMENTS, out, |out| {
            for (base_offset, segment) in &record.segments {
                out.extend_from_slice(&base_offset.to_le_bytes());
                out.extend_from_slice(&segment.synced.to_le_bytes());
                out.extend_from_slice(&segment.end_offset.to_le_bytes());
                out.extend_from_slice(&segment.max_timestamp.to_le_bytes());
                out.extend_from_slice(&segment.offset_of_max_timestamp.to_le_bytes());
                out.extend_from_slice(&segment.index.entries.to_le_bytes());
                out.extend_from_slice(&segment.index.crc.to_le_bytes());
            }
        });
    }
    offsets(section::PRODUCERS_REMOVED, record.producers_removed.iter(), out);
    if !record.producers.is_empty() {
        section(section::PRODUCERS, out, |out| {
            for (id, entry) in &record.producers {
                producer(*id, entry, out);
            }
        });
    }
    transactions(record, out);
}

fn transactions(record: &PartitionRecord, out: &mut Vec<u8>) {
    if let Some(open) = &record.open_transactions {
        section(section::OPEN_TRANSACTIONS, out, |out| {
            for transaction in open {
                out.extend_from_slice(&transaction.producer_id.to_le_bytes());
                out.extend_from_slice(&transaction.first_offset.to_le_bytes());
            }
        });
    }
    if !record.aborted_transactions.is_empty() {
        section(section::ABORTED_TRANSACTIONS, out, |out| {
            for transaction in &record.aborted_transactions {
                out.extend_from_slice(&transaction.producer_id.to_le_bytes());
                out.extend_from_slice(&transaction.first_offset.to_le_bytes());
                out.extend_from_slice(&transaction.last_offset.to_le_bytes());
                out.extend_from_slice(&transaction.last_stable_offset.to_le_bytes());
            }
        });
    }
}

fn producer(id: i64, entry: &ProducerEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&entry.epoch().to_le_bytes());
    let count = u16::try_from(entry.batches().len()).expect("five at most");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&entry.coordinator_epoch().to_le_bytes());
    out.extend_from_slice(&entry.written_at().to_le_bytes());
    for batch in entry.batches() {
        out.extend_from_slice(&batch.base_sequence.to_le_bytes());
        out.extend_from_slice(&batch.last_offset_delta.to_le_bytes());
        out.extend_from_slice(&batch.base_offset.to_le_bytes());
        out.extend_from_slice(&batch.timestamp.to_le_bytes());
    }
}

fn offsets<'a>(tag: u32, values: impl ExactSizeIterator<Item = &'a i64>, out: &mut Vec<u8>) {
    if values.len() > 0 {
        section(tag, out, |out| values.for_each(|value| out.extend_from_slice(&value.to_le_bytes())));
    }
}

fn section(tag: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&tag.to_le_bytes());
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let length = length_u32(out.len() - at - 4);
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn partition_id(partition: PartitionId, out: &mut Vec<u8>) {
    out.extend_from_slice(&partition.topic_id.0);
    out.extend_from_slice(&partition.partition.to_le_bytes());
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).expect("producers and segments of one partition are bounded far below 4 GiB")
}
