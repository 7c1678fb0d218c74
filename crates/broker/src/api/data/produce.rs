//! Produce: key 0, versions 3–13. Version 13 names topics by id; 9 and later are flexible.
//!
//! A request is checked whole, its batches are added to the forming group, and the connection goes on reading; the pump
//! answers. Everything that only the log's order can decide (duplicates, sequences) comes back with the commit.
//! acks=1 waits as long as acks=all; acks=0 takes the same way and gets no answer.

use std::rc::Rc;
use std::time::Duration;

use cluster::commit::{NewItem, Rewrite};
use cluster::partitions::Partition;
use env::{Instant, WallTime};
use wire::error::ErrorCode;
use wire::frame;
use wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::primitive::{DecodeError, Message};
use wire::record::{self, BatchError, BatchInfo, Codec, Limits, Scratch, TimestampType};

use crate::connection::Connection;
use crate::connection::replies::{Part, PartAnswer, PartTopic, Slot};
use crate::pump::Waiter;
use crate::server::Broker;
use crate::topics::TopicHandle;

/// The first version in which a producer may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

/// Records of a batch may decompress to this much whatever its size, and beyond it to so many times its size. Kafka has no
/// such bound; here a small batch must not hold the thread of all connections for seconds.
const DECOMPRESSED_BYTES_MIN: usize = 32 << 20;
const DECOMPRESSED_RATIO_MAX: usize = 32;

/// What checking a batch needs, once per thread.
#[derive(Default)]
pub(crate) struct ProduceScratch {
    record: Scratch,
}

/// A batch that was checked, and where it goes.
struct Checked<'a> {
    part: usize,
    partition: Rc<Partition>,
    item: NewItem<'a>,
}

/// Starts a produce request, whose frame is given without its length. The caller has asked for room.
///
/// # Errors
/// When the frame can't be read: the connection is closed then, as in Kafka.
pub(crate) fn start(
    broker: &Rc<Broker>,
    connection: &Rc<Connection>,
    frame: &[u8],
) -> Result<(), StartError> {
    let mut request = frame::read_request(frame)?;
    let version = request.version;
    if !request.key.versions().contains(&version) {
        return Err(StartError::Version(version));
    }
    let produce = ProduceRequest::decode(&mut request.body, version)?;
    let (mut parts, mut checked) = (Vec::with_capacity(1), Vec::with_capacity(1));
    for topic in produce.topic_data.iter() {
        check_topic(broker, &produce, &topic, version, &mut parts, &mut checked);
    }
    if produce.acks == 0 {
        start_unanswered(broker, connection, &parts, checked);
        return Ok(());
    }
    let pending = parts.iter().filter(|part| part.answer.is_none()).count();
    let time_out = Duration::from_millis(u64::try_from(produce.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + time_out.min(broker.options.request_time_max);
    let correlation_id = request.correlation_id;
    let slot = connection.open_slot(Slot { correlation_id, version, deadline, parts, pending });
    if pending > 0 && connection.slots() == 1 {
        broker.produce_begun();
    }
    for Checked { part, partition, item } in checked {
        let waiter = Waiter::Part { connection: connection.clone(), slot, part };
        broker.committer().add(partition.reader.shard(), item, waiter);
    }
    if pending == 0 {
        connection.send_ready();
    }
    Ok(())
}

/// A produce request that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its bytes.
    #[error("Produce: {0}")]
    Malformed(#[from] DecodeError),
    /// Its version.
    #[error("Produce version {0} is not served")]
    Version(i16),
}

fn start_unanswered(
    broker: &Rc<Broker>,
    connection: &Rc<Connection>,
    parts: &[Part],
    checked: Vec<Checked<'_>>,
) {
    for Checked { partition, item, .. } in checked {
        let waiter = Waiter::Nobody { connection: connection.clone() };
        broker.committer().add(partition.reader.shard(), item, waiter);
    }
    if parts.iter().any(|part| part.answer.is_some()) {
        connection.close("a produce with acks=0 was refused");
    }
}

/// Checks all partitions of a topic: a refused one has its answer, the others are in `checked`.
fn check_topic<'a>(
    broker: &Broker,
    produce: &ProduceRequest<'a>,
    topic: &TopicProduceData<'a>,
    version: i16,
    parts: &mut Vec<Part>,
    checked: &mut Vec<Checked<'a>>,
) {
    let handle = match version {
        TOPIC_IDS_SINCE.. => broker.topic_by_id(topic.topic_id),
        _ => broker.topic(&topic.name),
    };
    for data in topic.partition_data.iter() {
        let part_topic = match &handle {
            Some(handle) => PartTopic::Known(handle.clone()),
            None => PartTopic::Unknown { name: (&*topic.name).into(), id: topic.topic_id },
        };
        let outcome = match &handle {
            Some(handle) => check_partition(broker, produce, handle, &data, version),
            None if version >= TOPIC_IDS_SINCE => Err(PartAnswer::error(ErrorCode::UNKNOWN_TOPIC_ID, None)),
            None => Err(PartAnswer::error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)),
        };
        let answer = match outcome {
            Ok((partition, item)) => {
                checked.push(Checked { part: parts.len(), partition, item });
                None
            }
            Err(answer) => Some(answer),
        };
        parts.push(Part { topic: part_topic, partition: data.index, answer });
    }
}

