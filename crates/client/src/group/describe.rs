//! DescribeGroups, and ConsumerGroupDescribe for groups of the newer protocol (KIP-848).

use std::{borrow::Cow, collections::BTreeSet};

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::{
        consumer_group_describe::{self, ConsumerGroupDescribeRequest},
        describe_groups::{DescribeGroupsRequest, DescribedGroup, DescribedGroupMember},
    },
};

use super::{ByGroup, protocol, refusal};
use crate::{
    Client, ClientError, Partitions,
    client::{Limits, To},
};

/// The protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";
/// The state of a group that isn't there, as brokers before Kafka 4.0 tell it.
const DEAD: &str = "Dead";

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub id: String,
    /// `Stable`, `Empty` and so on.
    pub state: String,
    /// `consumer` for consumers; empty for a group that only holds offsets.
    pub protocol_type: String,
    /// Who divides the partitions, such as `range`; empty without members.
    pub assignor: String,
    /// The node that coordinates it.
    pub coordinator: i32,
    /// Its members, by id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// The id that it keeps over restarts, if it has one.
    pub instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions; `None` where the group's protocol is another than consumers', or what it says can't be read.
    pub assignment: Option<Partitions>,
}

impl Client {
    /// Describes groups of either protocol.
    ///
    /// # Errors
    /// As [`ClientError`] says. A group's own error is beside the group: `GROUP_ID_NOT_FOUND` if there is none.
    pub fn describe_groups(
        &mut self,
        groups: &BTreeSet<String>,
    ) -> Result<ByGroup<GroupDescription>, ClientError> {
        let mut told = self.at_coordinators(groups, Self::ask_classic)?;
        let is_unknown = |told: &Result<_, ClientError>| {
            told.as_ref().err().and_then(ClientError::code) == Some(ErrorCode::GROUP_ID_NOT_FOUND)
        };
        let unknown: BTreeSet<String> =
            told.iter().filter(|(_, told)| is_unknown(told)).map(|(id, _)| id.clone()).collect();
        let has_newer =
            |client: &mut Self, deadline| client.serves(To::Any, ApiKey::ConsumerGroupDescribe, deadline);
        if !unknown.is_empty() && self.retry(has_newer)? {
            told.extend(self.at_coordinators(&unknown, Self::ask_newer)?);
        }
        Ok(told)
    }

    fn ask_classic(
        &mut self,
        to: To,
        groups: &[String],
        deadline: Instant,
    ) -> Result<ByGroup<GroupDescription>, ClientError> {
        let request = DescribeGroupsRequest {
            groups: groups.iter().map(|group| Cow::Borrowed(group.as_str())).collect(),
            include_authorized_operations: false,
        };
        self.call(to, &request, Limits::until(deadline), |response, broker| {
            let each = response.groups.iter();
            Ok(each.map(|group| (group.group_id.clone().into_owned(), classic(group, to, broker))).collect())
        })
    }

    fn ask_newer(
        &mut self,
        to: To,
        groups: &[String],
        deadline: Instant,
    ) -> Result<ByGroup<GroupDescription>, ClientError> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: groups.iter().map(|group| Cow::Borrowed(group.as_str())).collect(),
            include_authorized_operations: false,
        };
        self.call(to, &request, Limits::until(deadline), |response, broker| {
            let each = response.groups.iter();
            Ok(each.map(|group| (group.group_id.clone().into_owned(), newer(group, to, broker))).collect())
        })
    }
}

fn classic(group: DescribedGroup<'_>, to: To, broker: &str) -> Result<GroupDescription, ClientError> {
    let code = match group.error_code {
        0 if group.group_state == DEAD => ErrorCode::GROUP_ID_NOT_FOUND.code(),
        code => code,
    };
    refusal(broker, ApiKey::DescribeGroups, &group.group_id, code)?;
    let is_consumers = group.protocol_type == CONSUMER;
    let mut members: Vec<GroupMember> =
        group.members.iter().map(|member| classic_member(member, is_consumers)).collect();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(GroupDescription {
        id: group.group_id.into_owned(),
        state: group.group_state.into_owned(),
        protocol_type: group.protocol_type.into_owned(),
        assignor: group.protocol_data.into_owned(),
        coordinator: node_id(to),
        members,
    })
}

fn classic_member(member: DescribedGroupMember<'_>, is_consumers: bool) -> GroupMember {
    let assignment =
        is_consumers.then(|| protocol::read_assignment(&member.member_assignment).ok()).flatten();
    GroupMember {
        id: member.member_id.into_owned(),
        instance_id: member.group_instance_id.map(Cow::into_owned),
        client_id: member.client_id.into_owned(),
        host: host(&member.client_host),
        assignment,
    }
}

fn newer(
    group: consumer_group_describe::DescribedGroup<'_>,
    to: To,
    broker: &str,
) -> Result<GroupDescription, ClientError> {
    refusal(broker, ApiKey::ConsumerGroupDescribe, &group.group_id, group.error_code)?;
    let member = |member: consumer_group_describe::Member<'_>| {
        let topics = member.assignment.topic_partitions.iter();
        GroupMember {
            id: member.member_id.into_owned(),
            instance_id: member.instance_id.map(Cow::into_owned),
            client_id: member.client_id.into_owned(),
            host: host(&member.client_host),
            assignment: Some(
                topics.map(|t| (t.topic_name.into_owned(), t.partitions.iter().collect())).collect(),
            ),
        }
    };
    let mut members: Vec<GroupMember> = group.members.iter().map(member).collect();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(GroupDescription {
        id: group.group_id.into_owned(),
        state: group.group_state.into_owned(),
        protocol_type: CONSUMER.to_owned(),
        assignor: group.assignor_name.into_owned(),
        coordinator: node_id(to),
        members,
    })
}

/// Brokers in Java write an address as `name/address`, most often without a name.
fn host(told: &str) -> String {
    told.strip_prefix('/').unwrap_or(told).to_owned()
}

fn node_id(to: To) -> i32 {
    match to {
        To::Node(id) => id,
        To::Any => -1,
    }
}
