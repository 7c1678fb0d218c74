//! DeleteGroups: key 42, versions 0–2. Flexible since 2.
//!
//! Deletes groups without members, and all that they have committed.

use std::collections::BTreeSet;
use std::rc::Rc;

use coordinator::group::command::{Command, Reply};
use wire::message::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::shared;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Deletes groups.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: DeleteGroupsRequest<'a>,
) -> DeleteGroupsResponse<'a> {
    let (mut results, mut seen) = (Vec::new(), BTreeSet::new());
    for group in request.groups_names.iter().take(NAMED_MAX) {
        if !seen.insert(group.clone()) {
            continue;
        }
        let command = Command::DeleteGroup(shared(&group));
        let error = match broker.groups.ask(broker, caller, &group, command).await {
            Ok(Reply::DeleteGroup(error)) | Err(error) => error,
            Ok(other) => unreachable!("deleting a group came to {other:?}"),
        };
        results.push(DeletableGroupResult { group_id: group, error_code: error.code() });
    }
    DeleteGroupsResponse { throttle_time_ms: 0, results: results.into() }
}
