//! Consumer groups of one partition of `__consumer_offsets`: who is a member, what is assigned, what is committed.
//!
//! [`Groups::decide`] takes one request with the time and says what is to be written and who is answered what; a reply may
//! come with a later step. [`Groups::expire`] does what time alone brings about. Answers wait until everything that was written
//! before them is committed: that is the host's part.
//!
//! Source of the rules: Kafka's group coordinator as it behaves (4.3.1, asked by `conformance/`), KIP-345 static members,
//! KIP-394 member ids, KIP-211 expiry of offsets, KIP-814 static leaders.

mod classic;
pub mod command;
mod commit;
mod configs;
mod consumer;
mod embedded;
mod kind;
mod migration;
mod offsets;
mod partition;
mod planted;
mod rewrite;
mod session;
mod settings;
mod timers;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wire::error::ErrorCode;
use wire::record::header::HEADER_BYTES;

use self::classic::{ClassicGroup, State};
use self::command::{
    Command, ConsumerBeat, ConsumerBeatReply, Join, JoinReply, Leave, ListFilter, ListedGroup, Reply,
    SyncReply, Ticket,
};
use self::consumer::{ConsumerGroup, Refusal, refusal};
use self::kind::Group;
use self::offsets::Offsets;
use self::planted::planted;
use self::timers::Timers;
use crate::record::{ConsumerRecord, Record};

pub use configs::GroupConfigs;
pub use consumer::ASSIGNORS;
pub use partition::partition_of;
pub use rewrite::Rewritten;
pub use settings::{GroupSettings, MigrationPolicy};
pub use topics::Topics;

/// Kafka's names of the states of groups, of both protocols.
pub const STATES: [&str; 6] =
    ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Assigning", "Reconciling"];

/// Bytes of the record batch that a step's records become, at most: Kafka's bound for `__consumer_offsets`.
pub const BATCH_BYTES_MAX: usize = 1_048_588;

/// Whether records of so many bytes are more than a batch may be.
fn exceeds_batch(bytes: usize) -> bool {
    bytes + HEADER_BYTES > BATCH_BYTES_MAX
}

/// A moment: on the host's own clock, and on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since whenever; never goes back. Sessions are counted on it.
    pub monotonic: Duration,
    /// Milliseconds since 1970. Expiry of offsets is counted on it.
    pub wall_ms: i64,
}

/// A moment, with the topics and the configs of groups that there are then.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The moment.
    pub now: Now,
    /// The topics.
    pub topics: &'a dyn Topics,
    /// What groups are set to.
    pub configs: &'a dyn GroupConfigs,
}

/// What a step comes to.
#[derive(Debug, Default)]
pub struct Output {
    /// To be written in this order: as one record batch, or cut in some places ([`Output::pieces`]).
    pub records: Vec<Record>,
    /// How many records are before each place at which the rest may be lost without harm: whoever reads what is before it goes on
    /// from there.
    cuts: Vec<usize>,
    /// Who is answered what, once the records are committed.
    pub replies: Vec<(Ticket, Reply)>,
    /// Offsets that were committed.
    pub committed: u64,
    /// Offsets that expired.
    pub expired: u64,
    /// Generations that were assigned.
    pub rebalanced: u64,
}

impl Output {
    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.replies.push((ticket, reply));
    }

    /// What follows may be written apart from what is there.
    fn may_be_cut(&mut self) {
        self.cuts.push(self.records.len());
    }

    /// The records in pieces of at most `bytes_max` bytes, as far as they may be cut: each to be written whole, one behind the other.
    #[must_use]
    pub fn pieces(&self, bytes_max: usize) -> Vec<&[Record]> {
        let (mut pieces, mut begin, mut end, mut bytes) = (Vec::with_capacity(1), 0, 0, 0);
        for cut in self.cuts.iter().copied().chain([self.records.len()]) {
            let more: usize = self.records[end..cut].iter().map(Record::bytes).sum();
            if bytes + more > bytes_max && end > begin {
                pieces.push(&self.records[begin..end]);
                (begin, bytes) = (end, 0);
            }
            (end, bytes) = (cut, bytes + more);
        }
        if end > begin {
            pieces.push(&self.records[begin..end]);
        }
        pieces
    }
}

