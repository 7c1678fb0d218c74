//! A group of the classic protocol: members join until all are there, one of them assigns, all learn what they get.
//!
//! ```text
//!          first member        all joined, or time over        the leader's assignment
//!  Empty ───────────────► PreparingRebalance ──────────► CompletingRebalance ──────────► Stable
//!    ▲                        │      ▲                          │                          │
//!    └────── nobody left ─────┘      └── somebody joins, leaves, is silent, changes ───────┘
//! ```
//!
//! A decision of Kafka's that shows: a group is written down when its leader has assigned and when it has become empty, not
//! when members join. After a restart the generation written last is in force.

mod join;
mod member;
mod migration;
mod presence;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wire::error::ErrorCode;

use self::member::Member;
pub(super) use self::member::millis;
pub(super) use self::migration::NotMigratable;
use super::command::{CommitOffsets, DescribedGroup, DescribedMember, JoinReply, Protocol, Reply, SyncReply};
use super::embedded::{self, CONSUMER};
use super::timers::{About, Timer, Timers};
use super::{Output, Step, exceeds_batch};
use crate::record::{GroupMetadata, Record};

/// What a group does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is no member; there may be offsets.
    Empty,
    /// Members join.
    Preparing,
    /// The leader assigns.
    Completing,
    /// Everybody knows what is theirs.
    Stable,
}

impl State {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// Why [`About::Join`] is waited for.
#[derive(Clone, Copy, Debug)]
enum JoinWait {
    /// Others may come to a group that had nobody: so long this time, so long at most after it.
    Initial { delay: Duration, left: Duration },
    /// Members have so long to join again.
    Rebalance,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct ClassicGroup {
    id: Arc<str>,
    state: State,
    /// The one before; a group that is new had none.
    previous: Option<State>,
    state_timestamp_ms: i64,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Members that are joining.
    joining: usize,
    /// How many members support each protocol.
    supported: BTreeMap<Arc<str>, usize>,
    /// The member of each instance.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids that were given out and have not joined, and until when they may.
    pending_joins: BTreeMap<Arc<str>, Duration>,
    /// Members that have joined and not asked for their assignment.
    pending_syncs: BTreeSet<Arc<str>>,
    /// Somebody has come while the first members wait for others.
    has_new_member: bool,
    /// What its members read; `None`: not known.
    subscribed: Option<BTreeSet<Box<str>>>,
    /// What was written down of it last: between generations that is what holds.
    written: Option<Arc<GroupMetadata>>,
    join_timer: Option<(Duration, JoinWait)>,
    sync_timer: Option<Duration>,
}

impl ClassicGroup {
    pub(super) fn new(id: Arc<str>, now_ms: i64) -> Self {
        Self {
            id,
            state: State::Empty,
            previous: None,
            state_timestamp_ms: now_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            joining: 0,
            supported: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending_joins: BTreeMap::new(),
            pending_syncs: BTreeSet::new(),
            has_new_member: false,
            subscribed: None,
            written: None,
            join_timer: None,
            sync_timer: None,
        }
    }

    /// The group as it was written down.
    pub(super) fn remembered(id: Arc<str>, of: GroupMetadata) -> Self {
        let mut group = Self::new(id, of.state_timestamp_ms);
        group.written = Some(Arc::new(of.clone()));
        group.state = if of.members.is_empty() { State::Empty } else { State::Stable };
        group.generation = of.generation;
        group.protocol_type = Some(of.protocol_type).filter(|name| !name.is_empty());
        group.leader = of.leader;
        for member in of.members {
            group.insert(Member::remembered(member, of.protocol.as_ref()));
        }
        group.protocol = of.protocol;
        group.subscribed = group.read_subscriptions();
        group
    }

    /// Has the group written down as it is.
    pub(super) fn write_down(&mut self, out: &mut Output) {
        self.write(self.metadata(), out);
    }

    /// Has the group written down as one whose members have something that no leader has assigned: whoever reads that has them
    /// join again.
    pub(super) fn write_down_unassigned(&mut self, out: &mut Output) {
        self.write(GroupMetadata { leader: None, ..self.metadata() }, out);
    }

