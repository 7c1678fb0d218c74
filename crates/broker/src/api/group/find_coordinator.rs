//! FindCoordinator: key 10, versions 0–6. Flexible since 3; several keys since 4, share groups since 6.
//!
//! A node alone coordinates every group. The first question about a group makes `__consumer_offsets`; Kafka answers
//! COORDINATOR_NOT_AVAILABLE until it is there, here the answer waits for it.
//!
//! There is no coordinator of transactions and of share groups yet: their keys get what Kafka answers while its own is not
//! there. Clients ask again until their own time-out says so.

use std::borrow::Cow;
use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// The first version that asks for several keys.
const KEYS_SINCE: i16 = 4;
/// The first version that asks for share groups.
const SHARE_SINCE: i16 = 6;
/// Kafka's texts: of what is no error, and of the two errors.
const NONE: &str = "NONE";
const NOT_AVAILABLE: &str = "The coordinator is not available.";
const MALFORMED: &str = "This most likely occurs because of a request being malformed by the client library or the \
                         message was sent to an incompatible broker. See the broker logs for more details.";

/// Says who coordinates groups: this node.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: FindCoordinatorRequest<'a>,
) -> FindCoordinatorResponse<'a> {
    let has_groups = request.key_type == GROUP && broker.groups.found(broker).await.is_ok();
    let (host, port) = &caller.connection.advertised;
    let found = |key: Cow<'a, str>| Coordinator {
        key,
        node_id: broker.node().broker_id(),
        host: host.clone().into(),
        port: (*port).into(),
        // Kafka sets an empty text where versions have several keys, and none before.
        error_message: Some("".into()),
        ..Coordinator::default()
    };
    if caller.version >= KEYS_SINCE {
        let keys = request.coordinator_keys.iter().take(NAMED_MAX);
        let answer =
            |key| if has_groups { found(key) } else { refused(request.key_type, key, caller.version) };
        return FindCoordinatorResponse { coordinators: keys.map(answer).collect(), ..Default::default() };
    }
    if has_groups {
        let Coordinator { node_id, host, port, .. } = found("".into());
        return FindCoordinatorResponse {
            node_id,
            host,
            port,
            error_message: Some(NONE.into()),
            ..Default::default()
        };
    }
    let (error, message) = refusal(request.key_type, &request.key, caller.version);
    FindCoordinatorResponse {
        error_code: error.code(),
        error_message: Some(message.into()),
        node_id: -1,
        port: -1,
        ..Default::default()
    }
}

fn refused<'a>(key_type: i8, key: Cow<'a, str>, version: i16) -> Coordinator<'a> {
    let (error, message) = refusal(key_type, &key, version);
    // Kafka sets a text in these versions only for a type that it does not know.
    let message = if error == ErrorCode::INVALID_REQUEST { message } else { "" };
    Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code: error.code(),
        error_message: Some(message.into()),
        ..Default::default()
    }
}

fn refusal(key_type: i8, key: &str, version: i16) -> (ErrorCode, &'static str) {
    match key_type {
        GROUP | TRANSACTION => (ErrorCode::COORDINATOR_NOT_AVAILABLE, NOT_AVAILABLE),
        SHARE if version >= SHARE_SINCE && is_share_key(key) => {
            (ErrorCode::COORDINATOR_NOT_AVAILABLE, NOT_AVAILABLE)
        }
        SHARE => (ErrorCode::INVALID_REQUEST, ""),
        _ => (ErrorCode::INVALID_REQUEST, MALFORMED),
    }
}

/// `group:topic id:partition`, the id in 22 characters of base64url; the group may contain colons.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, id, group) = (parts.next(), parts.next(), parts.next());
    let is_id = |id: &str| {
        id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    partition.is_some_and(|partition| partition.parse::<i32>().is_ok())
        && id.is_some_and(is_id)
        && group.is_some_and(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_refused_as_kafka_refuses_them() {
        // Tried against a running Kafka 4.3.1.
        let share = "g:AAAAAAAAAAAAAAAAAAAAAQ:1";
        for (key_type, key, version, error) in [
            (GROUP, "", 6, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (TRANSACTION, "t", 0, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (SHARE, share, 6, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (SHARE, share, 5, ErrorCode::INVALID_REQUEST),
            (SHARE, "x:y:z", 6, ErrorCode::INVALID_REQUEST),
            (SHARE, "a:b", 6, ErrorCode::INVALID_REQUEST),
            (-1, "g", 6, ErrorCode::INVALID_REQUEST),
            (7, "g", 3, ErrorCode::INVALID_REQUEST),
        ] {
            assert_eq!(
                refusal(key_type, key, version).0,
                error,
                "type {key_type}, key {key}, version {version}"
            );
        }
    }
}