/// What a step of a group needs beside the group.
struct Step<'a> {
    now: Now,
    topics: &'a dyn Topics,
    configs: &'a dyn GroupConfigs,
    settings: &'a GroupSettings,
    timers: &'a mut Timers,
    out: &'a mut Output,
}

impl<'a> Step<'a> {
    fn at(at: At<'a>, settings: &'a GroupSettings, timers: &'a mut Timers, out: &'a mut Output) -> Self {
        Self { now: at.now, topics: at.topics, configs: at.configs, settings, timers, out }
    }
}

/// Numbers for whoever looks from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Groups by state, as [`STATES`] names them.
    pub by_state: [usize; STATES.len()],
    /// Members of all groups.
    pub members: usize,
    /// Committed offsets of all groups.
    pub offsets: usize,
}

/// A group as it is seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its id.
    pub group: Arc<str>,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its members.
    pub members: usize,
    /// What it has committed, as far as that was asked for: topic, partition, offset.
    pub offsets: Vec<(Arc<str>, i32, i64)>,
}

/// See the module's head.
pub struct Groups {
    settings: Arc<GroupSettings>,
    groups: BTreeMap<Arc<str>, Group>,
    offsets: Offsets,
    timers: Timers,
}

impl Groups {
    /// Without groups.
    #[must_use]
    pub fn new(settings: Arc<GroupSettings>) -> Self {
        Self { settings, groups: BTreeMap::new(), offsets: Offsets::default(), timers: Timers::default() }
    }