    fn write(&mut self, metadata: GroupMetadata, out: &mut Output) {
        self.written = Some(Arc::new(metadata.clone()));
        out.records.push(Record::Group { group: self.id.clone(), value: Some(metadata) });
    }

    /// What was written down of it last; none of a group that only commits offsets.
    pub(super) fn written(&self) -> Option<Record> {
        let value = Some(self.written.as_deref()?.clone());
        Some(Record::Group { group: self.id.clone(), value })
    }

    /// Whether no record batch could hold the group as `metadata` has it.
    fn exceeds_batch(&self, metadata: GroupMetadata) -> bool {
        exceeds_batch(Record::Group { group: self.id.clone(), value: Some(metadata) }.bytes())
    }

    fn metadata(&self) -> GroupMetadata {
        let protocol = self.protocol.as_deref();
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.state_timestamp_ms,
            members: self.members.values().map(|member| member.remember(protocol)).collect(),
        }
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(super) fn state_timestamp_ms(&self) -> i64 {
        self.state_timestamp_ms
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether what its members read is known.
    pub(super) fn knows_subscriptions(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Whether a member reads the topic; where that is not known, a consumer may.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or(self.is_of_consumers(), |topics| topics.contains(topic))
    }

    pub(super) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == State::Stable;
        let protocol = self.protocol.clone().filter(|_| is_stable);
        let member = |member: &Member| DescribedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol.as_deref()),
            assignment: member.assignment.clone(),
        };
        DescribedGroup {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.values().map(member).collect(),
            protocol: protocol.unwrap_or_default(),
        }
    }

    /// Whether whoever commits may, as Kafka decides; a member is heard of by it.
    pub(super) fn check_commit(
        &mut self,
        step: &mut Step<'_>,
        commit: &CommitOffsets,
    ) -> Result<(), ErrorCode> {
        let is_member =
            commit.generation >= 0 || !commit.member_id.is_empty() || commit.instance_id.is_some();
        if commit.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if !is_member {
            return if self.state == State::Empty { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        }
        self.check_member(&commit.member_id, commit.instance_id.as_ref())?;
        if commit.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        if self.state == State::Completing {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.heard_of(step, &commit.member_id);
        Ok(())
    }

    /// Is there such a member, and is it the one that holds its instance?
    fn check_member(&self, member_id: &str, instance_id: Option<&Arc<str>>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.instances.get(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(holder) if **holder != *member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    fn transition(&mut self, to: State, now_ms: i64) {
        self.previous = Some(self.state);
        self.state = to;
        self.state_timestamp_ms = now_ms;
    }

    fn insert(&mut self, member: Member) {
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), member.id.clone());
        }
        self.joining += usize::from(member.joining.is_some());
        count(&mut self.supported, &member.protocols);
        self.pending_joins.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out; whatever it waits for is answered. Who else leaves with it is for the caller to see.
    fn remove(&mut self, member_id: &str, timers: &mut Timers, out: &mut Output) {
        if let Some(mut member) = self.members.remove(member_id) {
            discount(&mut self.supported, &member.protocols);
            if let Some(instance_id) = &member.instance_id {
                self.instances.remove(instance_id);
            }
            let refused = JoinReply::refused(ErrorCode::UNKNOWN_MEMBER_ID, "".into());
            answer_join(&mut member, &mut self.joining, out, refused);
            answer_sync(&mut member, out, SyncReply::refused(ErrorCode::UNKNOWN_MEMBER_ID));
            member.session.forget(timers, self.session_timer(&member.id));
        }
        if self.leader.as_deref() == Some(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        if let Some((id, until)) = self.pending_joins.remove_entry(member_id) {
            timers.remove(until, self.session_timer(&id));
        }
        self.pending_syncs.remove(member_id);
    }

    fn is_supported_by_all(&self, protocol: &str) -> bool {
        self.supported.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The longest that any member may take to join again.
    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout_ms);
        member::millis(timeouts.max().unwrap_or(0))
    }

    fn session_timer(&self, member_id: &Arc<str>) -> Timer {
        Timer { group: self.id.clone(), about: About::Session(member_id.clone()) }
    }

    /// A member is alive: its session begins anew.
    fn heard_of(&mut self, step: &mut Step<'_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            let timeout = member.session_timeout();
            self.extend_session(step, member_id, timeout);
        }
    }

    /// A member need not be heard of for so long.
    fn extend_session(&mut self, step: &mut Step<'_>, member_id: &str, timeout: Duration) {
        let group = self.id.clone();
        let Some(member) = self.members.get_mut(member_id) else { return };
        let timer = Timer { group, about: About::Session(member.id.clone()) };
        member.session.extend(step.timers, timer, step.now.monotonic + timeout);
    }

    /// After a restart: every member has a whole session to be heard of.
    pub(super) fn begin(&mut self, step: &mut Step<'_>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            self.heard_of(step, &id);
        }
        let is_unassigned = self.written.as_ref().is_some_and(|written| written.leader.is_none());
        if self.members.len() > step.settings.size_max || is_unassigned && !self.members.is_empty() {
            self.prepare_rebalance(step);
        }
    }

