//! Control batches: the markers that end a transaction in a partition.
//!
//! ```text
//! key:   version i16 = 0 | type i16 (0 abort, 1 commit)
//! value: version i16 = 0 | coordinator epoch i32
//! ```
//!
//! A marker's batch holds it alone, is transactional, and has no sequence. Later versions may add
//! fields behind these; they are passed over. Other control types (of KRaft's own log) are no markers.

use super::build::Builder;
use super::codec::Compression;
use super::error::{BatchError, RecordFault};
use super::header::NO_SEQUENCE;
use super::read::Record;

const TYPE_ABORT: i16 = 0;
const TYPE_COMMIT: i16 = 1;
const VERSION: i16 = 0;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionResult {
    /// Its records are not for readers of committed records.
    Abort,
    /// Its records count.
    Commit,
}

/// The marker of a transaction's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How it ended.
    pub result: TransactionResult,
    /// Epoch of the transaction coordinator that ended it.
    pub coordinator_epoch: i32,
}

/// The producer whose transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkerProducer {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
}

impl EndTransactionMarker {
    /// The batch that carries the marker; base offset and leader epoch are still to be assigned.
    pub fn batch(&self, producer: MarkerProducer, timestamp_ms: i64) -> Vec<u8> {
        let control_type = match self.result {
            TransactionResult::Abort => TYPE_ABORT,
            TransactionResult::Commit => TYPE_COMMIT,
        };
        let [k0, k1] = VERSION.to_be_bytes();
        let [k2, k3] = control_type.to_be_bytes();
        let mut value = VERSION.to_be_bytes().to_vec();
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = Builder::new(Compression::NONE)
            .producer(producer.id, producer.epoch, NO_SEQUENCE)
            .transactional()
            .control();
        builder
            .append(timestamp_ms, Some(&[k0, k1, k2, k3]), Some(&value), &[])
            .and_then(|()| builder.finish())
            .expect("one record of ten bytes fits a batch")
    }

    /// The marker in a record of a control batch; `None` for another type of control record.
    ///
    /// # Errors
    /// [`BatchError::Record`] when key or value are shorter than their fields.
    pub fn parse(record: &Record<'_>) -> Result<Option<EndTransactionMarker>, BatchError> {
        let malformed = || BatchError::Record { index: 0, fault: RecordFault::Control };
        let key = record.key.and_then(|key| key.first_chunk::<4>()).ok_or_else(malformed)?;
        let result = match i16::from_be_bytes([key[2], key[3]]) {
            TYPE_ABORT => TransactionResult::Abort,
            TYPE_COMMIT => TransactionResult::Commit,
            _ => return Ok(None),
        };
        let value = record.value.and_then(|value| value.first_chunk::<6>()).ok_or_else(malformed)?;
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Ok(Some(EndTransactionMarker { result, coordinator_epoch }))
    }
}
