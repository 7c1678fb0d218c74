//! What a producer's record batch is checked for, and what is said of one that is refused.
//!
//! Most batches are checked on the I/O thread, in place. A compressed one that becomes large is checked by another thread.

use std::collections::BTreeMap;
use std::ops::Range;

use cluster::partitions::Partition;
use wire::error::ErrorCode;
use wire::record::{self, BatchError, BatchInfo, Limits, Scratch, TimestampType};

use crate::connection::replies::PartAnswer;
use crate::server::Broker;
use crate::topics::TopicHandle;

/// Records of a batch may decompress to this much whatever its size, and beyond it to so many times its size. Kafka has no
/// such bound; here a small batch must not hold a thread for seconds.
const DECOMPRESSED_BYTES_MIN: usize = 32 << 20;
const DECOMPRESSED_RATIO_MAX: usize = 32;

/// A compressed batch is checked on the I/O thread as far as its records decompress to this much; beyond it another thread
/// does it, so that the other connections do not wait.
const DECOMPRESSED_AT_ONCE_MAX: usize = 256 << 10;

/// Records at fault that an answer names one by one, over all its partitions. Kafka has no such bound; here a small request must
/// not have an answer of gigabytes.
pub(super) const RECORD_ERRORS_MAX: usize = 1000;

/// What was found out beside the I/O thread, by the partition's place in the request.
pub(crate) type Verdicts = BTreeMap<usize, Result<BatchInfo, BatchError>>;

/// A batch to be checked beside the I/O thread.
pub(crate) struct Check {
    /// The partition's place in the request.
    pub(super) part: usize,
    /// Where it is in the frame.
    pub(super) batch: Range<usize>,
    pub(super) limits: Limits,
}

/// What checking a batch needs, once per thread.
#[derive(Default)]
pub(crate) struct ProduceScratch {
    record: Scratch,
}

/// Why a partition's batch does not go on.
pub(super) enum Refusal {
    Answer(PartAnswer),
    /// Checking it takes long.
    Heavy,
}

impl From<PartAnswer> for Refusal {
    fn from(answer: PartAnswer) -> Self {
        Self::Answer(answer)
    }
}

pub(super) fn refusal(error: ErrorCode, message: Option<Box<str>>) -> Refusal {
    PartAnswer::error(error, message).into()
}

/// The one batch that a partition's records must be, as Kafka demands since version 3.
pub(super) fn only_batch(records: &[u8]) -> Result<&[u8], PartAnswer> {
    let mut batches = record::batches(records);
    match (batches.next(), batches.next()) {
        (Some(Ok(batch)), None) => Ok(batch),
        (Some(Err(error)), _) => Err(refused(error)),
        (None, _) => {
            let why = "a produce request must have exactly one record batch per partition, not none";
            Err(PartAnswer::error(ErrorCode::INVALID_RECORD, Some(why.into())))
        }
        (Some(Ok(_)), Some(_)) => {
            let why = "a produce request must have exactly one record batch per partition";
            Err(PartAnswer::error(ErrorCode::INVALID_RECORD, Some(why.into())))
        }
    }
}

/// Checks a batch for `partition`, unless there is a verdict already.
pub(super) fn check_batch(
    broker: &Broker,
    topic: &TopicHandle,
    partition: &Partition,
    batch: &[u8],
    now: i64,
    verdict: Option<Result<BatchInfo, BatchError>>,
) -> Result<BatchInfo, Refusal> {
    let error = match verdict {
        Some(Ok(info)) => return Ok(info),
        Some(Err(error)) => error,
        None => match check_at_once(broker, topic, batch, now) {
            Ok(info) => return Ok(info),
            Err(BatchError::DecompressedTooLarge { .. }) => return Err(Refusal::Heavy),
            Err(error) => error,
        },
    };
    let log_start_offset = if tells_log_start(&error) { partition.reader.offsets().log_start } else { -1 };
    Err(PartAnswer { log_start_offset, ..refused(error) }.into())
}

fn check_at_once(
    broker: &Broker,
    topic: &TopicHandle,
    batch: &[u8],
    now: i64,
) -> Result<BatchInfo, BatchError> {
    let limits = limits(topic, batch, now);
    let decompressed_bytes_max = limits.decompressed_bytes_max.min(DECOMPRESSED_AT_ONCE_MAX);
    let scratch = &mut broker.produce_scratch.borrow_mut().record;
    record::validate(batch, &Limits { decompressed_bytes_max, ..limits }, scratch)
}

/// Checks batches of `frame`, for as long as it takes; on any thread.
pub(crate) fn check_all(frame: &[u8], checks: Vec<Check>) -> Verdicts {
    let (mut scratch, mut record_errors_left) = (Scratch::default(), RECORD_ERRORS_MAX);
    let mut check = |check: Check| {
        let limits = Limits { record_errors_max: record_errors_left, ..check.limits };
        let verdict = record::validate(&frame[check.batch], &limits, &mut scratch);
        if let Err(BatchError::Records(errors)) = &verdict {
            record_errors_left -= errors.named().len();
        }
        (check.part, verdict)
    };
    checks.into_iter().map(&mut check).collect()
}

pub(super) fn limits(topic: &TopicHandle, batch: &[u8], now: i64) -> Limits {
    let config = &topic.config;
    let is_create_time = config.timestamp_type == TimestampType::CreateTime;
    let (oldest, newest) = (config.timestamp_before_max_ms, config.timestamp_after_max_ms);
    Limits {
        batch_bytes_max: config.max_message_bytes,
        key_required: config.log.cleanup.compact,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MIN
            .max(batch.len().saturating_mul(DECOMPRESSED_RATIO_MAX)),
        timestamp_oldest: if is_create_time { now.saturating_sub(oldest) } else { i64::MIN },
        timestamp_newest: if is_create_time { now.saturating_add(newest) } else { i64::MAX },
        record_errors_max: RECORD_ERRORS_MAX,
        ..Limits::default()
    }
}

fn refused(error: BatchError) -> PartAnswer {
    let answer = PartAnswer::error(error.code(), Some(error.to_string().into()));
    match error {
        BatchError::Records(errors) => PartAnswer { record_errors: Some(errors), ..answer },
        _ => answer,
    }
}

/// Whether Kafka says beside this error where the log begins: it does where its log has refused the batch, and not where the
/// request did not come so far, or the batch is too large or damaged.
fn tells_log_start(error: &BatchError) -> bool {
    let is_before_the_log = matches!(
        error,
        BatchError::Truncated { .. } | BatchError::Trailing { .. } | BatchError::OldMagic { .. }
    );
    !is_before_the_log && !matches!(error.code(), ErrorCode::CORRUPT_MESSAGE | ErrorCode::MESSAGE_TOO_LARGE)
}
