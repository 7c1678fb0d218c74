//! ConsumerGroupDescribe: key 69, versions 0–1. Flexible. Since 1 a member's protocol is told.

use std::rc::Rc;

use coordinator::group::Topics;
use coordinator::group::command::{Command, DescribedConsumer, DescribedConsumerGroup, Reply};
use coordinator::record::Partitions;
use wire::error::ErrorCode;
use wire::message::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
    TopicPartitions,
};

use super::describe_groups::GROUP_OPERATIONS;
use super::{owned, owned_if_any, shared};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::groups::GroupsImage;
use crate::server::Broker;

/// A member that speaks the classic protocol, and one that speaks the consumer protocol.
const MEMBER_TYPE_CLASSIC: i8 = 0;
const MEMBER_TYPE_CONSUMER: i8 = 1;

/// Describes groups of the consumer protocol.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: ConsumerGroupDescribeRequest<'a>,
) -> ConsumerGroupDescribeResponse<'a> {
    let mut groups = Vec::new();
    for group in request.group_ids.iter().take(NAMED_MAX) {
        let described = match describe(broker, caller, &group).await {
            Ok(found) => answer(broker, &found),
            Err((error, message)) => DescribedGroup {
                error_code: error.code(),
                error_message: message.map(Into::into),
                ..DescribedGroup::default()
            },
        };
        let may = request.include_authorized_operations && described.error_code == 0;
        let authorized_operations = if may { GROUP_OPERATIONS } else { i32::MIN };
        groups.push(DescribedGroup { group_id: group, authorized_operations, ..described });
    }
    ConsumerGroupDescribeResponse { throttle_time_ms: 0, groups: groups.into() }
}

async fn describe(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    group: &str,
) -> Result<DescribedConsumerGroup, (ErrorCode, Option<String>)> {
    if group.is_empty() {
        return Err((ErrorCode::INVALID_GROUP_ID, None));
    }
    let asked = broker.groups.ask(broker, caller, group, Command::DescribeConsumer(shared(group))).await;
    match asked.map_err(|error| (error, None))? {
        Reply::DescribeConsumer(Some(found)) => Ok(found),
        Reply::DescribeConsumer(None) => {
            Err((ErrorCode::GROUP_ID_NOT_FOUND, Some(format!("Group {group} not found."))))
        }
        other => unreachable!("describing a group came to {other:?}"),
    }
}

fn answer<'a>(broker: &Rc<Broker>, found: &DescribedConsumerGroup) -> DescribedGroup<'a> {
    DescribedGroup {
        group_state: found.state.into(),
        group_epoch: found.epoch,
        assignment_epoch: found.target_epoch,
        assignor_name: owned(&found.assignor),
        members: found.members.iter().map(|of| member(broker, of)).collect(),
        ..DescribedGroup::default()
    }
}

fn member<'a>(broker: &Rc<Broker>, of: &DescribedConsumer) -> Member<'a> {
    let subscription = &of.subscription;
    Member {
        member_id: owned(&of.member_id),
        instance_id: owned_if_any(subscription.instance_id.as_ref()),
        rack_id: owned_if_any(subscription.rack_id.as_ref()),
        member_epoch: of.epoch,
        client_id: owned(&subscription.client_id),
        client_host: owned(&subscription.client_host),
        subscribed_topic_names: subscription.topics.iter().map(|topic| owned(topic)).collect(),
        // Kafka's is never null.
        subscribed_topic_regex: Some(owned(subscription.regex.as_deref().unwrap_or_default())),
        assignment: assignment(broker, &of.assigned),
        target_assignment: assignment(broker, &of.target),
        member_type: match subscription.classic {
            Some(_) => MEMBER_TYPE_CLASSIC,
            None => MEMBER_TYPE_CONSUMER,
        },
    }
}

/// Topics that are gone are not told of: they have no name.
fn assignment<'a>(broker: &Rc<Broker>, partitions: &Partitions) -> Assignment<'a> {
    let topics = GroupsImage(broker);
    let topic = |(topic_id, numbers): (&wire::primitive::Uuid, &std::collections::BTreeSet<i32>)| {
        let topic_name = owned(&topics.name_of(*topic_id)?);
        Some(TopicPartitions {
            topic_id: *topic_id,
            topic_name,
            partitions: numbers.iter().copied().collect(),
        })
    };
    Assignment { topic_partitions: partitions.iter().filter_map(topic).collect() }
}
