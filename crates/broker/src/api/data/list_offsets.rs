//! ListOffsets: key 2, versions 1–11. Flexible since 6; leader epochs since 4; −3 since 7, −4 since 8, −5 since 9, −6 since 11.
//!
//! | asked for | answer |
//! |---|---|
//! | −1 latest | high watermark, which is the last stable offset too while there are no transactions |
//! | −2 earliest, −4 earliest local | log start offset |
//! | −3 | the largest timestamp and the first offset that has it; −1 in an empty log |
//! | −5 last tiered, −6 first not tiered yet | −1: there is no tiered storage |
//! | a time | the first record in offset order with that timestamp or a later one, exact to the record |
//!
//! Looking by time reads and decompresses, beside the I/O thread. Where it differs from Kafka 4.3.1: partitions are answered
//! in the order of the request, and of more than `NAMED_MAX` the rest is not answered.

use std::collections::HashMap;
use std::rc::Rc;

use cluster::partitions::Partition;
use rustc_hash::FxBuildHasher;
use storage::partition_log::{LogReader, ReadError};
use wire::error::ErrorCode;
use wire::message::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use wire::record::{self, BatchError, Limits};

use super::leader_epoch;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;
use crate::topics::TopicHandle;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// A record, or a place where one may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

/// Nothing there.
const NOTHING: Found = Found { timestamp: -1, offset: -1, leader_epoch: -1 };

/// Finds offsets.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: ListOffsetsRequest<'a>,
) -> ListOffsetsResponse<'a> {
    let mut times = count(&request);
    let (mut topics, mut left) = (Vec::new(), NAMED_MAX);
    for topic in &request.topics {
        let handle = broker.topic(&topic.name);
        let mut partitions = Vec::new();
        for asked in topic.partitions.iter().take(left) {
            left -= 1;
            let times = times.remove(&(topic.name.clone().into_owned(), asked.partition_index));
            let found = match times {
                // Answered where it stood first.
                None => continue,
                Some(2..) => Err(ErrorCode::INVALID_REQUEST),
                Some(_) if !matches!(request.isolation_level, 0 | 1) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
                Some(_) => find(broker, handle.as_deref(), &asked, caller.version).await,
            };
            partitions.push(answer(asked.partition_index, found));
        }
        if !partitions.is_empty() {
            topics.push(ListOffsetsTopicResponse { name: topic.name, partitions: partitions.into() });
        }
    }
    ListOffsetsResponse { throttle_time_ms: 0, topics: topics.into() }
}

/// How often each partition is in the request.
fn count(request: &ListOffsetsRequest<'_>) -> HashMap<(String, i32), usize, FxBuildHasher> {
    let (mut times, mut left) = (HashMap::default(), NAMED_MAX);
    for topic in &request.topics {
        for asked in topic.partitions.iter().take(left) {
            left -= 1;
            *times.entry((topic.name.clone().into_owned(), asked.partition_index)).or_default() += 1;
        }
    }
    times
}

fn answer(partition_index: i32, found: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let error_code = found.err().unwrap_or(ErrorCode::NONE).code();
    let Found { timestamp, offset, leader_epoch } = found.unwrap_or(NOTHING);
    ListOffsetsPartitionResponse { partition_index, error_code, timestamp, offset, leader_epoch }
}

async fn find(
    broker: &Broker,
    topic: Option<&TopicHandle>,
    asked: &ListOffsetsPartition,
    version: i16,
) -> Result<Found, ErrorCode> {
    check_version(asked.timestamp, version)?;
    let partition = topic
        .and_then(|topic| topic.partition(asked.partition_index, broker.node().partitions()))
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let current = broker.node().leader_epoch(partition.reader.shard(), partition.epoch_base);
    leader_epoch::check(asked.current_leader_epoch, current)?;
    match asked.timestamp {
        LATEST | EARLIEST | EARLIEST_LOCAL => Ok(end_or_start(&partition, asked.timestamp, current)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(NOTHING),
        MAX_TIMESTAMP => find_aside(&partition, max_timestamp).await,
        time => find_aside(&partition, move |log| by_time(log, time)).await,
    }
}

/// Which special times there are in a version.
fn check_version(time: i64, version: i16) -> Result<(), ErrorCode> {
    let since = match time {
        0.. | LATEST | EARLIEST => 1,
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => i16::MAX,
    };
    if version < since { Err(ErrorCode::UNSUPPORTED_VERSION) } else { Ok(()) }
}

fn end_or_start(partition: &Partition, time: i64, current: i32) -> Found {
    let offsets = partition.reader.offsets();
    match time {
        LATEST => Found { timestamp: -1, offset: offsets.high_watermark, leader_epoch: current },
        _ => {
            let leader_epoch = partition.reader.epoch_at(offsets.log_start).unwrap_or(current);
            Found { timestamp: -1, offset: offsets.log_start, leader_epoch }
        }
    }
}

async fn find_aside(
    partition: &Partition,
    find: impl FnOnce(&LogReader) -> Result<Option<Found>, LookError> + Send + 'static,
) -> Result<Found, ErrorCode> {
    let log = partition.reader.clone();
    match env::task::spawn_blocking(move || find(&log)).await {
        Ok(found) => Ok(found.unwrap_or(NOTHING)),
        Err(LookError::Read(error)) => Err(error_map::read(&error)),
        Err(error) => {
            tracing::error!(%error, partition = ?partition.reader.partition(), "looking by time");
            Err(ErrorCode::KAFKA_STORAGE_ERROR)
        }
    }
}

/// A log could not be searched.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Slice(#[from] storage::partition_log::ReadSliceError),
    /// A batch that was checked when it came is none now.
    #[error("a stored record batch is damaged: {0}")]
    Batch(#[from] BatchError),
}

fn max_timestamp(log: &LogReader) -> Result<Option<Found>, LookError> {
    let found = log.max_timestamp()?;
    if let Some(found) = found.filter(|found| !found.is_exact)
        && let Some(record) = by_time(log, found.timestamp)?
    {
        return Ok(Some(record));
    }
    Ok(found.map(|found| Found {
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: log.epoch_at(found.offset).unwrap_or(leader_epoch::NO_EPOCH),
    }))
}

fn by_time(log: &LogReader, time: i64) -> Result<Option<Found>, LookError> {
    let (mut from, mut bytes) = (i64::MIN, Vec::new());
    while let Some(batch) = log.batch_for_timestamp_from(time, from)? {
        bytes.clear();
        batch.slice.copy_into(&mut bytes)?;
        match first_at(&bytes, time, batch.log_start)? {
            Ok(found) => return Ok(Some(found)),
            // All records of that time lie before the log start, which cuts the batch.
            Err(batch_end) => from = batch_end,
        }
    }
    Ok(None)
}

/// The first record of a batch with a timestamp of at least `time`, at or above `log_start`; else the batch's end.
fn first_at(batch: &[u8], time: i64, log_start: i64) -> Result<Result<Found, i64>, BatchError> {
    let records = record::read(batch, &Limits::default())?;
    for record in &records {
        let record = record?;
        if record.timestamp >= time && record.offset >= log_start {
            let leader_epoch = records.header().partition_leader_epoch;
            return Ok(Ok(Found { timestamp: record.timestamp, offset: record.offset, leader_epoch }));
        }
    }
    Ok(Err(records.header().last_offset().saturating_add(1)))
}

#[cfg(test)]
#[path = "list_offsets_test.rs"]
mod list_offsets_test;
