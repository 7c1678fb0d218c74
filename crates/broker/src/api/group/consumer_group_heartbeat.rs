//! ConsumerGroupHeartbeat: key 68, versions 0–1. Flexible. Since 1 the client makes the member's id, and may subscribe by an
//! expression (KIP-848).
//!
//! One request does all: joining, saying what is new, giving partitions up and getting them, leaving.

use std::collections::BTreeSet;
use std::rc::Rc;

use coordinator::group::command::{Command, ConsumerBeat, ConsumerBeatReply, Reply};
use coordinator::record::Partitions;
use wire::error::ErrorCode;
use wire::message::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ResponseTopicPartitions,
};
use wire::primitive::Uuid;

use super::{owned, shared, shared_if_any};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version in which the client makes the member's id.
const CLIENT_MAKES_ID_SINCE: i16 = 1;
/// A member that joins, that leaves, and that leaves for a while.
const JOINS: i32 = 0;
const LEAVES: i32 = -1;
const LEAVES_FOR_A_WHILE: i32 = -2;
/// What it was before.
const NOT_SAID: i32 = -1;

type Refused = (ErrorCode, Box<str>);

/// Hears of a member of a group of the consumer protocol.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: ConsumerGroupHeartbeatRequest<'_>,
) -> ConsumerGroupHeartbeatResponse<'a> {
    match hear(broker, caller, &request).await {
        Ok(told) => answer(&told),
        Err((error, message)) => ConsumerGroupHeartbeatResponse {
            error_code: error.code(),
            error_message: Some(message.into_string().into()),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

async fn hear(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Result<ConsumerBeatReply, Refused> {
    check(caller.version, request).map_err(|message| (ErrorCode::INVALID_REQUEST, message.into()))?;
    let assignors = &broker.groups.settings().consumer_assignors;
    let is_unknown = |name: &&str| assignors.iter().all(|known| **known != **name);
    if let Some(name) = request.server_assignor.as_deref().filter(is_unknown) {
        let message =
            format!("ServerAssignor {name} is not supported. Supported assignors: {}.", assignors.join(", "));
        return Err((ErrorCode::UNSUPPORTED_ASSIGNOR, message.into()));
    }
    let member_id = match &*request.member_id {
        "" => {
            let random = env::random::uuid()
                .map_err(|error| (ErrorCode::UNKNOWN_SERVER_ERROR, error.to_string().into_boxed_str()))?;
            Uuid(random).to_string().into()
        }
        id => shared(id),
    };
    let topics = request.subscribed_topic_names.as_ref();
    let beat = ConsumerBeat {
        group: shared(&request.group_id),
        member_id,
        epoch: request.member_epoch,
        instance_id: shared_if_any(request.instance_id.as_deref()),
        rack_id: shared_if_any(request.rack_id.as_deref()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        client_id: caller.client_id.unwrap_or_default().into(),
        client_host: caller.host(),
        topics: topics
            .map(|names| names.iter().take(NAMED_MAX).map(|name| shared(&name)).collect::<BTreeSet<_>>()),
        regex: shared_if_any(request.subscribed_topic_regex.as_deref()),
        assignor: shared_if_any(request.server_assignor.as_deref()),
        owned: request.topic_partitions.as_ref().map(|owned| {
            let mut partitions = Partitions::new();
            for topic in owned.iter().take(NAMED_MAX) {
                partitions.entry(topic.topic_id).or_default().extend(topic.partitions.iter().take(NAMED_MAX));
            }
            partitions
        }),
    };
    match broker.groups.ask(broker, caller, &request.group_id, Command::ConsumerBeat(beat)).await {
        Ok(Reply::ConsumerBeat(told)) => told,
        Ok(other) => unreachable!("a heartbeat of a consumer came to {other:?}"),
        Err(error) => Err((error, error.name().into())),
    }
}

/// Kafka's checks, in its order and words.
fn check(version: i16, request: &ConsumerGroupHeartbeatRequest<'_>) -> Result<(), &'static str> {
    let is_empty = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref() == Some("");
    if version >= CLIENT_MAKES_ID_SINCE && request.member_id.is_empty() {
        return Err("MemberId can't be empty.");
    }
    if request.group_id.trim().is_empty() {
        return Err("GroupId can't be empty.");
    }
    if is_empty(&request.instance_id) {
        return Err("InstanceId can't be empty.");
    }
    if is_empty(&request.rack_id) {
        return Err("RackId can't be empty.");
    }
    match request.member_epoch {
        JOINS => check_first(request),
        LEAVES | 1.. if request.member_id.is_empty() => Err("MemberId can't be empty."),
        LEAVES_FOR_A_WHILE if request.member_id.is_empty() => Err("MemberId can't be empty."),
        LEAVES_FOR_A_WHILE if request.instance_id.is_none() => Err("InstanceId can't be null."),
        LEAVES | LEAVES_FOR_A_WHILE | 1.. => Ok(()),
        _ => Err("MemberEpoch is invalid."),
    }
}

fn check_first(request: &ConsumerGroupHeartbeatRequest<'_>) -> Result<(), &'static str> {
    if request.rebalance_timeout_ms == NOT_SAID {
        return Err("RebalanceTimeoutMs must be provided in first request.");
    }
    if !request.topic_partitions.as_ref().is_some_and(wire::primitive::Array::is_empty) {
        return Err("TopicPartitions must be empty when (re-)joining.");
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return Err(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
    }
    Ok(())
}

fn answer<'a>(told: &ConsumerBeatReply) -> ConsumerGroupHeartbeatResponse<'a> {
    let assignment = told.assignment.as_ref().map(|partitions| Assignment {
        topic_partitions: partitions
            .iter()
            .map(|(topic_id, numbers)| ResponseTopicPartitions {
                topic_id: *topic_id,
                partitions: numbers.iter().copied().collect(),
            })
            .collect(),
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(owned(&told.member_id)),
        member_epoch: told.epoch,
        heartbeat_interval_ms: i32::try_from(told.heartbeat_interval.as_millis()).unwrap_or(i32::MAX),
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
