//! JoinGroup: key 11, versions 0–9. Flexible since 6.
//!
//! Since 1 with a rebalance time-out, since 4 a client without an id gets one first (KIP-394), since 5 static members, since 9 a
//! leader is told when nothing is to be assigned (KIP-814). The answer comes when all members of the next generation are there,
//! or with their time-out; nothing behind the request is read meanwhile, as in Kafka.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use coordinator::group::command::{Command, Join, JoinReply, Protocol, Reply};
use wire::error::ErrorCode;
use wire::message::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use wire::primitive::Uuid;

use super::{owned, owned_bytes, owned_if_any, shared, shared_if_any};
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version with a time-out for rebalances; before it the session's counts.
const REBALANCE_TIMEOUT_SINCE: i16 = 1;
/// The first version in which a client has to know its id.
const MEMBER_ID_SINCE: i16 = 4;
/// The first version in which a leader can be told that nothing is to be assigned.
const SKIPS_SINCE: i16 = 9;

/// Has a client join its group.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: JoinGroupRequest<'_>,
) -> JoinGroupResponse<'a> {
    let member_id = shared(&request.member_id);
    let refused = |error| JoinReply::refused(error, member_id.clone());
    let reply = match command(broker, caller, &request) {
        Err(error) => refused(error),
        Ok(join) => match broker.groups.ask(broker, caller, &request.group_id, Command::Join(join)).await {
            Ok(Reply::Join(reply)) => reply,
            Ok(other) => unreachable!("joining came to {other:?}"),
            Err(error) => refused(error),
        },
    };
    answer(&reply)
}

fn command(broker: &Broker, caller: &Caller<'_>, request: &JoinGroupRequest<'_>) -> Result<Join, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let settings = broker.groups.settings();
    let session = u64::try_from(request.session_timeout_ms).map(Duration::from_millis);
    if !session
        .is_ok_and(|time| (settings.session_timeout_min..=settings.session_timeout_max).contains(&time))
    {
        return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    let protocol = |protocol: wire::message::join_group::JoinGroupRequestProtocol<'_>| Protocol {
        name: shared(&protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    let has_rebalance_timeout = caller.version >= REBALANCE_TIMEOUT_SINCE;
    Ok(Join {
        group: shared(&request.group_id),
        member_id: shared(&request.member_id),
        instance_id: shared_if_any(request.group_instance_id.as_deref()),
        client_id: caller.client_id.unwrap_or_default().into(),
        client_host: caller.host(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match has_rebalance_timeout {
            true => request.rebalance_timeout_ms,
            false => request.session_timeout_ms,
        },
        protocol_type: shared(&request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        random_id: Uuid(env::random::uuid().map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?),
        requires_member_id: caller.version >= MEMBER_ID_SINCE,
        can_skip_assignment: caller.version >= SKIPS_SINCE,
    })
}

fn answer<'a>(reply: &JoinReply) -> JoinGroupResponse<'a> {
    let member = |member: &coordinator::group::command::JoinedMember| JoinGroupResponseMember {
        member_id: owned(&member.member_id),
        group_instance_id: owned_if_any(member.instance_id.as_ref()),
        metadata: owned_bytes(&member.metadata),
    };
    JoinGroupResponse {
        throttle_time_ms: 0,
        error_code: reply.error.code(),
        generation_id: reply.generation,
        protocol_type: owned_if_any(reply.protocol_type.as_ref()),
        protocol_name: owned_if_any(reply.protocol.as_ref()),
        leader: owned(&reply.leader),
        skip_assignment: reply.skips_assignment,
        member_id: owned(&reply.member_id),
        members: reply.members.iter().map(member).collect(),
    }
}
