//! Produce: key 0, versions 3–13. Version 13 names topics by id; 9 and later are flexible.
//!
//! A request is checked whole, its batches are added to the forming group, and the connection goes on reading; the pump
//! answers. Everything that only the log's order can decide (duplicates, sequences) comes back with the commit.
//! acks=1 waits as long as acks=all; acks=0 takes the same way and gets no answer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use cluster::commit::{NewItem, Rewrite};
use cluster::partitions::Partition;
use env::{Instant, WallTime};
use storage::id::TopicId;
use wire::error::ErrorCode;
use wire::frame::{self, RequestFrame};
use wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::primitive::{DecodeError, Message};
use wire::record::{self, BatchError, BatchInfo, Codec, Limits, Scratch, TimestampType};

use crate::connection::Connection;
use crate::connection::replies::{Part, PartAnswer, PartTopic, Slot};
use crate::flows::{Flow, FlowKey, SentBatch};
use crate::pump::{Counted, Waiter};
use crate::server::Broker;
use crate::topics::TopicHandle;

/// The first version in which a producer may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

/// Records of a batch may decompress to this much whatever its size, and beyond it to so many times its size. Kafka has no
/// such bound; here a small batch must not hold a thread for seconds.
const DECOMPRESSED_BYTES_MIN: usize = 32 << 20;
const DECOMPRESSED_RATIO_MAX: usize = 32;

/// A compressed batch is checked on the I/O thread as far as its records decompress to this much; beyond it another thread
/// does it, so that the other connections do not wait.
const DECOMPRESSED_AT_ONCE_MAX: usize = 256 << 10;

/// What was found out beside the I/O thread, by the partition's place in the request.
pub(crate) type Verdicts = BTreeMap<usize, Result<BatchInfo, BatchError>>;

/// A batch to be checked beside the I/O thread.
pub(crate) struct Check {
    part: usize,
    /// Where it is in the frame.
    batch: Range<usize>,
    limits: Limits,
}

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
    info: BatchInfo,
}

/// Who sent a request.
#[derive(Clone, Copy)]
struct Sender<'a> {
    broker: &'a Rc<Broker>,
    connection: &'a Rc<Connection>,
    client_id: Option<&'a str>,
    now: Instant,
}

impl Sender<'_> {
    /// Adds a batch to the forming group.
    fn add(&self, checked: Checked<'_>, waiter: impl FnOnce(Counted) -> Waiter) {
        let Checked { partition, item, info, .. } = checked;
        let flow = self.flow(item.partition.topic_id);
        let counted = Counted { flow, batch: SentBatch::new(&info, item.bytes.len()) };
        let item = NewItem { answered_in: self.connection.answered_in.get(), ..item };
        self.broker.committer().add(partition.reader.shard(), item, waiter(counted));
    }

    fn flow(&self, topic_id: TopicId) -> Rc<Flow> {
        let (mut last, software) = (self.connection.flow.borrow_mut(), self.connection.software.borrow());
        let key = FlowKey::new(topic_id, self.client_id, software.as_ref());
        match &*last {
            Some(flow) if flow.is_of(&key) => flow.clone(),
            _ => {
                let found = self.broker.flows.find(&key, &self.broker.node().image(), self.now);
                last.insert(found).clone()
            }
        }
    }
}

