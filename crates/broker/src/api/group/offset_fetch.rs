//! OffsetFetch: key 9, versions 1–10. Flexible since 6; all partitions of a group since 2, several groups since 8, topics by id
//! since 10.
//!
//! What is told is durable: a fetch waits for commits that came before it. Nothing is ever unstable while there are no
//! transactions, so that `require_stable` changes nothing.

use std::rc::Rc;
use std::sync::Arc;

use coordinator::group::command::{Command, FetchOffsets, FetchedOffset, Reply};
use wire::error::ErrorCode;
use wire::message::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use wire::primitive::{Array, Uuid};

use super::{owned, shared, shared_if_any};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version with an error for the whole answer.
const ERROR_SINCE: i16 = 2;
/// The first version that asks for several groups.
const GROUPS_SINCE: i16 = 8;
/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 10;
/// Nothing is committed.
const NO_OFFSET: i64 = -1;

/// What a group is asked: by topic, with the numbers of its partitions.
type Topics<'a> = Vec<OffsetFetchRequestTopics<'a>>;

/// Tells committed offsets.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: OffsetFetchRequest<'a>,
) -> OffsetFetchResponse<'a> {
    if caller.version < GROUPS_SINCE {
        return one_group(broker, caller, request).await;
    }
    let mut groups = Vec::new();
    for group in request.groups.iter().take(NAMED_MAX) {
        groups.push(of_group(broker, caller, group).await);
    }
    OffsetFetchResponse { groups: groups.into(), ..OffsetFetchResponse::default() }
}

/// The form of versions before 8.
async fn one_group<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: OffsetFetchRequest<'a>,
) -> OffsetFetchResponse<'a> {
    let topics = request.topics.map(|topics| {
        let topic = |topic: OffsetFetchRequestTopic<'a>| OffsetFetchRequestTopics {
            name: topic.name,
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes,
        };
        topics.iter().map(topic).collect::<Topics<'a>>()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: topics.clone().map(Array::from),
        ..OffsetFetchRequestGroup::default()
    };
    let answered = of_group(broker, caller, group).await;
    let (topics, error_code) = match answered.error_code {
        0 => (answered.topics, 0),
        // There is no other place for it.
        code if caller.version < ERROR_SINCE => (all_refused(topics.into_iter().flatten(), code), 0),
        code => (Array::new(), code),
    };
    let partition = |of: OffsetFetchResponsePartitions<'a>| OffsetFetchResponsePartition {
        partition_index: of.partition_index,
        committed_offset: of.committed_offset,
        committed_leader_epoch: of.committed_leader_epoch,
        metadata: of.metadata,
        error_code: of.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics<'a>| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.iter().map(partition).collect(),
    };
    let topics = topics.iter().map(topic).collect();
    OffsetFetchResponse { topics, error_code, ..OffsetFetchResponse::default() }
}

async fn of_group<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    group: OffsetFetchRequestGroup<'a>,
) -> OffsetFetchResponseGroup<'a> {
    let by_id = caller.version >= TOPIC_IDS_SINCE;
    let topics: Option<Topics<'a>> = group.topics.as_ref().map(|topics| named(broker, by_id, topics));
    let partitions = topics.as_ref().map(asked);
    let fetch = FetchOffsets {
        group: shared(&group.group_id),
        member: shared_if_any(group.member_id.as_deref()).map(|id| (id, group.member_epoch)),
        partitions,
    };
    let reply = broker.groups.ask(broker, caller, &group.group_id, Command::FetchOffsets(fetch)).await;
    let fetched = match reply {
        Ok(Reply::FetchOffsets(fetched)) => fetched,
        Ok(other) => unreachable!("fetching offsets came to {other:?}"),
        Err(error) => return refused(group, error),
    };
    if fetched.error != ErrorCode::NONE {
        return refused(group, fetched.error);
    }
    let topics = match topics {
        Some(topics) => in_order(topics, fetched.offsets),
        None => all(broker, by_id, &fetched.offsets),
    };
    OffsetFetchResponseGroup { group_id: group.group_id, topics, error_code: ErrorCode::NONE.code() }
}

