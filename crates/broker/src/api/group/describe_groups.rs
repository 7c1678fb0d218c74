//! DescribeGroups: key 15, versions 0–6. Flexible since 5; what a client may do since 3; static members since 4.
//!
//! A group that is not there is a dead one without an error; since 6 it is GROUP_ID_NOT_FOUND (KIP-1043).

use std::rc::Rc;

use coordinator::group::command::{Command, DescribedGroup as Described, DescribedMember, Reply};
use wire::error::ErrorCode;
use wire::message::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use super::{owned, owned_bytes, owned_if_any, shared};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version in which a group that is not there is an error.
const MISSING_SINCE: i16 = 6;
/// Bits of Kafka's `AclOperation`s: what anybody may do with a group while nobody is refused.
pub(super) const GROUP_OPERATIONS: i32 = 3400;
/// Kafka's name of the state of a group that is not there.
const DEAD: &str = "Dead";

/// Describes groups.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: DescribeGroupsRequest<'a>,
) -> DescribeGroupsResponse<'a> {
    let mut groups = Vec::new();
    for group in request.groups.iter().take(NAMED_MAX) {
        let command = Command::Describe(shared(&group));
        let described = match broker.groups.ask(broker, caller, &group, command).await {
            Ok(Reply::Describe(found)) => answer(found, &group, caller.version),
            Ok(other) => unreachable!("describing a group came to {other:?}"),
            Err(error) => DescribedGroup { error_code: error.code(), ..DescribedGroup::default() },
        };
        let may = request.include_authorized_operations && described.error_code == 0;
        let authorized_operations = if may { GROUP_OPERATIONS } else { i32::MIN };
        groups.push(DescribedGroup { group_id: group, authorized_operations, ..described });
    }
    DescribeGroupsResponse { throttle_time_ms: 0, groups: groups.into() }
}

fn answer<'a>(found: Option<Described>, group: &str, version: i16) -> DescribedGroup<'a> {
    let Some(found) = found else {
        let is_error = version >= MISSING_SINCE;
        let error = if is_error { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE };
        return DescribedGroup {
            error_code: error.code(),
            error_message: is_error.then(|| format!("Group {group} not found.").into()),
            group_state: DEAD.into(),
            ..DescribedGroup::default()
        };
    };
    DescribedGroup {
        group_state: found.state.into(),
        protocol_type: owned(&found.protocol_type),
        protocol_data: owned(&found.protocol),
        members: found.members.iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn member<'a>(of: &DescribedMember) -> DescribedGroupMember<'a> {
    DescribedGroupMember {
        member_id: owned(&of.member_id),
        group_instance_id: owned_if_any(of.instance_id.as_ref()),
        client_id: owned(&of.client_id),
        client_host: owned(&of.client_host),
        member_metadata: owned_bytes(&of.metadata),
        member_assignment: owned_bytes(&of.assignment),
    }
}
