//! FindCoordinator, and asking those who were found.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use env::Instant;
use wire::{ApiKey, message::find_coordinator::FindCoordinatorRequest};

use super::refusal;
use crate::{
    Client, ClientError, Node,
    client::{Limits, To},
};

/// A group as what a coordinator is asked for, by Kafka's number.
const GROUP: i8 = 0;
/// The first version of FindCoordinator that asks for several groups.
const KEYS_SINCE: i16 = 4;
/// Groups of one request at most.
const GROUPS_MAX: usize = 1000;

/// What came of a question about each of several groups.
pub type ByGroup<T> = BTreeMap<String, Result<T, ClientError>>;

/// Who coordinates a group, or why that is not known.
struct Found {
    group: String,
    node: Result<Node, ClientError>,
}

impl Client {
    /// Asks each group's coordinator about the groups that it coordinates, a thousand at most at a time.
    ///
    /// A group whose error is retriable is asked about again, while the operation has time left.
    pub(super) fn at_coordinators<T>(
        &mut self,
        groups: &BTreeSet<String>,
        mut ask: impl FnMut(&mut Self, To, &[String], Instant) -> Result<ByGroup<T>, ClientError>,
    ) -> Result<ByGroup<T>, ClientError> {
        let mut told = ByGroup::new();
        self.retry(|client, deadline| {
            let open: Vec<String> =
                groups.iter().filter(|group| !told.contains_key(*group)).cloned().collect();
            let mut again = None;
            let mut settle = |group: String, result: Result<T, ClientError>| match result {
                Err(e) if e.is_retriable() => again = Some(e),
                settled => drop(told.insert(group, settled)),
            };
            for (group, e) in client.find_coordinators(&open, deadline)? {
                settle(group, Err(e));
            }
            let mut by_node: BTreeMap<i32, Vec<String>> = BTreeMap::new();
            for group in open {
                if let Some(node) = client.coordinators.get(&group) {
                    by_node.entry(*node).or_default().push(group);
                }
            }
            for (node, groups) in by_node {
                for groups in groups.chunks(GROUPS_MAX) {
                    for (group, result) in ask(client, To::Node(node), groups, deadline)? {
                        settle(group, result);
                    }
                }
            }
            again.map_or(Ok(()), Err)
        })?;
        Ok(told)
    }

    /// Asks the coordinator of one group.
    pub(super) fn at_coordinator<T>(
        &mut self,
        group: &str,
        mut ask: impl FnMut(&mut Self, To, Instant) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.retry(|client, deadline| {
            if let Some((_, e)) = client.find_coordinators(&[group.to_owned()], deadline)?.pop() {
                return Err(e);
            }
            let node = client.coordinators.get(group).copied();
            ask(client, node.map_or(To::Any, To::Node), deadline)
        })
    }

    /// Makes the coordinators of groups known that aren't; returns the groups that none was found for.
    fn find_coordinators(
        &mut self,
        groups: &[String],
        deadline: Instant,
    ) -> Result<Vec<(String, ClientError)>, ClientError> {
        let unknown: Vec<&String> =
            groups.iter().filter(|group| !self.coordinators.contains_key(*group)).collect();
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let takes_several = self.version(To::Any, ApiKey::FindCoordinator, deadline)? >= KEYS_SINCE;
        let mut lost = Vec::new();
        for groups in unknown.chunks(if takes_several { GROUPS_MAX } else { 1 }) {
            for Found { group, node } in self.ask_coordinators(groups, deadline)? {
                match node {
                    Ok(node) => {
                        self.coordinators.insert(group, node.id);
                        self.nodes.entry(node.id).or_insert(node);
                    }
                    Err(e) => lost.push((group, e)),
                }
            }
        }
        Ok(lost)
    }

    fn ask_coordinators(&mut self, groups: &[&String], deadline: Instant) -> Result<Vec<Found>, ClientError> {
        let request = FindCoordinatorRequest {
            key_type: GROUP,
            coordinator_keys: groups.iter().map(|group| Cow::Borrowed(group.as_str())).collect(),
            // The same, as versions up to 3 have it.
            key: groups.first().map(|group| Cow::Borrowed(group.as_str())).unwrap_or_default(),
        };
        self.call(To::Any, &request, Limits::until(deadline), |response, broker| {
            let found = |group: &str, code: i16, (id, host, port): (i32, Cow<'_, str>, i32)| {
                let node = refusal(broker, ApiKey::FindCoordinator, group, code)
                    .and_then(|()| node_at(broker, id, host, port));
                Found { group: group.to_owned(), node }
            };
            if response.coordinators.is_empty() {
                let at = (response.node_id, response.host, response.port);
                return Ok(groups
                    .iter()
                    .map(|group| found(group, response.error_code, at.clone()))
                    .collect());
            }
            let each = response.coordinators.iter();
            Ok(each.map(|c| found(&c.key, c.error_code, (c.node_id, c.host, c.port))).collect())
        })
    }
}

fn node_at(broker: &str, id: i32, host: Cow<'_, str>, port: i32) -> Result<Node, ClientError> {
    let Ok(port) = u16::try_from(port) else {
        let why = format!("port {port} of node {id} is none");
        return Err(ClientError::Answer { broker: broker.to_owned(), api: ApiKey::FindCoordinator, why });
    };
    Ok(Node { id, host: host.into_owned(), port, rack: None })
}
