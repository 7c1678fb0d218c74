//! A member of a group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (the classic protocol).
//!
//! It divides by `range` where it leads. It gives up all partitions before it joins again, as consumers of Kafka did before
//! the cooperative protocol. There is no thread behind it: whoever owns it has it beat now and then, more often than its
//! session lasts, and commits before it joins again.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
};

use super::{
    describe::CONSUMER,
    offsets::Committer,
    protocol,
    range::{self, Subscriber},
    refusal,
};
use crate::{Client, ClientError, Offsets, Partitions, client::Limits};

/// How long others may take to join, as we say and as consumers of Kafka say: they are busy with what they have read.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(300);
/// A rebalance is noticed after so long at most.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// What a member is.
#[derive(Debug, Clone)]
pub struct MemberOptions {
    /// The group.
    pub group: String,
    /// What it wants to read.
    pub topics: Vec<String>,
    /// It has left when the coordinator hears nothing of it for so long.
    pub session_timeout: Duration,
}

/// Whether a member is one still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its partitions are its own.
    Holds,
    /// The group divides anew: its partitions are to be given up, and it has to join again.
    Rejoin,
}

/// See the module's head.
#[derive(Debug)]
pub struct Member {
    options: MemberOptions,
    /// Empty until the coordinator gives one.
    id: String,
    generation: i32,
    last_heartbeat: Instant,
}

/// What came of an attempt to join.
enum Joined {
    /// Come again under this id.
    IdGiven(String),
    In {
        id: String,
        generation: i32,
        /// Of the leader: whom to divide the partitions among.
        subscribers: Option<Vec<Subscriber>>,
    },
}

impl Member {
    /// One that has not joined yet.
    pub fn new(options: MemberOptions) -> Self {
        Self { options, id: String::new(), generation: -1, last_heartbeat: Instant::now() }
    }