    /// Replays a record of the log; in the log's order, before [`Groups::begin`].
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Offset { group, topic, partition, value } => {
                if let Some(value) = &value {
                    let new = || Group::Classic(ClassicGroup::new(group.clone(), value.commit_timestamp_ms));
                    self.groups.entry(group.clone()).or_insert_with(new);
                }
                self.offsets.set(&group, topic, partition, value);
            }
            Record::Group { group, value } => {
                self.end(&group);
                if let Some(value) = value {
                    let group = ClassicGroup::remembered(group, value);
                    self.insert(Group::Classic(group));
                }
            }
            Record::Consumer { group, change: ConsumerRecord::Epoch(None) } => self.end(&group),
            Record::Consumer { group, change } => self.apply_to_consumer_group(&group, change),
        }
    }

    /// Anything said of such a group makes it one; but what is deleted need not be there.
    fn apply_to_consumer_group(&mut self, id: &Arc<str>, change: ConsumerRecord) {
        if !matches!(self.groups.get(id), Some(Group::Consumer(_))) {
            if change.is_tombstone() {
                return;
            }
            self.end(id);
            self.insert(Group::Consumer(ConsumerGroup::new(id.clone())));
        }
        if let Some(Group::Consumer(group)) = self.groups.get_mut(id) {
            group.apply(change, &mut self.timers);
        }
    }

    fn insert(&mut self, group: Group) {
        self.groups.insert(group.id().clone(), group);
    }

    fn end(&mut self, id: &Arc<str>) {
        if let Some(mut known) = self.groups.remove(id) {
            known.end(&mut self.timers);
        }
    }

    /// Everything was replayed: sessions begin.
    pub fn begin(&mut self, at: At<'_>, out: &mut Output) {
        let Self { settings, groups, timers, .. } = self;
        for group in groups.values_mut() {
            group.begin(&mut Step::at(at, settings, timers, out));
            out.may_be_cut();
        }
    }

    /// Decides on one request. Its reply is in `out`, of this step or of a later one.
    pub fn decide(&mut self, at: At<'_>, ticket: Ticket, command: Command, out: &mut Output) {
        let reply = match command {
            Command::Join(join) => return self.join(at, ticket, join, out),
            Command::Sync(sync) => {
                let id = sync.group.clone();
                if self.with_group(at, &id, out, |group, step| group.sync(step, ticket, sync)).is_some() {
                    return;
                }
                Reply::Sync(SyncReply::refused(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::Heartbeat(beat) => {
                let error = self.with_group(at, &beat.group, out, |group, step| group.heartbeat(step, &beat));
                Reply::Heartbeat(error.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::Leave(Leave { group, members }) => {
                let left = self.with_group(at, &group, out, |group, step| group.leave(step, members));
                Reply::Leave(left.ok_or(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::CommitOffsets(commit) => return self.commit_offsets(at, ticket, commit, out),
            Command::FetchOffsets(fetch) => Reply::FetchOffsets(self.fetch_offsets(&fetch)),
            Command::DeleteOffsets(delete) => Reply::DeleteOffsets(self.delete_offsets(delete, out)),
            Command::DeleteGroup(group) => Reply::DeleteGroup(self.delete_group(&group, out)),
            Command::Describe(group) => Reply::Describe(match self.groups.get(&group) {
                Some(Group::Classic(group)) => Some(group.describe()),
                _ => None,
            }),
            Command::DescribeConsumer(group) => Reply::DescribeConsumer(match self.groups.get(&group) {
                Some(Group::Consumer(group)) => Some(group.describe(&self.settings)),
                _ => None,
            }),
            Command::ConsumerBeat(beat) => {
                let beat = self.consumer_beat(at, &beat, out);
                Reply::ConsumerBeat(beat.map_err(|Refusal { error, message }| (error, message.into())))
            }
            Command::List(filter) => Reply::List(self.list(&filter)),
        };
        out.reply(ticket, reply);
    }

    /// Does what is due.
    pub fn expire(&mut self, at: At<'_>, out: &mut Output) {
        while let Some(timer) = self.timers.take_due(at.now.monotonic) {
            // A group that is gone has taken its timers with it.
            let _ = self.with_group(at, &timer.group, out, |group, step| group.over(step, &timer.about));
            out.may_be_cut();
        }
    }

    /// When [`Groups::expire`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Numbers for whoever looks from outside; costs what the number of groups does.
    #[must_use]
    pub fn counts(&self) -> GroupCounts {
        let mut counts = GroupCounts { offsets: self.offsets.count(), ..GroupCounts::default() };
        for group in self.groups.values() {
            let state = group.state_name();
            counts.by_state[STATES.iter().position(|name| *name == state).unwrap_or(0)] += 1;
            counts.members += group.members();
        }
        counts
    }

    /// Every group, by id; with what it has committed, up to `offsets_max` offsets of all groups together.
    pub fn summaries(&self, mut offsets_max: usize) -> impl Iterator<Item = GroupSummary> {
        self.groups.iter().map(move |(id, group)| {
            let offsets = self.offsets.of_group(id).take(offsets_max);
            let offsets: Vec<_> =
                offsets.map(|(topic, partition, of)| (topic.clone(), partition, of.offset)).collect();
            offsets_max -= offsets.len();
            GroupSummary { group: id.clone(), state: group.state_name(), members: group.members(), offsets }
        })
    }

    /// The topics, of those that are wanted, of which anything is committed.
    #[must_use]
    pub fn topics_with_offsets(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let topics: BTreeSet<&Arc<str>> = self.offsets.topics().filter(|topic| is_wanted(topic)).collect();
        topics.into_iter().cloned().collect()
    }

    fn join(&mut self, at: At<'_>, ticket: Ticket, join: Join, out: &mut Output) {
        let id = join.group.clone();
        // Nobody is left of the other protocol: the group becomes one of this.
        if let Some(group @ Group::Consumer(_)) = self.groups.get(&id)
            && group.is_empty()
        {
            out.records.extend(group.tombstones(&id));
            self.end(&id);
        }
        let is_new = !self.groups.contains_key(&id);
        if is_new && !join.member_id.is_empty() {
            let refused = JoinReply::refused(ErrorCode::UNKNOWN_MEMBER_ID, join.member_id);
            return out.reply(ticket, Reply::Join(refused));
        }
        if is_new {
            self.insert(Group::Classic(ClassicGroup::new(id.clone(), at.now.wall_ms)));
        }
        let _ = self.with_group(at, &id, out, |group, step| match group {
            Group::Consumer(_) => group.join_consumers(step, ticket, join),
            Group::Classic(group) => {
                // Written down before anybody hears of it, as in Kafka: empty, whatever comes of the request.
                if is_new {
                    group.write_down(step.out);
                }
                group.join(step, ticket, join);
            }
        });
    }

    /// A heartbeat of the consumer protocol; the first one of a group makes it, or makes it one of that protocol.
    fn consumer_beat(
        &mut self,
        at: At<'_>,
        beat: &ConsumerBeat,
        out: &mut Output,
    ) -> Result<ConsumerBeatReply, Refusal> {
        let id = &beat.group;
        match self.groups.get(id) {
            Some(Group::Consumer(group)) if beat.epoch < 0 => group.check_leave(beat)?,
            Some(Group::Consumer(group)) => group.check_beat(&self.settings, beat)?,
            Some(Group::Classic(_)) if beat.epoch != 0 => {
                let message = format!("Group {id} is not a consumer group.");
                return Err(refusal(ErrorCode::GROUP_ID_NOT_FOUND, message));
            }
            None if beat.epoch != 0 => {
                let kind = if beat.epoch < 0 { "Group" } else { "Consumer group" };
                let message = format!("{kind} {id} not found.");
                return Err(refusal(ErrorCode::GROUP_ID_NOT_FOUND, message));
            }
            known => {
                let group = match known {
                    Some(Group::Classic(group)) if group.state() != State::Empty => {
                        migration::upgraded(group, &self.settings, at.topics)?
                    }
                    _ => ConsumerGroup::new(id.clone()),
                };
                group.check_beat(&self.settings, beat)?;
                self.become_consumers(at, group, out);
            }
        }
        let told = self.with_group(at, id, out, |group, step| group.consumer_beat(step, beat));
        Ok(told.expect("it was just looked at"))
    }

    /// A group of the consumer protocol takes the place of what is known by its id, if anything is.
    fn become_consumers(&mut self, at: At<'_>, group: ConsumerGroup, out: &mut Output) {
        let id = group.id().clone();
        if let Some(Group::Classic(known)) = self.groups.get_mut(&id)
            && !planted!(WaitersForgotten)
        {
            known.send_away(out);
        }
        if let Some(known) = self.groups.get(&id) {
            out.records.extend(known.tombstones(&id));
        }
        self.end(&id);
        if group.members() > 0 && !planted!(MigrantsNotWritten) {
            out.records.extend(group.written().into_iter().map(|(_, record)| record));
        }
        self.insert(Group::Consumer(group));
        let _ = self.with_group(at, &id, out, Group::begin);
    }

    fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        let is_in = |list: &[Box<str>], name: &str| {
            list.is_empty() || list.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let listed = self.groups.iter().map(|(id, group)| ListedGroup {
            group: id.clone(),
            protocol_type: group.protocol_type(),
            state: group.state_name(),
            group_type: group.type_name(),
        });
        listed
            .filter(|group| is_in(&filter.states, group.state) && is_in(&filter.types, group.group_type))
            .collect()
    }

    /// Lets a group take a step; `None` when there is none with this id.
    fn with_group<T>(
        &mut self,
        at: At<'_>,
        id: &Arc<str>,
        out: &mut Output,
        take: impl FnOnce(&mut Group, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let Self { settings, groups, timers, .. } = self;
        let group = groups.get_mut(id)?;
        Some(take(group, &mut Step::at(at, settings, timers, out)))
    }

    /// Changes the state by a record, and has it written.
    fn write(&mut self, record: Record, out: &mut Output) {
        self.apply(record.clone());
        out.records.push(record);
    }
}

#[cfg(test)]
mod consumer_random_test;
#[cfg(test)]
mod consumer_test;
#[cfg(test)]
mod desk_test;
#[cfg(test)]
mod group_test;
#[cfg(test)]
mod lives_test;
#[cfg(test)]
mod migration_random_test;
#[cfg(test)]
mod migration_test;
#[cfg(test)]
mod random_test;