    /// Takes its timers down; it is about to be deleted or replaced.
    pub(super) fn end(&mut self, timers: &mut Timers) {
        self.cancel_join_timer(timers);
        self.cancel_sync_timer(timers);
        for (id, until) in std::mem::take(&mut self.pending_joins) {
            timers.remove(until, self.session_timer(&id));
        }
        let timer = |about| Timer { group: self.id.clone(), about };
        for member in self.members.values_mut() {
            member.session.forget(timers, timer(About::Session(member.id.clone())));
        }
    }

    fn start_join_timer(&mut self, step: &mut Step<'_>, after: Duration, wait: JoinWait) {
        self.cancel_join_timer(step.timers);
        let at = step.now.monotonic + after;
        self.join_timer = Some((at, wait));
        step.timers.insert(at, Timer { group: self.id.clone(), about: About::Join });
    }

    fn cancel_join_timer(&mut self, timers: &mut Timers) {
        if let Some((at, _)) = self.join_timer.take() {
            timers.remove(at, Timer { group: self.id.clone(), about: About::Join });
        }
    }

    fn start_sync_timer(&mut self, step: &mut Step<'_>) {
        self.cancel_sync_timer(step.timers);
        let at = step.now.monotonic + self.rebalance_timeout();
        self.sync_timer = Some(at);
        step.timers.insert(at, Timer { group: self.id.clone(), about: About::Sync });
    }

    fn cancel_sync_timer(&mut self, timers: &mut Timers) {
        if let Some(at) = self.sync_timer.take() {
            timers.remove(at, Timer { group: self.id.clone(), about: About::Sync });
        }
    }

    /// What all members together read: of consumers whose subscriptions can be read.
    fn read_subscriptions(&self) -> Option<BTreeSet<Box<str>>> {
        if !self.is_of_consumers() {
            return None;
        }
        let mut topics = BTreeSet::new();
        let protocol = match &self.protocol {
            Some(protocol) => Some(&**protocol),
            None if self.members.is_empty() => return Some(topics),
            None => return None,
        };
        for member in self.members.values() {
            topics.extend(embedded::subscribed_topics(&member.metadata(protocol)).ok()?);
        }
        Some(topics)
    }
}

/// How many members support each protocol, one more.
fn count(supported: &mut BTreeMap<Arc<str>, usize>, protocols: &[Protocol]) {
    for protocol in protocols {
        *supported.entry(protocol.name.clone()).or_default() += 1;
    }
}

/// And one less.
fn discount(supported: &mut BTreeMap<Arc<str>, usize>, protocols: &[Protocol]) {
    for protocol in protocols {
        if let Some(count) = supported.get_mut(&protocol.name) {
            *count -= 1;
            if *count == 0 {
                supported.remove(&protocol.name);
            }
        }
    }
}

/// A member that joins is told what came of it, and is one less of those who are joining.
fn answer_join(member: &mut Member, joining: &mut usize, out: &mut Output, reply: JoinReply) {
    if let Some(ticket) = member.joining.take() {
        *joining -= 1;
        out.reply(ticket, Reply::Join(reply));
    }
}

fn answer_sync(member: &mut Member, out: &mut Output, reply: SyncReply) {
    if let Some(ticket) = member.syncing.take() {
        out.reply(ticket, Reply::Sync(reply));
    }
}
