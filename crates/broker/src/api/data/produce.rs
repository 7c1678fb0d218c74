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
use storage::id::TopicId;
use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::record::{BatchError, BatchInfo, Codec, TimestampType};

use super::batch_check::{
    self, Check, RECORD_ERRORS_MAX, Refusal, Verdicts, check_batch, only_batch, refusal,
};
use crate::connection::Connection;
use crate::connection::replies::{self, Part, PartAnswer, PartTopic, Slot};
use crate::dispatch::{self, StartError};
use crate::flows::{Flow, FlowKey, SentBatch};
use crate::pump::{Counted, Waiter};
use crate::server::Broker;
use crate::topic_traffic::TopicCells;
use crate::topics::TopicHandle;

/// The first version in which a producer may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

/// A batch that was checked, and where it goes.
struct Checked<'a> {
    part: usize,
    partition: Rc<Partition>,
    item: NewItem<'a>,
    info: BatchInfo,
}

/// The partitions of a request, as they are checked.
struct Sorted<'a> {
    verdicts: Verdicts,
    /// All of them; those that go on have no answer yet.
    parts: Vec<Part>,
    /// Those that go on.
    checked: Vec<Checked<'a>>,
    record_errors_left: usize,
}

impl Sorted<'_> {
    /// Has the answer name no more records than may be.
    fn bound(&mut self, answer: PartAnswer) -> PartAnswer {
        let mut answer = answer;
        if let Some(errors) = &mut answer.record_errors {
            errors.truncate(self.record_errors_left);
            self.record_errors_left -= errors.named().len();
        }
        answer
    }
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

/// Starts a produce request, whose frame is given without its length; the time at which it was started. The caller has asked
/// for room. `verdicts` has what was checked already.
///
/// # Errors
/// When the frame can't be read: the connection is closed then, as in Kafka. [`StartError::Heavy`] when nothing was started
/// because checking takes long: the caller comes again with what [`batch_check::check_all`] finds.
pub(crate) fn start(
    broker: &Rc<Broker>,
    connection: &Rc<Connection>,
    frame: &[u8],
    verdicts: Verdicts,
) -> Result<Instant, StartError> {
    let (request, produce) = dispatch::read::<ProduceRequest<'_>>(frame)?;
    let version = request.version;
    let (parts, checked) = (Vec::with_capacity(1), Vec::with_capacity(1));
    let mut sorted = Sorted { verdicts, parts, checked, record_errors_left: RECORD_ERRORS_MAX };
    for topic in produce.topic_data.iter() {
        check_topic(broker, &produce, &topic, version, &mut sorted)?;
    }
    let Sorted { parts, checked, .. } = sorted;
    // Only now: what is heavy comes here a second time.
    broker.counters.requested(request.key, version);
    replies::each_topic(&parts, TopicCells::produce_began);
    let now = Instant::now();
    let sender = Sender { broker, connection, client_id: request.client_id, now };
    if produce.acks == 0 {
        start_unanswered(sender, &parts, checked);
        return Ok(now);
    }
    let pending = parts.iter().filter(|part| part.answer.is_none()).count();
    let time_out = Duration::from_millis(u64::try_from(produce.timeout_ms).unwrap_or(0));
    let deadline = now + time_out.min(broker.options.request_time_max);
    let correlation_id = request.correlation_id;
    let read_at = connection.last_active.get();
    let slot = connection.open_slot(Slot { correlation_id, version, read_at, deadline, parts, pending });
    if pending > 0 && connection.slots() == 1 {
        broker.produce_begun();
    }
    for checked in checked {
        let part = checked.part;
        sender.add(checked, |counted| Waiter::Part { connection: connection.clone(), slot, part, counted });
    }
    if pending == 0 {
        connection.send_ready(now);
    }
    Ok(now)
}

/// The compressed batches of a request, for [`batch_check::check_all`].
///
/// # Errors
/// When the frame can't be read.
pub(crate) fn checks(broker: &Broker, frame: &[u8]) -> Result<Vec<Check>, StartError> {
    let (request, produce) = dispatch::read::<ProduceRequest<'_>>(frame)?;
    let (now, mut part, mut checks) = (WallTime::now().0, 0, Vec::new());
    for topic in produce.topic_data.iter() {
        let handle = find_topic(broker, &topic, request.version);
        for data in topic.partition_data.iter() {
            let batch = only_batch(data.records.as_slice().unwrap_or_default());
            if let (Some(handle), Ok(batch)) = (&handle, batch) {
                let start = batch.as_ptr().addr() - frame.as_ptr().addr();
                let limits = batch_check::limits(handle, batch, now);
                checks.push(Check { part, batch: start..start + batch.len(), limits });
            }
            part += 1;
        }
    }
    Ok(checks)
}

fn start_unanswered(sender: Sender<'_>, parts: &[Part], checked: Vec<Checked<'_>>) {
    for checked in checked {
        sender.add(checked, |counted| Waiter::Nobody { connection: sender.connection.clone(), counted });
    }
    for refused in parts.iter().filter_map(|part| part.answer.as_ref()) {
        sender.broker.counters.failed(ApiKey::Produce, refused.error, 1);
        sender.connection.close("a produce with acks=0 was refused");
    }
}

/// Checks all partitions of a topic: a refused one has its answer, the others are among the checked.
fn check_topic<'a>(
    broker: &Broker,
    produce: &ProduceRequest<'a>,
    topic: &TopicProduceData<'a>,
    version: i16,
    sorted: &mut Sorted<'a>,
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
                let verdict = sorted.verdicts.remove(&sorted.parts.len());
                check_partition(broker, produce, handle, &data, version, verdict)
            }
            None if version >= TOPIC_IDS_SINCE => Err(refusal(ErrorCode::UNKNOWN_TOPIC_ID, None)),
            None => Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)),
        };
        let answer = match outcome {
            Ok((partition, item, info)) => {
                sorted.checked.push(Checked { part: sorted.parts.len(), partition, item, info });
                None
            }
            Err(Refusal::Answer(answer)) => Some(sorted.bound(answer)),
            Err(Refusal::Heavy) => return Err(StartError::Heavy),
        };
        sorted.parts.push(Part { topic: part_topic, partition: data.index, answer });
    }
    Ok(())
}

fn find_topic(broker: &Broker, topic: &TopicProduceData<'_>, version: i16) -> Option<Rc<TopicHandle>> {
    match version {
        TOPIC_IDS_SINCE.. => broker.topic_by_id(topic.topic_id),
        _ => broker.topic(&topic.name),
    }
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
    let info = check_batch(broker, topic, &partition, batch, now, verdict)?;
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
