//! Reading what a fetch wants of its partitions, in order and within its bounds.
//!
//! A *look* finds whole batches as slices and copies nothing, so that a fetch can look often while it waits. What lies in
//! memory is found where it is asked for; as soon as one partition's bytes are in a file, the look is taken beside the I/O
//! thread, which must never wait for a disk.
//!
//! Bounds (KIP-74): the first batch of the answer always fits, whatever its size, so that a consumer never stalls; after it
//! a partition adds whole batches as far as its own limit and what is left of the answer's allow.

use std::collections::HashSet;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use storage::partition_log::{LogOffsets, LogReader, LogSlice};
use wire::error::ErrorCode;
use wire::message::fetch::EpochEndOffset;

use super::fetch_session::Asked;
use super::leader_epoch::{self, NO_EPOCH};
use crate::connection::answer::COPIED_BYTES_MAX;
use crate::error_map;

/// A partition to be read.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) log: LogReader,
    pub(super) asked: Asked,
    /// The epoch in which this node leads it.
    pub(super) leader_epoch: i32,
}

impl Ask {
    fn is_in_file(&self) -> bool {
        self.asked.fetch_offset < self.log.offsets().stored_end
    }
}

/// What a look at a partition found.
pub(super) enum Look {
    /// Whole batches, maybe none; `end` is the offset behind them.
    Batches { slices: Vec<LogSlice>, bytes: usize, end: i64, offsets: LogOffsets },
    /// The consumer's log and this one part ways at this epoch's end.
    Diverging { end: EpochEndOffset, offsets: LogOffsets },
    /// Why it can't be read.
    Refused(ErrorCode),
}

impl Look {
    pub(super) fn bytes(&self) -> usize {
        if let Self::Batches { bytes, .. } = self { *bytes } else { 0 }
    }

    /// Records from the offset `begin` on that the consumer gets.
    pub(super) fn records(&self, begin: i64) -> u64 {
        if let Self::Batches { end, .. } = self { u64::try_from(end - begin).unwrap_or(0) } else { 0 }
    }

    /// Whether the consumer has to be told at once.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Batches { .. })
    }
}

/// Looks at all partitions in order; `bytes_max` bounds what is found together, negative is an error as in Kafka.
pub(super) async fn look(asks: &Arc<[Ask]>, bytes_max: i32) -> Vec<Look> {
    if asks.iter().any(Ask::is_in_file) {
        let asks = asks.clone();
        return env::task::spawn_blocking(move || look_at_all(&asks, bytes_max)).await;
    }
    look_at_all(asks, bytes_max)
}

fn look_at_all(asks: &[Ask], bytes_max: i32) -> Vec<Look> {
    let mut budget = Budget { left: bytes_max, has_any: false };
    asks.iter().map(|ask| look_at(ask, &mut budget).unwrap_or_else(Look::Refused)).collect()
}

/// What an answer may still hold.
struct Budget {
    left: i32,
    has_any: bool,
}

fn look_at(ask: &Ask, budget: &mut Budget) -> Result<Look, ErrorCode> {
    let asked = &ask.asked;
    // Unlike elsewhere, in Kafka's fetch every negative epoch is none.
    leader_epoch::check(asked.current_leader_epoch.max(NO_EPOCH), ask.leader_epoch)?;
    if asked.last_fetched_epoch >= 0
        && let Some(look) = look_for_divergence(ask)?
    {
        return Ok(look);
    }
    let bytes_max = asked.bytes_max.min(budget.left);
    let bytes_max = usize::try_from(bytes_max).map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
    if bytes_max == 0 && budget.has_any {
        return look_at_end(ask);
    }
    let mut read = ask.log.read(asked.fetch_offset, bytes_max).map_err(|error| {
        tracing::debug!(%error, partition = ?ask.log.partition(), "fetch");
        error_map::read(&error)
    })?;
    if read.bytes > bytes_max && budget.has_any {
        // Only the first batch of an answer may be larger than its bounds.
        read.slices.clear();
        read.bytes = 0;
        read.end = asked.fetch_offset;
    }
    budget.has_any |= read.bytes > 0;
    budget.left -= i32::try_from(read.bytes).unwrap_or(i32::MAX).min(budget.left);
    Ok(Look::Batches { slices: read.slices, bytes: read.bytes, end: read.end, offsets: read.offsets })
}

/// What there is to say of a partition when the answer is full: thousands may come behind the few that filled it.
fn look_at_end(ask: &Ask) -> Result<Look, ErrorCode> {
    let offsets = ask.log.offsets();
    if (offsets.log_start..=offsets.high_watermark).contains(&ask.asked.fetch_offset) {
        return Ok(Look::Batches { slices: Vec::new(), bytes: 0, end: ask.asked.fetch_offset, offsets });
    }
    Err(ErrorCode::OFFSET_OUT_OF_RANGE)
}

fn look_for_divergence(ask: &Ask) -> Result<Option<Look>, ErrorCode> {
    let Asked { fetch_offset, last_fetched_epoch, .. } = ask.asked;
    let end = ask.log.end_of_epoch(last_fetched_epoch, ask.leader_epoch);
    let (epoch, end_offset) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    let offsets = ask.log.offsets();
    if fetch_offset < offsets.log_start {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let is_diverging = epoch < last_fetched_epoch || end_offset < fetch_offset;
    Ok(is_diverging.then_some(Look::Diverging { end: EpochEndOffset { epoch, end_offset }, offsets }))
}

/// Bytes of memory that an answer keeps until it is sent: its small batches, and the entries that its large ones are a part of.
pub(super) fn memory_of(looks: &[Look]) -> usize {
    let (mut bytes, mut entries) = (0, HashSet::with_hasher(FxBuildHasher));
    let slices = looks.iter().filter_map(|look| match look {
        Look::Batches { slices, .. } => Some(slices),
        _ => None,
    });
    for slice in slices.flatten() {
        let LogSlice::Memory { entry_index, entry_bytes, bytes: batch, .. } = slice else { continue };
        if batch.len() <= COPIED_BYTES_MAX {
            bytes += batch.len();
        } else if entries.insert(*entry_index) {
            bytes = bytes.saturating_add(usize::try_from(*entry_bytes).unwrap_or(usize::MAX));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_once_and_whole() {
        // A slice of 5 KiB keeps a megabyte; counted by itself, slow readers of many partitions could keep all memory.
        let slice = |entry_index, bytes| LogSlice::Memory {
            base_offset: 0,
            leader_epoch: 0,
            entry_index,
            entry_bytes: 1 << 20,
            bytes: vec![0; bytes].into(),
        };
        let look = |slices: Vec<LogSlice>| Look::Batches {
            slices,
            bytes: 0,
            end: 0,
            offsets: LogOffsets { log_start: 0, stored_end: 0, high_watermark: 0 },
        };
        let looks = [
            look(vec![slice(1, 5000), slice(1, 5000), slice(2, 5000)]),
            Look::Refused(ErrorCode::UNKNOWN_SERVER_ERROR),
            look(vec![slice(2, 5000), slice(3, 70)]),
        ];
        assert_eq!(memory_of(&looks), (2 << 20) + 70);
    }
}
