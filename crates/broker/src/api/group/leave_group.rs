//! LeaveGroup: key 13, versions 0–5. Flexible since 4; several members since 3, by id or by instance.
//!
//! Before 3 the one member's error is the answer's.

use std::rc::Rc;

use coordinator::group::command::{Command, Leave, LeftMember, MemberIdentity, Reply};
use wire::error::ErrorCode;
use wire::message::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use super::{owned, owned_if_any, shared, shared_if_any};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version that names several members.
const MEMBERS_SINCE: i16 = 3;

/// Takes members out of their group.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: LeaveGroupRequest<'_>,
) -> LeaveGroupResponse<'a> {
    match leave(broker, caller, &request).await {
        Err(error) => LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() },
        Ok(left) if caller.version < MEMBERS_SINCE => LeaveGroupResponse {
            error_code: left.first().map_or(ErrorCode::NONE, |left| left.error).code(),
            ..LeaveGroupResponse::default()
        },
        Ok(left) => {
            LeaveGroupResponse { members: left.iter().map(answer).collect(), ..LeaveGroupResponse::default() }
        }
    }
}

async fn leave(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: &LeaveGroupRequest<'_>,
) -> Result<Vec<LeftMember>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let members = named(caller.version, request);
    let leave = Leave { group: shared(&request.group_id), members: members.clone() };
    match broker.groups.ask(broker, caller, &request.group_id, Command::Leave(leave)).await? {
        // There is no such group: then none of them is a member.
        Reply::Leave(Err(error)) => {
            Ok(members.into_iter().map(|member| LeftMember { member, error }).collect())
        }
        Reply::Leave(Ok(left)) => Ok(left),
        other => unreachable!("leaving came to {other:?}"),
    }
}

fn named(version: i16, request: &LeaveGroupRequest<'_>) -> Vec<MemberIdentity> {
    if version < MEMBERS_SINCE {
        return vec![MemberIdentity { member_id: shared(&request.member_id), instance_id: None }];
    }
    let identity = |member: wire::message::leave_group::MemberIdentity<'_>| MemberIdentity {
        member_id: shared(&member.member_id),
        instance_id: shared_if_any(member.group_instance_id.as_deref()),
    };
    request.members.iter().take(NAMED_MAX).map(identity).collect()
}

fn answer<'a>(left: &LeftMember) -> MemberResponse<'a> {
    MemberResponse {
        member_id: owned(&left.member.member_id),
        group_instance_id: owned_if_any(left.member.instance_id.as_ref()),
        error_code: left.error.code(),
    }
}
