//! SyncGroup: key 14, versions 0–5. Flexible since 4; static members since 3; since 5 a client has to say what it takes the
//! group's protocol to be.
//!
//! Who does not lead waits until the leader has brought everybody's assignment and that is written down.

use std::rc::Rc;

use bytes::Bytes;
use coordinator::group::command::{Command, Reply, Sync, SyncReply};
use wire::error::ErrorCode;
use wire::message::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};

use super::{owned_bytes, owned_if_any, shared, shared_if_any};
use crate::dispatch::Caller;
use crate::server::Broker;

/// The first version in which protocol and type have to be said.
const PROTOCOL_SINCE: i16 = 5;

/// Gives a member its assignment.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: SyncGroupRequest<'_>,
) -> SyncGroupResponse<'a> {
    let reply = match command(caller, &request) {
        Err(error) => SyncReply::refused(error),
        Ok(sync) => match broker.groups.ask(broker, caller, &request.group_id, Command::Sync(sync)).await {
            Ok(Reply::Sync(reply)) => reply,
            Ok(other) => unreachable!("syncing came to {other:?}"),
            Err(error) => SyncReply::refused(error),
        },
    };
    SyncGroupResponse {
        throttle_time_ms: 0,
        error_code: reply.error.code(),
        protocol_type: owned_if_any(reply.protocol_type.as_ref()),
        protocol_name: owned_if_any(reply.protocol.as_ref()),
        assignment: owned_bytes(&reply.assignment),
    }
}

fn command(caller: &Caller<'_>, request: &SyncGroupRequest<'_>) -> Result<Sync, ErrorCode> {
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if caller.version >= PROTOCOL_SINCE && !says_protocol {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let assigned =
        |to: SyncGroupRequestAssignment<'_>| (shared(&to.member_id), Bytes::copy_from_slice(&to.assignment));
    Ok(Sync {
        group: shared(&request.group_id),
        generation: request.generation_id,
        member_id: shared(&request.member_id),
        instance_id: shared_if_any(request.group_instance_id.as_deref()),
        protocol_type: shared_if_any(request.protocol_type.as_deref()),
        protocol: shared_if_any(request.protocol_name.as_deref()),
        assignments: request.assignments.iter().map(assigned).collect(),
    })
}
