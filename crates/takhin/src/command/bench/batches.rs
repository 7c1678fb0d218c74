//! The record batches that are sent: encoded before the run, changed only where a send differs from another.
//!
//! Their timestamps are those of the time before the run.

use anyhow::{Context, Result};
use env::WallTime;
use wire::record::{Builder, Compression, header};

use super::{
    load::Load,
    payload::{Dice, Payload},
};

/// Bytes of different batches, so that a broker which compresses several does not meet the same ones again too soon.
const DIFFERENT_BYTES: u64 = 16 << 20;
/// Batches that are made at least, and at most.
const BATCHES: std::ops::RangeInclusive<u64> = 8..=1 << 16;
/// Bytes of a stamp: whose record it is and when it was to be sent.
pub(crate) const STAMP_BYTES: usize = 16;

/// Batches behind one another, sent in turn.
#[derive(Debug)]
pub(crate) struct Batches {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batches {
    /// Makes the batches of a load.
    ///
    /// # Errors
    /// A codec fails.
    pub(crate) fn of(load: &Load, seed: u64) -> Result<Self> {
        let batch_bytes = load.batch * load.record_bytes + 80;
        let count = (DIFFERENT_BYTES / batch_bytes).clamp(*BATCHES.start(), *BATCHES.end());
        let mut dice = Dice::new(seed);
        let mut batches = Self { bytes: Vec::new(), ends: Vec::new() };
        let timestamp = WallTime::now().0;
        for _ in 0..count {
            let mut builder = Builder::new(Compression::from(load.codec));
            for _ in 0..load.batch {
                let value = load.payload.value(&mut dice, usize::try_from(load.record_bytes)?);
                builder.append(timestamp, None, Some(&value), &[])?;
            }
            batches.bytes.extend_from_slice(&builder.finish().context("making batches")?);
            batches.ends.push(batches.bytes.len());
        }
        Ok(batches)
    }

    /// The batch of a turn; after the last one the first again.
    pub(crate) fn get(&self, turn: usize) -> &[u8] {
        let at = turn % self.ends.len();
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }
}

/// An idempotent producer: who it is, and the sequence of its next record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) sequence: i32,
}

impl Identity {
    /// Copies `batch` into `into` as this producer's next one of `records`.
    pub(crate) fn stamp(&mut self, batch: &[u8], records: i32, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(batch);
        put(into, header::PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(into, header::PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(into, header::BASE_SEQUENCE_AT, self.sequence.to_be_bytes());
        header::seal(into).expect("a batch has a header");
        self.sequence = header::sequence_after(self.sequence, records);
    }
}

fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    batch[at..at + N].copy_from_slice(&value);
}

/// Batches whose records say when they were to be sent; each is made when it is sent.
#[derive(Debug)]
pub(crate) struct Stamped {
    run_id: u64,
    compression: Compression,
    values: Vec<Vec<u8>>,
    turn: usize,
}

impl Stamped {
    /// Batches of the run `run_id`.
    ///
    /// # Panics
    /// When the records have no room for a stamp.
    pub(crate) fn of(load: &Load, run_id: u64, seed: u64) -> Self {
        let bytes = usize::try_from(load.record_bytes).unwrap_or(usize::MAX);
        assert!(bytes >= STAMP_BYTES, "a stamp has {STAMP_BYTES} bytes");
        let (mut dice, payload): (Dice, Payload) = (Dice::new(seed), load.payload);
        let count = (DIFFERENT_BYTES / load.record_bytes).clamp(*BATCHES.start(), 1024);
        let values = (0..count).map(|_| payload.value(&mut dice, bytes)).collect();
        Self { run_id, compression: Compression::from(load.codec), values, turn: 0 }
    }

    /// A batch of `records`, to be sent `ns` after the run's start.
    ///
    /// # Errors
    /// A codec fails.
    pub(crate) fn next(&mut self, records: u64, ns: u64) -> Result<Vec<u8>, wire::record::BuildError> {
        let (mut builder, timestamp) = (Builder::new(self.compression), WallTime::now().0);
        for _ in 0..records {
            let at = self.turn % self.values.len();
            let value = &mut self.values[at];
            value[..8].copy_from_slice(&self.run_id.to_be_bytes());
            value[8..STAMP_BYTES].copy_from_slice(&ns.to_be_bytes());
            builder.append(timestamp, None, Some(value), &[])?;
            self.turn = self.turn.wrapping_add(1);
        }
        builder.finish()
    }
}

/// Nanoseconds from the run's start to the time that a record was to be sent, if the record is of this run.
pub(crate) fn stamp_of(value: &[u8], run_id: u64) -> Option<u64> {
    let (id, rest) = value.split_first_chunk::<8>()?;
    let ns = rest.first_chunk::<8>()?;
    (u64::from_be_bytes(*id) == run_id).then(|| u64::from_be_bytes(*ns))
}

#[cfg(test)]
#[path = "batches_test.rs"]
mod batches_test;
