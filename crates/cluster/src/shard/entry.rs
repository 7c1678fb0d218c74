//! What a shard commits: the bytes of an entry (docs/format/entry.md).
//!
//! ```text
//! entry    = kind u8 | version u8 | zero u16 | leader's wall time i64 | body
//! batches  = item*        item = topic id 16 | partition i32 | offset delta of the largest timestamp i32
//!                                | batch length i32 | record batch v2, base offset and leader epoch not yet known
//! created  = partition*   partition = topic id 16 | partition i32 | epoch base i32
//! deleted  = partition*   partition = topic id 16 | partition i32
//! starts   = partition*   partition = topic id 16 | partition i32 | log start offset i64
//! producers forgotten = wall time i64
//! metadata = record*      metadata::Record
//! ```
//! Numbers are big-endian. Blank and membership entries belong to the consensus engine's glue.

use bytes::Bytes;
use storage::id::{PartitionId, TopicId};
use wire::record::header::RECORD_COUNT_AT;

/// Bytes before an entry's body.
pub const ENTRY_HEADER_BYTES: usize = 12;
/// Bytes before the record batch of an item.
pub const ITEM_HEADER_BYTES: usize = 28;
/// Where the leader's wall time stands.
const TIME_AT: std::ops::Range<usize> = 4..12;
const VERSION: u8 = 0;

/// What an entry's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Nothing: a leader's first entry in its term.
    Blank = 0,
    /// The shard's voters.
    Membership = 1,
    /// Changes of the metadata.
    Metadata = 2,
    /// Record batches of many partitions.
    Batches = 3,
    /// Partitions begin to exist.
    PartitionsCreated = 4,
    /// Partitions cease to exist.
    PartitionsDeleted = 5,
    /// Partitions forget records at their beginning: retention, or a client's wish.
    LogStartsAdvanced = 6,
    /// Producers whose last batch came in an entry of a time, or before, are forgotten in every partition.
    ProducersForgotten = 7,
}

/// The bytes are no entry that this build knows: written by a newer one, or not by us.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Kind or version.
    #[error("entry of kind {kind} version {version} is not known to this build")]
    Unknown {
        /// Its kind byte.
        kind: u8,
        /// Its version byte.
        version: u8,
    },
    /// It ends within a field, or a length leads past its end.
    #[error("entry of {entry_bytes} bytes is cut at {position}")]
    Cut {
        /// The entry's length.
        entry_bytes: usize,
        /// Where the field begins that is cut.
        position: usize,
    },
}

/// One record batch of an entry.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose it is.
    pub partition: PartitionId,
    /// Which record, counted from 0, is the first with the batch's largest timestamp.
    pub offset_delta_of_max_timestamp: i32,
    /// The batch; shares the entry's buffer.
    pub batch: Bytes,
}

/// The header that every entry of `kind` begins with; the time is set by [`stamp`].
#[must_use]
pub fn header(kind: EntryKind) -> Vec<u8> {
    let mut bytes = vec![kind as u8, VERSION];
    bytes.resize(ENTRY_HEADER_BYTES, 0);
    bytes
}

/// Writes the leader's wall time, in milliseconds, into an entry that is about to be proposed.
pub fn stamp(entry: &mut [u8], time_ms: i64) {
    entry[TIME_AT].copy_from_slice(&time_ms.to_be_bytes());
}

