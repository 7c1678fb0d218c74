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
mod offsets;
mod partition;
mod rewrite;
mod settings;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wire::error::ErrorCode;

use self::classic::ClassicGroup;
use self::command::{Command, Join, JoinReply, Leave, ListFilter, ListedGroup, Reply, SyncReply, Ticket};
use self::offsets::Offsets;
use self::timers::{About, Timers};
use crate::record::Record;

pub use partition::partition_of;
pub use rewrite::Rewritten;
pub use settings::GroupSettings;

/// Kafka's name of the type of groups whose members assign.
const CLASSIC: &str = "classic";

/// A moment: on the host's own clock, and on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since whenever; never goes back. Sessions are counted on it.
    pub monotonic: Duration,
    /// Milliseconds since 1970. Expiry of offsets is counted on it.
    pub wall_ms: i64,
}

/// What a step comes to.
#[derive(Debug, Default)]
pub struct Output {
    /// To be written as one record batch, in this order.
    pub records: Vec<Record>,
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
}

/// What a step of a group needs beside the group.
struct Step<'a> {
    now: Now,
    settings: &'a GroupSettings,
    timers: &'a mut Timers,
    out: &'a mut Output,
}

/// Numbers for whoever looks from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Groups by state: Empty, PreparingRebalance, CompletingRebalance, Stable.
    pub by_state: [usize; 4],
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
    /// What it has committed: topic, partition, offset.
    pub offsets: Vec<(Arc<str>, i32, i64)>,
}

/// See the module's head.
pub struct Groups {
    settings: Arc<GroupSettings>,
    groups: BTreeMap<Arc<str>, ClassicGroup>,
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
                    let new = || ClassicGroup::new(group.clone(), value.commit_timestamp_ms);
                    self.groups.entry(group.clone()).or_insert_with(new);
                }
                self.offsets.set(&group, topic, partition, value);
            }
            Record::Group { group, value } => {
                if let Some(mut known) = self.groups.remove(&group) {
                    known.end(&mut self.timers);
                }
                if let Some(value) = value {
                    self.groups.insert(group.clone(), ClassicGroup::remembered(group, value));
                }
            }
        }
    }

    /// Everything was replayed: sessions begin.
    pub fn begin(&mut self, now: Now, out: &mut Output) {
        let Self { settings, groups, timers, .. } = self;
        for group in groups.values_mut() {
            group.begin(&mut Step { now, settings, timers, out });
        }
    }

    /// Decides on one request. Its reply is in `out`, of this step or of a later one.
    pub fn decide(&mut self, now: Now, ticket: Ticket, command: Command, out: &mut Output) {
        let reply = match command {
            Command::Join(join) => return self.join(now, ticket, join, out),
            Command::Sync(sync) => {
                let id = sync.group.clone();
                if self.with_group(now, &id, out, |group, step| group.sync(step, ticket, sync)).is_some() {
                    return;
                }
                Reply::Sync(SyncReply::refused(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::Heartbeat(beat) => {
                let error =
                    self.with_group(now, &beat.group, out, |group, step| group.heartbeat(step, &beat));
                Reply::Heartbeat(error.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::Leave(Leave { group, members }) => {
                let left = self.with_group(now, &group, out, |group, step| group.leave(step, members));
                Reply::Leave(left.ok_or(ErrorCode::UNKNOWN_MEMBER_ID))
            }
            Command::CommitOffsets(commit) => return self.commit_offsets(now, ticket, commit, out),
            Command::FetchOffsets(fetch) => Reply::FetchOffsets(self.fetch_offsets(&fetch)),
            Command::DeleteOffsets(delete) => Reply::DeleteOffsets(self.delete_offsets(delete, out)),
            Command::DeleteGroup(group) => Reply::DeleteGroup(self.delete_group(&group, out)),
            Command::Describe(group) => Reply::Describe(self.groups.get(&group).map(ClassicGroup::describe)),
            Command::List(filter) => Reply::List(self.list(&filter)),
        };
        out.reply(ticket, reply);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now, out: &mut Output) {
        while let Some(timer) = self.timers.take_due(now.monotonic) {
            let over = |group: &mut ClassicGroup, step: &mut Step<'_>| match &timer.about {
                About::Join => group.join_time_over(step),
                About::Sync => group.sync_time_over(step),
                About::Session(member_id) => group.session_over(step, member_id),
            };
            // A group that is gone has taken its timers with it.
            let _ = self.with_group(now, &timer.group, out, over);
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
            counts.by_state[group.state() as usize] += 1;
            counts.members += group.members();
        }
        counts
    }

    /// Every group, by id; with what it has committed, as far as that is asked for while it is gone through.
    pub fn summaries(&self) -> impl Iterator<Item = GroupSummary> {
        self.groups.iter().map(|(id, group)| GroupSummary {
            group: id.clone(),
            state: group.state().name(),
            members: group.members(),
            offsets: self
                .offsets
                .of_group(id)
                .map(|(topic, partition, of)| (topic.clone(), partition, of.offset))
                .collect(),
        })
    }

    /// The topics, of those that are wanted, of which anything is committed.
    #[must_use]
    pub fn topics_with_offsets(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let topics: BTreeSet<&Arc<str>> = self.offsets.topics().filter(|topic| is_wanted(topic)).collect();
        topics.into_iter().cloned().collect()
    }

    fn join(&mut self, now: Now, ticket: Ticket, join: Join, out: &mut Output) {
        let id = join.group.clone();
        let is_new = !self.groups.contains_key(&id);
        if is_new && !join.member_id.is_empty() {
            let refused = JoinReply::refused(ErrorCode::UNKNOWN_MEMBER_ID, join.member_id);
            return out.reply(ticket, Reply::Join(refused));
        }
        if is_new {
            self.groups.insert(id.clone(), ClassicGroup::new(id.clone(), now.wall_ms));
        }
        let _ = self.with_group(now, &id, out, |group, step| {
            // Written down before anybody hears of it, as in Kafka: empty, whatever comes of the request.
            if is_new {
                group.write_down(step.out);
            }
            group.join(step, ticket, join);
        });
    }

    fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        let is_in = |list: &[Box<str>], name: &str| {
            list.is_empty() || list.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let listed = self.groups.iter().map(|(id, group)| ListedGroup {
            group: id.clone(),
            protocol_type: group.protocol_type().cloned().unwrap_or_default(),
            state: group.state().name(),
            group_type: CLASSIC,
        });
        listed
            .filter(|group| is_in(&filter.states, group.state) && is_in(&filter.types, group.group_type))
            .collect()
    }

    /// Lets a group take a step; `None` when there is none with this id.
    fn with_group<T>(
        &mut self,
        now: Now,
        id: &Arc<str>,
        out: &mut Output,
        take: impl FnOnce(&mut ClassicGroup, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let Self { settings, groups, timers, .. } = self;
        let group = groups.get_mut(id)?;
        Some(take(group, &mut Step { now, settings, timers, out }))
    }

    /// Changes the state by a record, and has it written.
    fn write(&mut self, record: Record, out: &mut Output) {
        self.apply(record.clone());
        out.records.push(record);
    }
}

#[cfg(test)]
mod desk_test;
#[cfg(test)]
mod group_test;
#[cfg(test)]
mod random_test;