fn check_partition<'a>(
    broker: &Broker,
    produce: &ProduceRequest<'_>,
    topic: &TopicHandle,
    data: &PartitionProduceData<'a>,
    version: i16,
) -> Result<(Rc<Partition>, NewItem<'a>), PartAnswer> {
    if !matches!(produce.acks, -1..=1) {
        return Err(PartAnswer::error(ErrorCode::INVALID_REQUIRED_ACKS, None));
    }
    let Some(partition) = topic.partition(data.index, broker.node().partitions()) else {
        return Err(PartAnswer::error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
    };
    if let Some(why) = broker.node().refuses_writes() {
        return Err(PartAnswer::error(ErrorCode::KAFKA_STORAGE_ERROR, Some(why.into())));
    }
    let batch = only_batch(data.records.as_slice().unwrap_or_default())?;
    let now = WallTime::now().0;
    let info = check_batch(broker, topic, batch, now)?;
    if info.codec == Codec::Zstd && version < ZSTD_SINCE {
        return Err(PartAnswer::error(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, None));
    }
    if info.header.is_transactional() && produce.transactional_id.is_none() {
        // Kafka authorizes the transactional id, and there is none to be authorized.
        return Err(PartAnswer::error(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None));
    }
    if info.header.is_transactional() {
        let why = "transactions are not served yet";
        return Err(PartAnswer::error(ErrorCode::INVALID_TXN_STATE, Some(why.into())));
    }
    let rewrite = match topic.config.timestamp_type {
        TimestampType::LogAppendTime => Rewrite::LogAppendTime(now),
        TimestampType::CreateTime => Rewrite::CreateTime(info.max_timestamp),
    };
    let item = NewItem {
        partition: partition.reader.partition(),
        offset_delta_of_max_timestamp: info.offset_of_max_timestamp,
        bytes: batch,
        rewrite,
    };
    Ok((partition, item))
}

/// The one batch that a partition's records must be, as Kafka demands since version 3.
fn only_batch(records: &[u8]) -> Result<&[u8], PartAnswer> {
    let mut batches = record::batches(records);
    match (batches.next(), batches.next()) {
        (Some(Ok(batch)), None) => Ok(batch),
        (Some(Err(error)), _) => Err(refused(&error)),
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

fn check_batch(
    broker: &Broker,
    topic: &TopicHandle,
    batch: &[u8],
    now: i64,
) -> Result<BatchInfo, PartAnswer> {
    let config = &topic.config;
    let is_create_time = config.timestamp_type == TimestampType::CreateTime;
    let limits = Limits {
        batch_bytes_max: config.max_message_bytes,
        key_required: config.log.cleanup.compact,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MIN
            .max(batch.len().saturating_mul(DECOMPRESSED_RATIO_MAX)),
        timestamp_oldest: if is_create_time {
            now.saturating_sub(config.timestamp_before_max_ms)
        } else {
            i64::MIN
        },
        timestamp_newest: if is_create_time {
            now.saturating_add(config.timestamp_after_max_ms)
        } else {
            i64::MAX
        },
        ..Limits::default()
    };
    let scratch = &mut broker.produce_scratch.borrow_mut().record;
    record::validate(batch, &limits, scratch).map_err(|error| refused(&error))
}

fn refused(error: &BatchError) -> PartAnswer {
    let record_index = error.record_index();
    PartAnswer { record_index, ..PartAnswer::error(error.code(), Some(error.to_string().into())) }
}
