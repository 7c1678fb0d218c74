//! Heartbeat: key 12, versions 0–4. Flexible since 4; static members since 3.
//!
//! While a coordinator reads its partition a heartbeat is answered as if all were well, as in Kafka: sessions begin anew then.

use std::rc::Rc;

use coordinator::group::command::{Command, Heartbeat, Reply};
use wire::error::ErrorCode;
use wire::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::{shared, shared_if_any};
use crate::dispatch::Caller;
use crate::server::Broker;

/// Hears of a member.
pub(crate) async fn handle(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: HeartbeatRequest<'_>,
) -> HeartbeatResponse {
    HeartbeatResponse { throttle_time_ms: 0, error_code: hear(broker, caller, &request).await.code() }
}

async fn hear(broker: &Rc<Broker>, caller: &Caller<'_>, request: &HeartbeatRequest<'_>) -> ErrorCode {
    if request.group_id.is_empty() {
        return ErrorCode::INVALID_GROUP_ID;
    }
    let beat = Heartbeat {
        group: shared(&request.group_id),
        generation: request.generation_id,
        member_id: shared(&request.member_id),
        instance_id: shared_if_any(request.group_instance_id.as_deref()),
    };
    match broker.groups.ask(broker, caller, &request.group_id, Command::Heartbeat(beat)).await {
        Ok(Reply::Heartbeat(error)) => error,
        Ok(other) => unreachable!("a heartbeat came to {other:?}"),
        Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => ErrorCode::NONE,
        Err(error) => error,
    }
}