/// Appends what stands before an item's record batch of `batch_bytes` bytes.
///
/// # Panics
/// When a batch has 2 GiB or more: frames are bounded far below.
pub fn write_item_header(
    out: &mut Vec<u8>,
    partition: PartitionId,
    offset_delta_of_max_timestamp: i32,
    batch_bytes: usize,
) {
    write_partition(out, partition);
    out.extend_from_slice(&offset_delta_of_max_timestamp.to_be_bytes());
    let length = i32::try_from(batch_bytes).expect("a frame is smaller than 2 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// An entry that makes `partitions` exist, each with the base of its leader epochs.
#[must_use]
pub fn partitions_created(partitions: impl IntoIterator<Item = (PartitionId, i32)>) -> Vec<u8> {
    let mut out = header(EntryKind::PartitionsCreated);
    for (partition, epoch_base) in partitions {
        write_partition(&mut out, partition);
        out.extend_from_slice(&epoch_base.to_be_bytes());
    }
    out
}

/// An entry after which `partitions` don't exist.
#[must_use]
pub fn partitions_deleted(partitions: impl IntoIterator<Item = PartitionId>) -> Vec<u8> {
    let mut out = header(EntryKind::PartitionsDeleted);
    partitions.into_iter().for_each(|partition| write_partition(&mut out, partition));
    out
}

/// An entry after which logs begin at these offsets, or where they begin already, but never beyond their ends.
#[must_use]
pub fn log_starts_advanced(starts: impl IntoIterator<Item = (PartitionId, i64)>) -> Vec<u8> {
    let mut out = header(EntryKind::LogStartsAdvanced);
    for (partition, offset) in starts {
        write_partition(&mut out, partition);
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out
}

fn write_partition(out: &mut Vec<u8>, partition: PartitionId) {
    out.extend_from_slice(&partition.topic_id.0);
    out.extend_from_slice(&partition.partition.to_be_bytes());
}

/// An entry after which producers are forgotten whose last batch came in an entry of `written_until_ms` or before.
#[must_use]
pub fn producers_forgotten(written_until_ms: i64) -> Vec<u8> {
    let mut out = header(EntryKind::ProducersForgotten);
    out.extend_from_slice(&written_until_ms.to_be_bytes());
    out
}

/// The time, in milliseconds, of an entry that has producers forgotten.
///
/// # Errors
/// When the entry ends before it.
pub fn forgotten_until(entry: &[u8]) -> Result<i64, EntryError> {
    Ok(i64::from_be_bytes(Fields { entry, position: ENTRY_HEADER_BYTES }.array()?))
}

/// An entry's kind and the leader's wall time in milliseconds.
///
/// # Errors
/// When a newer build wrote it, or it is shorter than a header.
pub fn read_header(entry: &[u8]) -> Result<(EntryKind, i64), EntryError> {
    let mut fields = Fields { entry, position: 0 };
    let [kind, version, _, _] = fields.array()?;
    let time_ms = i64::from_be_bytes(fields.array()?);
    let known = match (kind, version) {
        (0, VERSION) => EntryKind::Blank,
        (1, VERSION) => EntryKind::Membership,
        (2, VERSION) => EntryKind::Metadata,
        (3, VERSION) => EntryKind::Batches,
        (4, VERSION) => EntryKind::PartitionsCreated,
        (5, VERSION) => EntryKind::PartitionsDeleted,
        (6, VERSION) => EntryKind::LogStartsAdvanced,
        (7, VERSION) => EntryKind::ProducersForgotten,
        _ => return Err(EntryError::Unknown { kind, version }),
    };
    Ok((known, time_ms))
}

/// The record batches of an entry, in their order; each shares its buffer.
pub fn items(entry: &Bytes) -> impl Iterator<Item = Result<Item, EntryError>> {
    Fields { entry, position: ENTRY_HEADER_BYTES }.until_end(|fields| {
        let partition = fields.partition()?;
        let offset_delta_of_max_timestamp = i32::from_be_bytes(fields.array()?);
        let length = i32::from_be_bytes(fields.array()?);
        let from = fields.position;
        let to = usize::try_from(length).ok().and_then(|length| from.checked_add(length));
        let Some(to) = to.filter(|to| *to <= entry.len()) else {
            return Err(EntryError::Cut { entry_bytes: entry.len(), position: from });
        };
        fields.position = to;
        Ok(Item { partition, offset_delta_of_max_timestamp, batch: entry.slice(from..to) })
    })
}

/// The records of an entry's batches, as their headers count them.
pub(crate) fn record_count(entry: &Bytes) -> u64 {
    let of_batch = |item: Item| {
        let count = item.batch.get(RECORD_COUNT_AT..).and_then(|rest| rest.first_chunk());
        count.and_then(|count| u64::try_from(i32::from_be_bytes(*count)).ok())
    };
    items(entry).filter_map(|item| of_batch(item.ok()?)).sum()
}

/// The partitions, and the bases of their leader epochs, that an entry makes exist.
pub fn created(entry: &[u8]) -> impl Iterator<Item = Result<(PartitionId, i32), EntryError>> {
    Fields { entry, position: ENTRY_HEADER_BYTES }
        .until_end(|fields| Ok((fields.partition()?, i32::from_be_bytes(fields.array()?))))
}

/// The partitions that an entry removes.
pub fn deleted(entry: &[u8]) -> impl Iterator<Item = Result<PartitionId, EntryError>> {
    Fields { entry, position: ENTRY_HEADER_BYTES }.until_end(Fields::partition)
}

/// The partitions whose logs begin later from an entry on, and where.
pub fn advanced(entry: &[u8]) -> impl Iterator<Item = Result<(PartitionId, i64), EntryError>> {
    Fields { entry, position: ENTRY_HEADER_BYTES }
        .until_end(|fields| Ok((fields.partition()?, i64::from_be_bytes(fields.array()?))))
}

struct Fields<'a> {
    entry: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let field = self.entry.get(self.position..).and_then(|rest| rest.first_chunk::<N>());
        let cut = EntryError::Cut { entry_bytes: self.entry.len(), position: self.position };
        self.position += N;
        field.copied().ok_or(cut)
    }

    fn partition(&mut self) -> Result<PartitionId, EntryError> {
        let topic_id = TopicId(self.array()?);
        Ok(PartitionId { topic_id, partition: i32::from_be_bytes(self.array()?) })
    }

    /// What `read` gives, again and again until the entry's end or the first error.
    fn until_end<T, R>(mut self, mut read: R) -> impl Iterator<Item = Result<T, EntryError>>
    where
        R: FnMut(&mut Self) -> Result<T, EntryError>,
    {
        std::iter::from_fn(move || {
            if self.position >= self.entry.len() {
                return None;
            }
            let value = read(&mut self);
            if value.is_err() {
                self.position = self.entry.len();
            }
            Some(value)
        })
    }
}

#[cfg(test)]
#[path = "entry_test.rs"]
mod entry_test;
