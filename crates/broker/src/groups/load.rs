//! Reading a partition of `__consumer_offsets` into a coordinator, beside the I/O thread.

use std::sync::Arc;
use std::time::Duration;

use coordinator::group::{GroupSettings, Groups};
use coordinator::record::{Record, RecordError};
use storage::partition_log::{LogReader, ReadError, ReadSliceError};
use wire::record::{self, BatchError, Limits};

use super::planted::{Plan, planted};

/// Between two attempts: at first, and twice as long after each that fails.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Between two attempts at most: what is damaged stays so, and each attempt reads all that is before it.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// A partition of groups could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Slice(#[from] ReadSliceError),
    /// A batch that was checked when it came is none now.
    #[error("a stored record batch is damaged: {0}")]
    Batch(#[from] BatchError),
}

/// A coordinator that knows all that the log has. Sessions have not begun.
///
/// # Errors
/// [`LoadError`]; a record that can't be read is left out, and said.
pub(super) async fn load(
    reader: &LogReader,
    settings: &Arc<GroupSettings>,
    plan: Plan,
) -> Result<Groups, LoadError> {
    let (reader, settings) = (reader.clone(), settings.clone());
    env::task::spawn_blocking(move || {
        let mut groups = Groups::new(settings);
        replay(&reader, &mut groups, plan)?;
        Ok(groups)
    })
    .await
}

fn replay(reader: &LogReader, groups: &mut Groups, plan: Plan) -> Result<(), LoadError> {
    let mut next = reader.offsets().log_start;
    let mut bytes = Vec::new();
    loop {
        let read = match reader.read(next, READ_BYTES) {
            // The log start has moved on meanwhile.
            Err(ReadError::OutOfRange { log_start, .. }) if log_start > next => {
                next = log_start;
                continue;
            }
            read => read?,
        };
        if read.slices.is_empty() {
            return Ok(());
        }
        bytes.clear();
        for slice in &read.slices {
            slice.copy_into(&mut bytes)?;
        }
        for batch in record::batches(&bytes) {
            let batch = batch?;
            if planted!(plan, LastBatchNotReplayed) && is_last(batch, reader)? {
                return Ok(());
            }
            next = replay_batch(batch, next, groups, plan)?;
        }
    }
}

fn is_last(batch: &[u8], reader: &LogReader) -> Result<bool, BatchError> {
    let header = record::BatchHeader::parse(batch)?;
    Ok(header.last_offset() + 1 >= reader.offsets().high_watermark)
}

/// Replays the records of a batch from offset `from` on; gives the offset behind it.
fn replay_batch(batch: &[u8], from: i64, groups: &mut Groups, plan: Plan) -> Result<i64, BatchError> {
    let records = record::read(batch, &Limits::default())?;
    let header = records.header();
    let end = header.last_offset().saturating_add(1);
    if header.is_control() {
        return Ok(end);
    }
    for record in &records {
        let record = record?;
        if record.offset < from || record.value.is_none() && planted!(plan, TombstonesNotReplayed) {
            continue;
        }
        match Record::decode(record.key, record.value) {
            Ok(Some(known)) => groups.apply(known),
            Ok(None) => {}
            Err(error) => left_out(record.offset, &error),
        }
    }
    Ok(end)
}

fn left_out(offset: i64, error: &RecordError) {
    tracing::warn!(offset, %error, "a record of {} can't be read and is left out", super::OFFSETS_TOPIC);
}