    /// Joins, also again; waits for the others as long as the group allows. Returns the partitions that it was given.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn join(&mut self, client: &mut Client) -> Result<Partitions, ClientError> {
        let deadline = Instant::now() + REBALANCE_TIMEOUT + client.options.operation_timeout;
        loop {
            match self.try_join(client) {
                Ok(Some(partitions)) => {
                    self.last_heartbeat = Instant::now();
                    return Ok(partitions);
                }
                Ok(None) => {}
                Err(e) if Instant::now() < deadline && self.is_put_out(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// `None`: once more, under the id that was given.
    fn try_join(&mut self, client: &mut Client) -> Result<Option<Partitions>, ClientError> {
        let (id, generation, subscribers) = match self.ask_to_join(client)? {
            Joined::IdGiven(id) => {
                self.id = id;
                return Ok(None);
            }
            Joined::In { id, generation, subscribers } => (id, generation, subscribers),
        };
        (self.id, self.generation) = (id, generation);
        let assigned = match subscribers {
            Some(subscribers) => divide(client, &subscribers)?,
            None => BTreeMap::new(),
        };
        self.sync(client, &assigned).map(Some)
    }

    fn ask_to_join(&self, client: &mut Client) -> Result<Joined, ClientError> {
        let group = &self.options.group;
        let metadata = protocol::subscription(&self.options.topics);
        client.at_coordinator(group, |client, to, _| {
            let protocol = JoinGroupRequestProtocol {
                name: Cow::Borrowed(range::NAME),
                metadata: Cow::Borrowed(metadata.as_slice()),
            };
            let request = JoinGroupRequest {
                group_id: Cow::Borrowed(group),
                session_timeout_ms: milliseconds(self.options.session_timeout),
                rebalance_timeout_ms: milliseconds(REBALANCE_TIMEOUT),
                member_id: Cow::Borrowed(&self.id),
                protocol_type: Cow::Borrowed(CONSUMER),
                protocols: vec![protocol].into(),
                ..Default::default()
            };
            // The answer comes when all have joined, and may take longer than other operations.
            let deadline = Instant::now() + REBALANCE_TIMEOUT + client.options.request_timeout;
            let limits = Limits { beside: REBALANCE_TIMEOUT, ..Limits::until(deadline) };
            client.call(to, &request, limits, |response, broker| joined(group, &response, broker))
        })
    }

    fn sync(
        &self,
        client: &mut Client,
        assigned: &BTreeMap<String, Partitions>,
    ) -> Result<Partitions, ClientError> {
        let group = &self.options.group;
        client.at_coordinator(group, |client, to, _| {
            let assignment = |(id, partitions): (&'_ String, &Partitions)| SyncGroupRequestAssignment {
                member_id: Cow::Owned(id.clone()),
                assignment: Cow::Owned(protocol::assignment(partitions)),
            };
            let request = SyncGroupRequest {
                group_id: Cow::Borrowed(group),
                generation_id: self.generation,
                member_id: Cow::Borrowed(&self.id),
                group_instance_id: None,
                protocol_type: Some(Cow::Borrowed(CONSUMER)),
                protocol_name: Some(Cow::Borrowed(range::NAME)),
                assignments: assigned.iter().map(assignment).collect(),
            };
            // Answered when the leader has divided.
            let deadline = Instant::now() + REBALANCE_TIMEOUT + client.options.request_timeout;
            let limits = Limits { beside: REBALANCE_TIMEOUT, ..Limits::until(deadline) };
            client.call(to, &request, limits, |response, broker| {
                refusal(broker, ApiKey::SyncGroup, group, response.error_code)?;
                protocol::read_assignment(&response.assignment).map_err(|e| ClientError::Answer {
                    broker: broker.to_owned(),
                    api: ApiKey::SyncGroup,
                    why: e.to_string(),
                })
            })
        })
    }

    /// Tells the coordinator that it is there, unless it did within the last second.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn beat(&mut self, client: &mut Client) -> Result<Standing, ClientError> {
        if self.last_heartbeat.elapsed() < HEARTBEAT_EVERY {
            return Ok(Standing::Holds);
        }
        let group = &self.options.group;
        let told = client.at_coordinator(group, |client, to, deadline| {
            let request = HeartbeatRequest {
                group_id: Cow::Borrowed(group),
                generation_id: self.generation,
                member_id: Cow::Borrowed(&self.id),
                group_instance_id: None,
            };
            client.call(to, &request, Limits::until(deadline), |response, broker| {
                refusal(broker, ApiKey::Heartbeat, group, response.error_code)
            })
        });
        self.last_heartbeat = Instant::now();
        self.standing(told)
    }

    /// Commits offsets: for each partition the one that is to be read next.
    ///
    /// # Errors
    /// As [`ClientError`] says. Nothing is committed when it has to join again.
    pub fn commit(&mut self, client: &mut Client, offsets: &Offsets) -> Result<Standing, ClientError> {
        let committer = Committer { member_id: &self.id, generation: self.generation };
        let told = client.commit_as(&self.options.group, committer, offsets);
        self.standing(told)
    }

    /// Leaves, so that the others get its partitions at once.
    ///
    /// # Errors
    /// As [`ClientError`] says; its session ends by itself then.
    pub fn leave(mut self, client: &mut Client) -> Result<(), ClientError> {
        if self.id.is_empty() {
            return Ok(());
        }
        let group = &self.options.group;
        let told = client.at_coordinator(group, |client, to, deadline| {
            let member = MemberIdentity { member_id: Cow::Borrowed(&self.id), ..MemberIdentity::default() };
            let request = LeaveGroupRequest {
                group_id: Cow::Borrowed(group),
                members: vec![member].into(),
                // The same, as versions up to 2 have it.
                member_id: Cow::Borrowed(&self.id),
            };
            client.call(to, &request, Limits::until(deadline), |response, broker| {
                refusal(broker, ApiKey::LeaveGroup, group, response.error_code)
            })
        });
        // Who is no member any more has left.
        self.standing(told).map(drop)
    }

    fn standing(&mut self, told: Result<(), ClientError>) -> Result<Standing, ClientError> {
        match told {
            Ok(()) => Ok(Standing::Holds),
            Err(e) if self.is_put_out(&e) => Ok(Standing::Rejoin),
            Err(e) => Err(e),
        }
    }

    /// Whether an error says no more than that it has to join again; it comes as a new one where it is not known.
    fn is_put_out(&mut self, error: &ClientError) -> bool {
        match error.code() {
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
                self.id.clear();
                true
            }
            Some(ErrorCode::ILLEGAL_GENERATION | ErrorCode::REBALANCE_IN_PROGRESS) => true,
            _ => false,
        }
    }
}

fn joined(group: &str, response: &JoinGroupResponse<'_>, broker: &str) -> Result<Joined, ClientError> {
    let id = response.member_id.clone().into_owned();
    if response.error_code == ErrorCode::MEMBER_ID_REQUIRED.code() {
        return Ok(Joined::IdGiven(id));
    }
    refusal(broker, ApiKey::JoinGroup, group, response.error_code)?;
    let subscriber = |member_id: &str, instance_id: Option<Cow<'_, str>>, metadata: &[u8]| Subscriber {
        member_id: member_id.to_owned(),
        instance_id: instance_id.map(Cow::into_owned),
        // Who can't be understood reads nothing, and the others go on.
        topics: protocol::read_subscription(metadata).unwrap_or_default(),
    };
    let is_leader = response.leader == response.member_id;
    let subscribers = is_leader.then(|| {
        let members = response.members.iter();
        members.map(|m| subscriber(&m.member_id, m.group_instance_id, &m.metadata)).collect()
    });
    Ok(Joined::In { id, generation: response.generation_id, subscribers })
}

/// What each member is to get.
fn divide(
    client: &mut Client,
    subscribers: &[Subscriber],
) -> Result<BTreeMap<String, Partitions>, ClientError> {
    let topics = || subscribers.iter().flat_map(|one| one.topics.iter().map(String::as_str));
    let known = client.retry(|client, deadline| client.topics_known(topics(), deadline))?;
    let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
    let counts = known.into_iter().map(|(name, topic)| (name, count(topic.partitions.len()))).collect();
    Ok(range::assign(subscribers, &counts))
}

fn milliseconds(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}
