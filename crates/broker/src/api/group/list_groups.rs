//! ListGroups: key 16, versions 0–5. Flexible since 3; states since 4, types since 5, both also to choose by.

use std::rc::Rc;

use coordinator::group::command::{Command, ListFilter, ListedGroup as Listed, Reply};
use wire::message::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::owned;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Lists groups.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: ListGroupsRequest<'_>,
) -> ListGroupsResponse<'a> {
    let filter = ListFilter {
        states: request.states_filter.iter().take(NAMED_MAX).map(|state| (&*state).into()).collect(),
        types: request.types_filter.iter().take(NAMED_MAX).map(|name| (&*name).into()).collect(),
    };
    let replies = match broker.groups.ask_all(broker, &Command::List(filter)).await {
        Ok(replies) => replies,
        Err(error) => {
            return ListGroupsResponse { error_code: error.code(), ..ListGroupsResponse::default() };
        }
    };
    let listed = replies.into_iter().flat_map(|reply| match reply {
        Reply::List(groups) => groups,
        other => unreachable!("listing groups came to {other:?}"),
    });
    ListGroupsResponse {
        groups: listed.map(|group| answer(&group)).collect(),
        ..ListGroupsResponse::default()
    }
}

fn answer<'a>(group: &Listed) -> ListedGroup<'a> {
    ListedGroup {
        group_id: owned(&group.group),
        protocol_type: owned(&group.protocol_type),
        group_state: group.state.into(),
        group_type: group.group_type.into(),
    }
}
