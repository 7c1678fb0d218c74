//! OffsetCommit: key 8, versions 2–10. Flexible since 8; topics by id since 10; a retention time until 4.
//!
//! Answered when all of it is durable. A partition that is not there is refused alone. As in Kafka, a group that has no members
//! takes commits of anybody who names no generation.

use std::rc::Rc;
use std::sync::Arc;

use coordinator::group::command::{CommitOffsets, NewOffset};
use env::Instant;
use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::message::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::primitive::Uuid;

use super::{shared, shared_if_any};
use crate::api::NAMED_MAX;
use crate::connection::Connection;
use crate::dispatch::{self, StartError};
use crate::server::Broker;
use crate::topics::TopicHandle;

/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 10;
/// The first version that has an error of its own for a group that is not there.
const GROUP_ERRORS_SINCE: i16 = 9;
/// The last version in which a client may say how long offsets are kept.
const RETENTION_UNTIL: i16 = 4;
/// The broker's own retention time.
const DEFAULT_RETENTION: i64 = -1;

/// A commit under way: who is to be answered, and what.
struct Committing {
    broker: Rc<Broker>,
    connection: Rc<Connection>,
    version: i16,
    correlation_id: i32,
    read_at: Instant,
    topics: Vec<Committed>,
}

/// A topic of the answer.
struct Committed {
    name: Arc<str>,
    topic_id: Uuid,
    partitions: Vec<(i32, Outcome)>,
}

/// What becomes of a partition.
#[derive(Clone, Copy)]
enum Outcome {
    /// Refused already.
    Refused(ErrorCode),
    /// The coordinator's to answer, as the offset of this place in the command.
    Asked(usize),
}

impl Outcome {
    fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl Committed {
    fn is_any_refused(&self) -> bool {
        self.partitions.iter().any(|(_, outcome)| outcome.is_refused())
    }
}

/// Starts a commit, whose frame is given without its length; the time at which it was started. Nothing else of the connection
/// is under way, and the caller has asked for room.
///
/// # Errors
/// When the frame can't be read: the connection is closed then, as in Kafka.
pub(crate) fn start(
    broker: &Rc<Broker>,
    connection: &Rc<Connection>,
    frame: &[u8],
) -> Result<Instant, StartError> {
    let (request, body) = dispatch::read::<OffsetCommitRequest<'_>>(frame)?;
    let (version, correlation_id) = (request.version, request.correlation_id);
    broker.counters.requested(request.key, version);
    let (mut topics, mut offsets) = (Vec::with_capacity(1), Vec::with_capacity(1));
    let mut left = NAMED_MAX;
    for topic in &body.topics {
        topics.push(check_topic(broker, version, &topic, &mut left, &mut offsets));
    }
    if topics.iter().any(Committed::is_any_refused) {
        put_refused_first(&mut topics);
    }
    let read_at = connection.last_active.get();
    connection.begin_commit();
    let (broker_of_answer, connection_of_answer) = (broker.clone(), connection.clone());
    let committing = Committing {
        broker: broker_of_answer,
        connection: connection_of_answer,
        version,
        correlation_id,
        read_at,
        topics,
    };
    if offsets.is_empty() {
        committing.answer(Ok(Vec::new()));
    } else {
        let commit = command(&body, version, offsets);
        broker.groups.commit(broker, connection, commit, |result| committing.answer(result));
    }
    Ok(read_at)
}

impl Committing {
    /// The coordinator has answered: one error for each partition that was its to answer, or one for all.
    fn answer(self, result: Result<Vec<ErrorCode>, ErrorCode>) {
        let (errors, all) = match result {
            Ok(errors) => (errors, ErrorCode::NONE),
            Err(all) => (Vec::new(), all),
        };
        let answer = |&(partition_index, outcome): &(i32, Outcome)| {
            let error = match outcome {
                Outcome::Refused(error) => error,
                Outcome::Asked(place) => errors.get(place).copied().unwrap_or(all),
            };
            OffsetCommitResponsePartition { partition_index, error_code: error.code() }
        };
        let topics = self.topics.iter().map(|topic| OffsetCommitResponseTopic {
            name: (&*topic.name).into(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(answer).collect(),
        });
        let response = OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() };
        let (counters, now) = (&self.broker.counters, Instant::now());
        let head = (ApiKey::OffsetCommit, self.version, self.correlation_id);
        self.connection.end_commit(|out| {
            let written = dispatch::write_response(counters, head, &response, out);
            written.expect("the answer is about as long as its request");
        });
        counters.took(ApiKey::OffsetCommit, now.since(self.read_at));
        self.connection.last_active.set(now);
        self.broker.pump.send(self.connection);
    }
}

fn check_topic(
    broker: &Broker,
    version: i16,
    topic: &OffsetCommitRequestTopic<'_>,
    left: &mut usize,
    offsets: &mut Vec<NewOffset>,
) -> Committed {
    let by_id = version >= TOPIC_IDS_SINCE;
    let handle = if by_id { broker.topic_by_id(topic.topic_id) } else { broker.topic(&topic.name) };
    let missing = if by_id { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
    let known: Option<Arc<str>> = handle.as_ref().map(|handle| handle.topic.name.clone());
    let mut partitions = Vec::with_capacity(1);
    for asked in topic.partitions.iter().take(*left) {
        let outcome = match &known {
            None => Outcome::Refused(missing),
            Some(_) if !has_partition(handle.as_deref(), asked.partition_index) => {
                Outcome::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            Some(name) => {
                offsets.push(new_offset(name, topic.topic_id, &asked));
                Outcome::Asked(offsets.len() - 1)
            }
        };
        partitions.push((asked.partition_index, outcome));
    }
    *left -= partitions.len();
    let name = known.unwrap_or_else(|| shared(&topic.name));
    Committed { name, topic_id: topic.topic_id, partitions }
}

/// Kafka's order of the answer: partitions that are not there and their topics come before those that the coordinator answers.
fn put_refused_first(topics: &mut [Committed]) {
    topics.sort_by_key(|topic| !topic.is_any_refused());
    topics.iter_mut().for_each(|topic| topic.partitions.sort_by_key(|(_, outcome)| !outcome.is_refused()));
}

fn has_partition(topic: Option<&TopicHandle>, number: i32) -> bool {
    let count = topic.map_or(0, |topic| topic.topic.shards.len());
    usize::try_from(number).is_ok_and(|number| number < count)
}

fn new_offset(topic: &Arc<str>, topic_id: Uuid, asked: &OffsetCommitRequestPartition<'_>) -> NewOffset {
    NewOffset {
        topic: topic.clone(),
        topic_id,
        partition: asked.partition_index,
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: asked.committed_metadata.as_deref().map(shared).unwrap_or_default(),
    }
}

fn command(request: &OffsetCommitRequest<'_>, version: i16, offsets: Vec<NewOffset>) -> CommitOffsets {
    let may_expire = version <= RETENTION_UNTIL && request.retention_time_ms != DEFAULT_RETENTION;
    CommitOffsets {
        group: shared(&request.group_id),
        generation: request.generation_id_or_member_epoch,
        member_id: shared(&request.member_id),
        instance_id: shared_if_any(request.group_instance_id.as_deref()),
        retention_ms: may_expire.then_some(request.retention_time_ms),
        knows_missing_groups: version >= GROUP_ERRORS_SINCE,
        offsets,
    }
}
