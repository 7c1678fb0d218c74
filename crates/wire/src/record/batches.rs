//! Splitting concatenated batches by their lengths.

use super::error::BatchError;
use super::header::{BATCH_LENGTH_AT, HEADER_BYTES, LENGTH_COVERS_FROM, MAGIC, MAGIC_AT};

/// Smallest batch length: a header without records.
const BATCH_LENGTH_MIN: i32 = 49;
/// Bytes up to and including the magic, which every format version has at the same place.
const TO_MAGIC_BYTES: usize = MAGIC_AT + 1;

/// Splits `records` into batches, by their lengths alone: neither CRC nor fields are checked.
///
/// Each item is exactly one whole batch of magic 2. After an error the iterator ends, as nothing behind
/// a wrong length can be found again. A fetch response may end in the middle of a batch, which
/// is [`BatchError::Truncated`] as the last item.
pub fn batches(records: &[u8]) -> Batches<'_> {
    Batches { rest: records }
}

/// See [`batches`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<&'a [u8], BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let all = std::mem::take(&mut self.rest);
        match first_bytes(all) {
            Ok(bytes) => {
                let (batch, rest) = all.split_at(bytes);
                self.rest = rest;
                Some(Ok(batch))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Bytes of the first batch in `records`, which holds all of them.
///
/// Errors in the order in which Kafka finds them: length, magic, then whether the bytes are there.
pub(super) fn first_bytes(records: &[u8]) -> Result<usize, BatchError> {
    let present = records.len();
    let Some(front) = records.first_chunk::<TO_MAGIC_BYTES>() else {
        return Err(BatchError::Truncated { present, needed: HEADER_BYTES });
    };
    let length = i32::from_be_bytes(std::array::from_fn(|i| front[BATCH_LENGTH_AT + i]));
    if length < BATCH_LENGTH_MIN {
        return Err(BatchError::Length { length });
    }
    let magic = i8::from_be_bytes([front[MAGIC_AT]]);
    if magic != MAGIC {
        return Err(BatchError::of_magic(magic));
    }
    let needed = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(LENGTH_COVERS_FROM);
    if needed > present {
        return Err(BatchError::Truncated { present, needed });
    }
    Ok(needed)
}
