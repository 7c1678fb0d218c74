//! DeleteRecords: key 21, versions 0–2. Flexible since 2.
//!
//! Moves a log's start forward, to the high watermark for −1; answered when that is committed, so `timeout_ms` is not looked
//! at. Checks are Kafka's, in Kafka's order: is there such a partition, may its records be deleted (not of an internal topic, nor where
//! `cleanup.policy` is `compact` alone), is the offset one of the log's. An offset before the log start is fine and changes
//! nothing. Of a partition that is named twice the last offset counts. Files go a few seconds later, whole segments at a time.
//!
//! Where it differs from Kafka 4.3.1: topics and partitions are answered in order, of more than `NAMED_MAX` partitions the
//! rest is not answered, and the segment that is appended to goes too once all its records are deleted.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::partitions::Partition;
use wire::error::ErrorCode;
use wire::message::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;
use crate::topics::TopicHandle;

/// Asks for everything up to the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// The low watermark beside an error.
const NO_WATERMARK: i64 = -1;

/// Where each partition's log is to begin, by topic.
type Asked = BTreeMap<String, BTreeMap<i32, i64>>;
/// A partition, and where its log is to begin.
type Planned = Result<(Rc<Partition>, i64), ErrorCode>;

/// Deletes records.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DeleteRecordsRequest<'_>,
) -> DeleteRecordsResponse<'a> {
    let mut planned: Vec<(String, Vec<(i32, Planned)>)> = Vec::new();
    for (name, partitions) in asked(&request) {
        let topic = broker.topic(&name);
        let plan = |(number, offset)| (number, plan(broker, topic.as_deref(), number, offset));
        planned.push((name, partitions.into_iter().map(plan).collect()));
    }
    let starts: Vec<_> = planned
        .iter()
        .flat_map(|(_, partitions)| partitions)
        .filter_map(|(_, planned)| planned.as_ref().ok())
        .filter(|(partition, offset)| partition.reader.offsets().log_start < *offset)
        .map(|(partition, offset)| (partition.reader.partition(), *offset))
        .collect();
    let mut failed = None;
    if !starts.is_empty() {
        failed = broker.node().advance_log_starts(starts).await.err().map(|error| error_map::propose(&error));
    }
    let topics = planned.into_iter().map(|(name, partitions)| DeleteRecordsTopicResult {
        name: name.into(),
        partitions: partitions
            .into_iter()
            .map(|(number, planned)| {
                answer(number, planned.and_then(|planned| low_watermark(broker, &planned, failed)))
            })
            .collect(),
    });
    DeleteRecordsResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// What is asked for, each partition once.
fn asked(request: &DeleteRecordsRequest<'_>) -> Asked {
    let (mut asked, mut left) = (Asked::new(), NAMED_MAX);
    for topic in &request.topics {
        for partition in topic.partitions.iter().take(left) {
            left -= 1;
            let of_topic = asked.entry(topic.name.clone().into_owned()).or_default();
            of_topic.insert(partition.partition_index, partition.offset);
        }
    }
    asked
}

fn plan(broker: &Broker, topic: Option<&TopicHandle>, number: i32, offset: i64) -> Planned {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition =
        topic.partition(number, broker.node().partitions()).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if topic.is_internal {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let cleanup = topic.config.log.cleanup;
    if cleanup.compact && !cleanup.delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let high_watermark = partition.reader.offsets().high_watermark;
    match offset {
        HIGH_WATERMARK => Ok((partition, high_watermark)),
        _ if (0..=high_watermark).contains(&offset) => Ok((partition, offset)),
        _ => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
    }
}

/// Where the log begins now, which is at the wanted offset or later.
fn low_watermark(
    broker: &Broker,
    (partition, wanted): &(Rc<Partition>, i64),
    failed: Option<ErrorCode>,
) -> Result<i64, ErrorCode> {
    let log_start = partition.reader.offsets().log_start;
    if log_start < *wanted
        && let Some(error) = failed
    {
        return Err(error);
    }
    let is_there = broker.node().partitions().find(&partition.reader.partition()).is_some();
    is_there.then_some(log_start).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn answer(partition_index: i32, low_watermark: Result<i64, ErrorCode>) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult {
        partition_index,
        error_code: low_watermark.err().unwrap_or(ErrorCode::NONE).code(),
        low_watermark: low_watermark.unwrap_or(NO_WATERMARK),
    }
}
