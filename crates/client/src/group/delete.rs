//! DeleteGroups.

use std::{borrow::Cow, collections::BTreeSet};

use wire::{ApiKey, message::delete_groups::DeleteGroupsRequest};

use super::{ByGroup, refusal};
use crate::{Client, ClientError, client::Limits};

impl Client {
    /// Deletes groups with their offsets.
    ///
    /// # Errors
    /// As [`ClientError`] says. A group's own error is beside the group: `NON_EMPTY_GROUP` if it has members,
    /// `GROUP_ID_NOT_FOUND` if there is none, also when an earlier attempt of this call deleted it and its answer was lost.
    pub fn delete_groups(&mut self, groups: &BTreeSet<String>) -> Result<ByGroup<()>, ClientError> {
        self.at_coordinators(groups, |client, to, groups, deadline| {
            let groups_names = groups.iter().map(|group| Cow::Borrowed(group.as_str())).collect();
            let request = DeleteGroupsRequest { groups_names };
            client.call(to, &request, Limits::until(deadline), |response, broker| {
                let each = response.results.iter();
                let result =
                    |id: &str, code| (id.to_owned(), refusal(broker, ApiKey::DeleteGroups, id, code));
                Ok(each.map(|deleted| result(&deleted.group_id, deleted.error_code)).collect())
            })
        })
    }
}