/// Starts a produce request, whose frame is given without its length. The caller has asked for room. `verdicts` has what
/// was checked already.
///
/// # Errors
/// When the frame can't be read: the connection is closed then, as in Kafka. [`StartError::Heavy`] when nothing was started
/// because checking takes long: the caller comes again with what [`check_all`] finds.
pub(crate) fn start(
    broker: &Rc<Broker>,
    connection: &Rc<Connection>,
    frame: &[u8],
    mut verdicts: Verdicts,
) -> Result<(), StartError> {
    let (request, produce) = read(frame)?;
    let version = request.version;
    let (mut parts, mut checked) = (Vec::with_capacity(1), Vec::with_capacity(1));
    for topic in produce.topic_data.iter() {
        check_topic(broker, &produce, &topic, version, &mut verdicts, &mut parts, &mut checked)?;
    }
    // Only now: what is heavy comes here a second time.
    broker.counters.requested(request.key, version);
    for answer in parts.iter().filter_map(|part| part.answer.as_ref()) {
        broker.counters.failed(request.key, answer.error);
    }
    let now = Instant::now();
    let sender = Sender { broker, connection, client_id: request.client_id, now };
    if produce.acks == 0 {
        start_unanswered(sender, &parts, checked);
        return Ok(());
    }
    let pending = parts.iter().filter(|part| part.answer.is_none()).count();
    let time_out = Duration::from_millis(u64::try_from(produce.timeout_ms).unwrap_or(0));
    let deadline = now + time_out.min(broker.options.request_time_max);
    let correlation_id = request.correlation_id;
    let slot = connection.open_slot(Slot { correlation_id, version, deadline, parts, pending });
    if pending > 0 && connection.slots() == 1 {
        broker.produce_begun();
    }
    for checked in checked {
        let part = checked.part;
        sender.add(checked, |counted| Waiter::Part { connection: connection.clone(), slot, part, counted });
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
    /// Have its batches checked beside the I/O thread.
    #[error("a batch decompresses to more than is checked at once")]
    Heavy,
}

fn read(frame: &[u8]) -> Result<(RequestFrame<'_>, ProduceRequest<'_>), StartError> {
    let mut request = frame::read_request(frame)?;
    if !request.key.versions().contains(&request.version) {
        return Err(StartError::Version(request.version));
    }
    let produce = ProduceRequest::decode(&mut request.body, request.version)?;
    Ok((request, produce))
}

/// The compressed batches of a request, for [`check_all`].
///
/// # Errors
/// When the frame can't be read.
pub(crate) fn checks(broker: &Broker, frame: &[u8]) -> Result<Vec<Check>, StartError> {
    let (request, produce) = read(frame)?;
    let (now, mut part, mut checks) = (WallTime::now().0, 0, Vec::new());
    for topic in produce.topic_data.iter() {
        let handle = find_topic(broker, &topic, request.version);
        for data in topic.partition_data.iter() {
            let batch = only_batch(data.records.as_slice().unwrap_or_default());
            if let (Some(handle), Ok(batch)) = (&handle, batch) {
                let start = batch.as_ptr().addr() - frame.as_ptr().addr();
                let limits = limits(handle, batch, now);
                checks.push(Check { part, batch: start..start + batch.len(), limits });
            }
            part += 1;
        }
    }
    Ok(checks)
}

/// Checks batches of `frame`, for as long as it takes; on any thread.
pub(crate) fn check_all(frame: &[u8], checks: Vec<Check>) -> Verdicts {
    let mut scratch = Scratch::default();
    let mut check =
        |check: Check| (check.part, record::validate(&frame[check.batch], &check.limits, &mut scratch));
    checks.into_iter().map(&mut check).collect()
}

fn start_unanswered(sender: Sender<'_>, parts: &[Part], checked: Vec<Checked<'_>>) {
    for checked in checked {
        sender.add(checked, |counted| Waiter::Nobody { connection: sender.connection.clone(), counted });
    }
    if parts.iter().any(|part| part.answer.is_some()) {
        sender.connection.close("a produce with acks=0 was refused");
    }
}

/// Checks all partitions of a topic: a refused one has its answer, the others are in `checked`.
fn check_topic<'a>(
    broker: &Broker,
    produce: &ProduceRequest<'a>,
    topic: &TopicProduceData<'a>,
    version: i16,
    verdicts: &mut Verdicts,
    parts: &mut Vec<Part>,
    checked: &mut Vec<Checked<'a>>,
) -> Result<(), StartError> {
    let handle = find_topic(broker, topic, version);
    for data in topic.partition_data.iter() {
        let part_topic = match &handle {
            Some(handle) => PartTopic::Known(handle.clone()),
            None => PartTopic::Unknown { name: (&*topic.name).into(), id: topic.topic_id },
        };
        let outcome = match &handle {
            Some(handle) if handle.is_internal => {
                let why = format!("Cannot append to internal topic {}", handle.topic.name);
                Err(refusal(ErrorCode::INVALID_TOPIC_EXCEPTION, Some(why.into())))
            }
            Some(handle) => {
                let verdict = verdicts.remove(&parts.len());
                check_partition(broker, produce, handle, &data, version, verdict)
            }
            None if version >= TOPIC_IDS_SINCE => Err(refusal(ErrorCode::UNKNOWN_TOPIC_ID, None)),
            None => Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)),
        };
        let answer = match outcome {
            Ok((partition, item, info)) => {
                checked.push(Checked { part: parts.len(), partition, item, info });
                None
            }
            Err(Refusal::Answer(answer)) => Some(answer),
            Err(Refusal::Heavy) => return Err(StartError::Heavy),
        };
        parts.push(Part { topic: part_topic, partition: data.index, answer });
    }
    Ok(())
}

