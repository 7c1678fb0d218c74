//! A reader of partitions: records in offset order, each once.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use wire::record::{self, BatchError, Limits, Record};

use crate::{Client, ClientError};

/// Most bytes that one batch may decompress to.
const DECOMPRESSED_BYTES_MAX: usize = 512 << 20;

/// A record, and the partition that it is of.
#[derive(Debug, Clone)]
pub struct RecordOf<'r> {
    /// The partition.
    pub partition: i32,
    /// The record.
    pub record: Record<'r>,
}

/// How far a partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The next offset to be read.
    pub next: i64,
    /// The high watermark as last heard; `None` before the first answer.
    pub high_watermark: Option<i64>,
}

/// Reads partitions of one topic, each from a position of its own.
///
/// Transaction markers are passed over; records of transactions that were aborted are handed out
/// like others (Kafka's `read_uncommitted`).
#[derive(Debug)]
pub struct Consumer {
    topic: String,
    positions: BTreeMap<i32, Position>,
}

impl Consumer {
    /// Reads `topic` from these offsets on, by partition.
    pub fn new(topic: &str, offsets: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let position = |next| Position { next, high_watermark: None };
        let positions = offsets.into_iter().map(|(partition, next)| (partition, position(next))).collect();
        Self { topic: topic.to_owned(), positions }
    }

    /// How far each partition has been read.
    pub fn positions(&self) -> &BTreeMap<i32, Position> {
        &self.positions
    }

    /// Reads no more from a partition.
    pub fn leave(&mut self, partition: i32) {
        self.positions.remove(&partition);
    }

    /// Fetches once and hands out the records that came; waits up to `wait` for the first.
    ///
    /// When `each` breaks off, the position stays behind the record that it broke off at.
    ///
    /// # Errors
    /// As [`Client::fetch`]; [`ClientError::Records`] for a batch that can't be read: records before it
    /// have been handed out.
    pub fn poll<B>(
        &mut self,
        client: &mut Client,
        wait: Duration,
        mut each: impl FnMut(&RecordOf<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ClientError> {
        let offsets =
            self.positions.iter().map(|(partition, position)| (*partition, position.next)).collect();
        for fetched in client.fetch(&self.topic, &offsets, wait)? {
            let Some(position) = self.positions.get_mut(&fetched.partition) else { continue };
            position.high_watermark = Some(fetched.high_watermark);
            let read = hand_out(position, &fetched.records, |record| {
                each(&RecordOf { partition: fetched.partition, record })
            });
            match read {
                Ok(ControlFlow::Continue(())) => {}
                Ok(broken) => return Ok(broken),
                Err(e) => {
                    let about =
                        format!("partition {}-{} at offset {}", self.topic, fetched.partition, position.next);
                    return Err(ClientError::Records { about, why: e.to_string() });
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The record batches of a fetch but for one that the answer's end cut off: that comes whole once it is the first.
pub fn whole_batches(records: &[u8]) -> impl Iterator<Item = Result<&[u8], BatchError>> {
    let is_cut_off = |at: usize, batch: &Result<_, BatchError>| {
        at > 0 && matches!(batch, Err(BatchError::Truncated { .. }))
    };
    let numbered = record::batches(records).enumerate();
    numbered.take_while(move |(at, batch)| !is_cut_off(*at, batch)).map(|(_, batch)| batch)
}

fn hand_out<B>(
    position: &mut Position,
    records: &[u8],
    mut each: impl FnMut(Record<'_>) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, BatchError> {
    let limits = Limits {
        batch_bytes_max: usize::MAX,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        ..Limits::default()
    };
    for batch in whole_batches(records) {
        let batch = batch?;
        let opened = record::read(batch, &limits)?;
        if !opened.header().is_control() {
            for record in &opened {
                let record = record?;
                if record.offset < position.next {
                    continue;
                }
                position.next = record.offset.saturating_add(1);
                if let ControlFlow::Break(value) = each(record) {
                    return Ok(ControlFlow::Break(value));
                }
            }
        }
        // Compaction may have taken the last records of the batch, or all.
        position.next = position.next.max(opened.header().last_offset().saturating_add(1));
    }
    Ok(ControlFlow::Continue(()))
}
