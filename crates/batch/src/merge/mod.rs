//! Merged batches: many small record batches of one partition become one, when their tail is written into a segment.
//!
//! Producers were answered long before, so that company has come without anybody having waited for it. Records keep offset,
//! timestamp, key, value and headers byte for byte; what goes is what only concerned the way in: batch headers, the CRCs over
//! them, and the idempotent producers' marks, which a merged batch has no room for (the partition's state keeps them).
//!
//! [`Merger::next`] looks at the front of what is to be stored and says what becomes of it. What may not be merged, or would
//! gain nothing, stays as it was sent (docs/adr/0013).
//!
//! Invariant: the records of what comes out are those that went in, at the same offsets, in the same order.
//! Invariant: a part that can't be read, or whose codec fails, is stored as it was sent.

mod lot;
mod options;

use std::ops::Range;

use wire::record::codec::Compressor;
use wire::record::header::sequence_after;
use wire::record::{BatchError, BatchHeader, BuildError, Builder, Limits, Scratch, TimestampType, read_with};

pub use options::{CodecChoice, Levels, MergeOptions};

use lot::{Lot, RECORD_GROWTH_BYTES_MAX, raw_bytes_max};

/// A batch of so many bytes is as good as a merged one: its header is a fraction of a percent, and codecs find little more.
pub const PASSED_BYTES: usize = 16 << 10;

/// A record batch on its way into a segment.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The epoch of the leader that took it.
    pub leader_epoch: i32,
    /// One batch of magic 2, checked; its base offset and leader epoch are not to be read.
    pub bytes: &'a [u8],
}

/// What is stored of the first parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many parts this is about, at least one.
    pub parts: usize,
    /// The one batch that they become, complete; `None`: each is stored as it was sent.
    pub batch: Option<Vec<u8>>,
    /// They should have become one, but a part or its codec failed.
    pub has_failed: bool,
}

impl Stored {
    fn as_sent(parts: usize) -> Self {
        Self { parts, batch: None, has_failed: false }
    }
}

/// Joins parts; keeps what codecs need between batches.
#[derive(Default)]
pub struct Merger {
    scratch: Scratch,
    compressor: Compressor,
}

/// Why no batch came about.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Read(#[from] BatchError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Merger {
    /// What becomes of the first of `parts`, which follow each other in a partition.
    ///
    /// # Panics
    /// When there is no part.
    pub fn next(&mut self, parts: &[Part<'_>], options: &MergeOptions) -> Stored {
        let first = parts.first().expect("something is to be stored");
        let Some(lot) = Lot::of(first, options) else { return Stored::as_sent(1) };
        let alike = lot.alike(parts, options);
        if alike == 1 && lot.is_as_sent(options) {
            return Stored::as_sent(1);
        }
        match self.join(&lot, &parts[..alike], options) {
            Ok(stored) => stored,
            Err(_) => Stored { parts: alike, batch: None, has_failed: true },
        }
    }

    /// As many of `parts` as one batch holds.
    fn join(&mut self, lot: &Lot, parts: &[Part<'_>], options: &MergeOptions) -> Result<Stored, Fault> {
        let raw_max = raw_bytes_max(lot.compression.codec(), options.encoded_bytes_max);
        let most = usize::try_from(options.records_max).unwrap_or(0);
        let sizes = parts.iter().take(most).map(|part| part.bytes.len());
        let at_least = sizes.sum::<usize>().min(raw_max);
        let mut builder = lot.builder(&parts[0]).with_room_for(at_least);
        let (mut joined, mut bytes) = (0, 0);
        for part in parts {
            let records = read_with(part.bytes, &Limits::default(), &mut self.scratch)?;
            let count = records.header().record_count;
            let growth = usize::try_from(count).unwrap_or(0) * RECORD_GROWTH_BYTES_MAX;
            bytes += records.bytes();
            let fits = builder.record_count().saturating_add(count) <= options.records_max
                && bytes <= options.bytes_max
                && builder.bytes() + records.bytes() + growth <= raw_max;
            if joined > 0 && !fits {
                break;
            }
            for record in &records {
                builder.append_record(&record?)?;
            }
            joined += 1;
        }
        if joined == 1 && lot.is_as_sent(options) {
            return Ok(Stored::as_sent(1));
        }
        let batch = builder.finish_with(&mut self.compressor)?;
        if batch.len() > options.encoded_bytes_max.max(parts[0].bytes.len()) {
            // One part that is larger in the codec that is asked for than a batch may be.
            return Ok(Stored::as_sent(joined));
        }
        Ok(Stored { parts: joined, batch: Some(batch), has_failed: false })
    }
}

/// The records of `batch` at `offsets`, as a batch of their own: another replica has what lies around them in batches that were
/// cut otherwise.
///
/// # Errors
/// When the batch can't be read, or has no record there.
pub fn records_between(batch: &[u8], offsets: Range<i64>) -> Result<Vec<u8>, Unreadable> {
    between(batch, offsets).map_err(|fault| Unreadable(fault.to_string()))
}

fn between(batch: &[u8], offsets: Range<i64>) -> Result<Vec<u8>, Fault> {
    let records = read_with(batch, &Limits::default(), &mut Scratch::default())?;
    let header = records.header();
    let base_offset = offsets.start.max(header.base_offset);
    let mut builder = Builder::new(header.codec()?.into())
        .base_offset(base_offset)
        .partition_leader_epoch(header.partition_leader_epoch);
    if header.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.log_append_time(header.max_timestamp);
    }
    if header.has_producer_id() {
        let before = i32::try_from(base_offset - header.base_offset).unwrap_or(0);
        let sequence = sequence_after(header.base_sequence, before);
        builder = builder.producer(header.producer_id, header.producer_epoch, sequence);
    }
    if header.is_transactional() {
        builder = builder.transactional();
    }
    for record in &records {
        let record = record?;
        if offsets.contains(&record.offset) {
            builder.append_record(&record)?;
        }
    }
    Ok(builder.finish()?)
}

/// A batch that others hold can't be taken apart.
#[derive(Debug, thiserror::Error)]
#[error("a batch can't be taken apart: {0}")]
pub struct Unreadable(String);

/// True of a batch whose records may lie beside those of others.
fn is_mergeable(header: &BatchHeader) -> bool {
    !header.is_control() && !header.is_transactional() && !header.has_delete_horizon()
}

#[cfg(test)]
#[path = "merge_test.rs"]
mod merge_test;