fn find_topic(broker: &Broker, topic: &TopicProduceData<'_>, version: i16) -> Option<Rc<TopicHandle>> {
    match version {
        TOPIC_IDS_SINCE.. => broker.topic_by_id(topic.topic_id),
        _ => broker.topic(&topic.name),
    }
}

/// Why a partition's batch does not go on.
enum Refusal {
    Answer(PartAnswer),
    /// Checking it takes long.
    Heavy,
}

impl From<PartAnswer> for Refusal {
    fn from(answer: PartAnswer) -> Self {
        Self::Answer(answer)
    }
}

fn refusal(error: ErrorCode, message: Option<Box<str>>) -> Refusal {
    PartAnswer::error(error, message).into()
}

fn check_partition<'a>(
    broker: &Broker,
    produce: &ProduceRequest<'_>,
    topic: &TopicHandle,
    data: &PartitionProduceData<'a>,
    version: i16,
    verdict: Option<Result<BatchInfo, BatchError>>,
) -> Result<(Rc<Partition>, NewItem<'a>, BatchInfo), Refusal> {
    if !matches!(produce.acks, -1..=1) {
        return Err(refusal(ErrorCode::INVALID_REQUIRED_ACKS, None));
    }
    let Some(partition) = topic.partition(data.index, broker.node().partitions()) else {
        return Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
    };
    if let Some(why) = broker.node().refuses_writes() {
        return Err(refusal(ErrorCode::KAFKA_STORAGE_ERROR, Some(why.into())));
    }
    let batch = only_batch(data.records.as_slice().unwrap_or_default())?;
    let now = WallTime::now().0;
    let info = match verdict {
        Some(verdict) => verdict.map_err(|error| refused(&error))?,
        None => check_batch(broker, topic, batch, now)?,
    };
    if info.codec == Codec::Zstd && version < ZSTD_SINCE {
        return Err(refusal(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, None));
    }
    if info.header.is_transactional() && produce.transactional_id.is_none() {
        // Kafka authorizes the transactional id, and there is none to be authorized.
        return Err(refusal(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None));
    }
    if info.header.is_transactional() {
        let why = "transactions are not served yet";
        return Err(refusal(ErrorCode::INVALID_TXN_STATE, Some(why.into())));
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
        wait: topic.config.wait,
        answered_in: 0,
    };
    Ok((partition, item, info))
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

fn check_batch(broker: &Broker, topic: &TopicHandle, batch: &[u8], now: i64) -> Result<BatchInfo, Refusal> {
    let limits = limits(topic, batch, now);
    let decompressed_bytes_max = limits.decompressed_bytes_max.min(DECOMPRESSED_AT_ONCE_MAX);
    let scratch = &mut broker.produce_scratch.borrow_mut().record;
    record::validate(batch, &Limits { decompressed_bytes_max, ..limits }, scratch).map_err(
        |error| match error {
            BatchError::DecompressedTooLarge { .. } => Refusal::Heavy,
            error => refused(&error).into(),
        },
    )
}

fn limits(topic: &TopicHandle, batch: &[u8], now: i64) -> Limits {
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
        ..Limits::default()
    }
}

fn refused(error: &BatchError) -> PartAnswer {
    let record_index = error.record_index();
    PartAnswer { record_index, ..PartAnswer::error(error.code(), Some(error.to_string().into())) }
}
