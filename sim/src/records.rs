//! Records wherever they lie: batches may be merged at any time, their records stay what they are.

use wire::record::{self, BatchError, Limits, Record};

/// The records of a batch, each as its offset's distance from the first and what identifies it.
pub(crate) fn of_batch(batch: &[u8]) -> Result<Vec<(i64, u32)>, BatchError> {
    let opened = record::read(batch, &Limits::default())?;
    let identified = |record: Result<Record<'_>, BatchError>| {
        let record = record?;
        let timestamp = crc32c::crc32c(&record.timestamp.to_be_bytes());
        let identity = crc32c::crc32c_append(timestamp, record.value.unwrap_or_default());
        Ok((record.offset - opened.header().base_offset, identity))
    };
    opened.iter().map(identified).collect()
}

/// The records of batches one behind the other, each as its offset and what identifies it.
pub(crate) fn of_batches(bytes: &[u8]) -> Result<Vec<(i64, u32)>, BatchError> {
    let mut records = Vec::new();
    for batch in record::batches(bytes) {
        let batch = batch?;
        let base_offset = record::BatchHeader::parse(batch)?.base_offset;
        records.extend(of_batch(batch)?.into_iter().map(|(delta, identity)| (base_offset + delta, identity)));
    }
    Ok(records)
}
