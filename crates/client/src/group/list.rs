//! ListGroups: what each broker coordinates.

use wire::{ApiKey, message::list_groups::ListGroupsRequest};

use crate::{
    Client, ClientError,
    client::{Limits, To},
};

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedGroup {
    /// Its id.
    pub id: String,
    /// `classic`, `consumer` and so on; empty from brokers that don't tell (before Kafka 3.8).
    pub group_type: String,
    /// `consumer` for consumers; empty for a group that only holds offsets.
    pub protocol_type: String,
    /// `Stable`, `Empty` and so on; empty from brokers that don't tell (before Kafka 2.6).
    pub state: String,
    /// The node that coordinates it.
    pub coordinator: i32,
}

impl Client {
    /// All groups, by id: every broker is asked.
    ///
    /// # Errors
    /// As [`ClientError`] says; one broker that doesn't answer is enough.
    pub fn groups(&mut self) -> Result<Vec<ListedGroup>, ClientError> {
        self.retry(|client, deadline| {
            client.ask_nodes(deadline)?;
            let nodes: Vec<i32> = client.nodes.keys().copied().collect();
            let mut groups = Vec::new();
            for node in nodes {
                let request = ListGroupsRequest::default();
                client.call(To::Node(node), &request, Limits::until(deadline), |response, broker| {
                    if response.error_code != 0 {
                        return Err(ClientError::Refused {
                            broker: broker.to_owned(),
                            api: ApiKey::ListGroups,
                            about: "groups".to_owned(),
                            code: response.error_code,
                            message: None,
                        });
                    }
                    groups.extend(response.groups.iter().map(|group| ListedGroup {
                        id: group.group_id.into_owned(),
                        // Kafka's brokers and its tools differ in case.
                        group_type: group.group_type.to_lowercase(),
                        protocol_type: group.protocol_type.into_owned(),
                        state: group.group_state.into_owned(),
                        coordinator: node,
                    }));
                    Ok(())
                })?;
            }
            groups.sort();
            // A group whose coordinator moves meanwhile may be told by both.
            groups.dedup_by(|a, b| a.id == b.id);
            Ok(groups)
        })
    }
}
