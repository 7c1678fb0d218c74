//! Consumer groups. Each handler makes a command of its request, has the group's coordinator decide (`crate::groups`), and
//! makes an answer of the reply.

pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod delete_groups;
pub(crate) mod describe_groups;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod sync_group;

use std::borrow::Cow;
use std::sync::Arc;

use coordinator::record::shared;

/// A string of a request as groups keep it, where there may be none.
fn shared_if_any(text: Option<&str>) -> Option<Arc<str>> {
    text.map(shared)
}

/// A string of a coordinator in an answer.
fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// Likewise, where there may be none.
fn owned_if_any(text: Option<&Arc<str>>) -> Option<Cow<'static, str>> {
    text.map(|text| owned(text))
}

/// Bytes of a coordinator in an answer.
fn owned_bytes(bytes: &[u8]) -> Cow<'static, [u8]> {
    Cow::Owned(bytes.to_vec())
}
