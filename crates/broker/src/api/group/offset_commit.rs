//! OffsetCommit: key 8, versions 2–10. Flexible since 8; topics by id since 10; a retention time until 4.
//!
//! Answered when all of it is durable. A partition that is not there is refused alone. As in Kafka, a group that has no members
//! takes commits of anybody who names no generation.

use std::rc::Rc;
use std::sync::Arc;

use coordinator::group::command::{Command, CommitOffsets, NewOffset, Reply};
use wire::error::ErrorCode;
use wire::message::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::primitive::Uuid;

use super::{shared, shared_if_any};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
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

/// A topic of the answer, partition by partition: refused already, or the coordinator's to answer.
struct Answered<'a> {
    name: std::borrow::Cow<'a, str>,
    topic_id: Uuid,
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

/// Commits offsets.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: OffsetCommitRequest<'a>,
) -> OffsetCommitResponse<'a> {
    let (mut topics, mut offsets) = (Vec::new(), Vec::new());
    let mut left = NAMED_MAX;
    for topic in &request.topics {
        topics.push(check_topic(broker, caller.version, topic, &mut left, &mut offsets));
    }
    let mut errors = Vec::new().into_iter();
    let mut all = ErrorCode::NONE;
    if !offsets.is_empty() {
        match commit(broker, caller, &request, offsets).await {
            Ok(each) => errors = each.into_iter(),
            Err(error) => all = error,
        }
    }
    let mut answer = |(partition_index, refused): (i32, Option<ErrorCode>)| {
        let error = refused.unwrap_or_else(|| errors.next().unwrap_or(all));
        OffsetCommitResponsePartition { partition_index, error_code: error.code() }
    };
    let topics = topics.into_iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic.partitions.into_iter().map(&mut answer).collect(),
    });
    OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

fn check_topic<'a>(
    broker: &Broker,
    version: i16,
    topic: OffsetCommitRequestTopic<'a>,
    left: &mut usize,
    offsets: &mut Vec<NewOffset>,
) -> Answered<'a> {
    let by_id = version >= TOPIC_IDS_SINCE;
    let handle = if by_id { broker.topic_by_id(topic.topic_id) } else { broker.topic(&topic.name) };
    let missing = if by_id { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
    let name: Option<Arc<str>> = handle.as_ref().map(|handle| handle.topic.name.clone());
    let mut partitions = Vec::new();
    for asked in topic.partitions.iter().take(*left) {
        let refused = match &name {
            None => Some(missing),
            Some(_) if !has_partition(handle.as_deref(), asked.partition_index) => {
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            Some(name) => {
                offsets.push(new_offset(name, topic.topic_id, &asked));
                None
            }
        };
        partitions.push((asked.partition_index, refused));
    }
    *left -= partitions.len();
    Answered { name: topic.name, topic_id: topic.topic_id, partitions }
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

async fn commit(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: &OffsetCommitRequest<'_>,
    offsets: Vec<NewOffset>,
) -> Result<Vec<ErrorCode>, ErrorCode> {
    let may_expire = caller.version <= RETENTION_UNTIL && request.retention_time_ms != DEFAULT_RETENTION;
    let commit = CommitOffsets {
        group: shared(&request.group_id),
        generation: request.generation_id_or_member_epoch,
        member_id: shared(&request.member_id),
        instance_id: shared_if_any(request.group_instance_id.as_deref()),
        retention_ms: may_expire.then_some(request.retention_time_ms),
        knows_missing_groups: caller.version >= GROUP_ERRORS_SINCE,
        offsets,
    };
    match broker.groups.ask(broker, caller, &request.group_id, Command::CommitOffsets(commit)).await? {
        Reply::CommitOffsets(result) => result,
        other => unreachable!("committing came to {other:?}"),
    }
}