fn refused(group: OffsetFetchRequestGroup<'_>, error: ErrorCode) -> OffsetFetchResponseGroup<'_> {
    OffsetFetchResponseGroup { group_id: group.group_id, topics: Array::new(), error_code: error.code() }
}

/// The topics that were asked for; those that were named by id have their names, if there are any.
fn named<'a>(broker: &Broker, by_id: bool, topics: &Array<'a, OffsetFetchRequestTopics<'a>>) -> Topics<'a> {
    let mut named: Topics<'a> = topics.iter().take(NAMED_MAX).collect();
    for topic in named.iter_mut().filter(|_| by_id) {
        let found = broker.topic_by_id(topic.topic_id);
        topic.name = found.map(|found| owned(&found.topic.name)).unwrap_or_default();
    }
    named
}

fn asked(topics: &Topics<'_>) -> Vec<(Arc<str>, i32)> {
    let mut partitions = Vec::new();
    for topic in topics.iter().filter(|topic| !topic.name.is_empty()) {
        let name = shared(&topic.name);
        let left = NAMED_MAX - partitions.len();
        partitions.extend(topic.partition_indexes.iter().take(left).map(|number| (name.clone(), number)));
    }
    partitions
}

/// What was found, in the order of the question; a topic without a name was named by an id that nobody has.
fn in_order<'a>(topics: Topics<'a>, found: Vec<FetchedOffset>) -> Array<'a, OffsetFetchResponseTopics<'a>> {
    let mut found = found.iter();
    let answered = topics.into_iter().map(|topic| {
        let partitions = match topic.name.is_empty() {
            true => topic.partition_indexes.iter().take(NAMED_MAX).map(unknown_id).collect(),
            false => found.by_ref().take(topic.partition_indexes.len()).map(partition).collect(),
        };
        OffsetFetchResponseTopics { name: topic.name, topic_id: topic.topic_id, partitions }
    });
    answered.collect()
}

fn all<'a>(
    broker: &Broker,
    by_id: bool,
    found: &[FetchedOffset],
) -> Array<'a, OffsetFetchResponseTopics<'a>> {
    let of_topic = |of_topic: &[FetchedOffset]| {
        let name = &of_topic[0].topic;
        let topic_id = match by_id {
            true => Uuid(broker.topic(name)?.topic.id.0),
            false => Uuid::ZERO,
        };
        let partitions = of_topic.iter().map(partition).collect();
        Some(OffsetFetchResponseTopics { name: owned(name), topic_id, partitions })
    };
    found.chunk_by(|a, b| a.topic == b.topic).filter_map(of_topic).collect()
}

fn partition<'a>(of: &FetchedOffset) -> OffsetFetchResponsePartitions<'a> {
    OffsetFetchResponsePartitions {
        partition_index: of.partition,
        committed_offset: of.offset,
        committed_leader_epoch: of.leader_epoch,
        metadata: Some(owned(&of.metadata)),
        error_code: ErrorCode::NONE.code(),
    }
}

fn failed<'a>(partition_index: i32, error_code: i16) -> OffsetFetchResponsePartitions<'a> {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: NO_OFFSET,
        metadata: Some("".into()),
        error_code,
        ..OffsetFetchResponsePartitions::default()
    }
}

fn unknown_id<'a>(partition_index: i32) -> OffsetFetchResponsePartitions<'a> {
    failed(partition_index, ErrorCode::UNKNOWN_TOPIC_ID.code())
}

fn all_refused<'a>(
    topics: impl Iterator<Item = OffsetFetchRequestTopics<'a>>,
    code: i16,
) -> Array<'a, OffsetFetchResponseTopics<'a>> {
    let refused = topics.take(NAMED_MAX).map(|topic| OffsetFetchResponseTopics {
        partitions: topic.partition_indexes.iter().map(|number| failed(number, code)).collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    });
    refused.collect()
}
