//! What a read returns: pieces of memory and pieces of files, and how they become bytes.

use std::sync::Arc;

use bytes::Bytes;
use env::disk::{DiskError, DiskFile};
use wire::record::header::{BATCH_LENGTH_AT, MAGIC_AT, PARTITION_LEADER_EPOCH_AT};

use super::segment_file::{self, SegmentFile};
use super::tail::TailBatch;

/// Whole record batches, in memory or in a segment.
#[derive(Clone)]
pub enum LogSlice {
    /// One batch of the tail. Its bytes are shared and keep what the producer wrote where base offset and leader epoch
    /// belong: whoever copies them out writes the two.
    Memory {
        /// Offset of the first record.
        base_offset: i64,
        /// The epoch of the leader that took it.
        leader_epoch: i32,
        /// The shard's log index of the entry that `bytes` is a part of, and keeps in memory whole.
        entry_index: u64,
        /// Bytes of that entry.
        entry_bytes: u64,
        /// The batch.
        bytes: Bytes,
    },
    /// One or more batches of a segment, exact as they are.
    File {
        /// The segment's file.
        file: Arc<SegmentFile>,
        /// Where the first batch begins.
        position: u64,
        /// Bytes of all of them.
        len: usize,
    },
}

impl LogSlice {
    pub(super) fn of_tail(batch: &TailBatch) -> Self {
        Self::Memory {
            base_offset: batch.base_offset,
            leader_epoch: batch.leader_epoch,
            entry_index: batch.index,
            entry_bytes: batch.pin.bytes(),
            bytes: batch.bytes.clone(),
        }
    }

    /// Bytes of the slice.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Memory { bytes, .. } => bytes.len(),
            Self::File { len, .. } => *len,
        }
    }

    /// Never true: a slice holds at least one batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the slice as a consumer gets it.
    ///
    /// # Errors
    /// When the segment can't be read, or ends before the slice; `out` is then as before.
    pub fn copy_into(&self, out: &mut Vec<u8>) -> Result<(), ReadSliceError> {
        match self {
            Self::Memory { base_offset, leader_epoch, bytes, .. } => {
                copy_batch(*base_offset, *leader_epoch, bytes, out);
                Ok(())
            }
            Self::File { file, position, len } => copy_range(file.file.as_ref(), *position, *len, out),
        }
    }
}

/// A slice's bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadSliceError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is shorter than what was published of it: something else cut it.
    #[error("a segment ends {missing} bytes before position {end}, which it had before")]
    Short {
        /// Where the slice should end.
        end: u64,
        /// How much of it is gone.
        missing: usize,
    },
}

/// Bytes at the front of a batch that a reader gets from [`batch_start`]; the rest is as it was sent.
pub const BATCH_START_BYTES: usize = MAGIC_AT;

/// The first bytes of a batch of a tail as a consumer gets them: base offset and leader epoch in place. The CRC covers neither.
///
/// # Panics
/// When `bytes` is no batch.
#[must_use]
pub fn batch_start(base_offset: i64, leader_epoch: i32, bytes: &[u8]) -> [u8; BATCH_START_BYTES] {
    assert!(bytes.len() > BATCH_START_BYTES, "a batch shorter than its own header was committed");
    let mut start = [0; BATCH_START_BYTES];
    start[..BATCH_LENGTH_AT].copy_from_slice(&base_offset.to_be_bytes());
    start[BATCH_LENGTH_AT..PARTITION_LEADER_EPOCH_AT]
        .copy_from_slice(&bytes[BATCH_LENGTH_AT..PARTITION_LEADER_EPOCH_AT]);
    start[PARTITION_LEADER_EPOCH_AT..].copy_from_slice(&leader_epoch.to_be_bytes());
    start
}

/// Appends a batch as a consumer gets it.
pub(crate) fn copy_batch(base_offset: i64, leader_epoch: i32, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&batch_start(base_offset, leader_epoch, bytes));
    out.extend_from_slice(&bytes[BATCH_START_BYTES..]);
}

fn copy_range(
    file: &dyn DiskFile,
    position: u64,
    len: usize,
    out: &mut Vec<u8>,
) -> Result<(), ReadSliceError> {
    let before = out.len();
    out.resize(before + len, 0);
    let read = file.read_at(&mut out[before..], position);
    if !matches!(read, Ok(count) if count == len) {
        out.truncate(before);
    }
    let count = read?;
    if count < len {
        return Err(segment_file::short(position, len, count));
    }
    Ok(())
}
