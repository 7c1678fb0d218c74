//! A group of the consumer protocol (KIP-848): the coordinator assigns, members come to it one heartbeat at a time.
//!
//! Three epochs say how far everything is: the group's counts up when members, subscriptions or topics change; the target's says
//! for which of them it was computed who is to have what; each member's says which of these it has come to. Nobody waits for the
//! others but for partitions that one has to give up before another gets them.
//!
//! Members may speak the classic protocol (`classic`): such a group is on its way from the one to the other, either way.
//!
//! Everything is written down: the state is what the records say, but for sessions.

mod assignor;
mod classic;
mod heartbeat;
mod holders;
mod migration;
mod pace;
mod presence;
mod reconcile;
mod subscribed;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wire::error::ErrorCode;

use self::assignor::Targets;
use self::holders::Holders;
use self::pace::Pace;
use self::subscribed::Subscribed;
use super::command::{CommitOffsets, DescribedConsumer, DescribedConsumerGroup, FetchOffsets, NewOffset};
use super::rewrite::Own;
use super::session::{Deadline, Session};
use super::timers::Timers;
use super::{GroupSettings, Step};
use crate::record::{
    ConsumerRecord, CurrentAssignment, GroupEpoch, MemberState, MemberSubscription, Partitions, Record,
    ResolvedRegex, TargetEpoch,
};

pub use assignor::NAMES as ASSIGNORS;

/// The epoch of a static member that is away and will come back.
pub(super) const AWAY: i32 = -2;

/// Why a request is refused, in Kafka's words.
pub(super) struct Refusal {
    pub(super) error: ErrorCode,
    pub(super) message: String,
}

pub(super) fn refusal(error: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal { error, message: message.into() }
}

#[derive(Debug, Default)]
struct Member {
    subscription: MemberSubscription,
    current: CurrentAssignment,
    session: Session,
    /// It has to give up what others are to have.
    revokes: Deadline,
    /// It speaks the classic protocol, and has to join again.
    rejoins: Deadline,
    /// It speaks the classic protocol, and has to ask for its assignment.
    collects: Deadline,
}

impl Member {
    /// Whether it speaks the classic protocol.
    fn is_classic(&self) -> bool {
        self.subscription.classic.is_some()
    }

    fn check_epoch(&self, epoch: i32) -> Result<(), ErrorCode> {
        match self.current.epoch == epoch {
            true => Ok(()),
            false if self.is_classic() => Err(ErrorCode::ILLEGAL_GENERATION),
            false => Err(ErrorCode::STALE_MEMBER_EPOCH),
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct ConsumerGroup {
    id: Arc<str>,
    epoch: GroupEpoch,
    target_epoch: TargetEpoch,
    members: BTreeMap<Arc<str>, Member>,
    targets: Targets,
    /// The member of each instance.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    subscribed: Subscribed,
    holders: Holders,
    pace: Pace,
    /// The topics' version for which all of that was computed.
    topics_version: Option<u64>,
}

impl ConsumerGroup {
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: GroupEpoch::default(),
            target_epoch: TargetEpoch::default(),
            members: BTreeMap::new(),
            targets: Targets::new(),
            instances: BTreeMap::new(),
            subscribed: Subscribed::default(),
            holders: Holders::default(),
            pace: Pace::default(),
            topics_version: None,
        }
    }

    /// What a record says; the group's own deletion is its owner's.
    pub(super) fn apply(&mut self, change: ConsumerRecord, timers: &mut Timers) {
        match change {
            ConsumerRecord::Epoch(value) => self.epoch = value.unwrap_or_default(),
            ConsumerRecord::TargetEpoch(value) => self.target_epoch = value.unwrap_or_default(),
            ConsumerRecord::Member { member, value: Some(subscription) } => {
                if let Some(instance_id) = &subscription.instance_id {
                    self.instances.insert(instance_id.clone(), member.clone());
                }
                let known = self.members.entry(member).or_default();
                self.subscribed.change(Some(&known.subscription), Some(&subscription));
                known.subscription = subscription;
            }
            ConsumerRecord::Member { member, value: None } => self.forget(&member, timers),
            ConsumerRecord::Target { member, value: Some(partitions) } => {
                self.targets.insert(member, partitions);
            }
            ConsumerRecord::Target { member, value: None } => drop(self.targets.remove(&member)),
            ConsumerRecord::Current { member, value: Some(current) } => {
                let known = self.members.entry(member).or_default();
                self.holders.change(&known.current, &current);
                known.current = current;
            }
            ConsumerRecord::Current { member, value: None } => {
                if let Some(known) = self.members.get_mut(&member) {
                    self.holders.change(&known.current, &CurrentAssignment::default());
                    known.current = CurrentAssignment::default();
                }
            }
            ConsumerRecord::Regex { regex, value } => self.subscribed.set_regex(regex, value),
        }
    }

    fn forget(&mut self, id: &Arc<str>, timers: &mut Timers) {
        let Some(mut member) = self.members.remove(id) else { return };
        member.take_timers_down(&self.id, id, timers);
        self.holders.change(&member.current, &CurrentAssignment::default());
        self.subscribed.change(Some(&member.subscription), None);
        if let Some(instance_id) = member.subscription.instance_id
            && self.instances.get(&instance_id) == Some(id)
        {
            self.instances.remove(&instance_id);
        }
    }

    /// Changes the group by a record, and has it written.
    fn write(&mut self, step: &mut Step<'_>, change: ConsumerRecord) {
        self.apply(change.clone(), step.timers);
        step.out.records.push(Record::Consumer { group: self.id.clone(), change });
    }

    /// All records that make the group what it is, each with its place among them.
    pub(super) fn written(&self) -> Vec<(Own, Record)> {
        let member = |(id, member): (&Arc<str>, &Member)| {
            let value = Some(member.subscription.clone());
            (Own(0, id.clone()), ConsumerRecord::Member { member: id.clone(), value })
        };
        let regex = |(regex, value): (&Arc<str>, &ResolvedRegex)| {
            (
                Own(2, regex.clone()),
                ConsumerRecord::Regex { regex: regex.clone(), value: Some(value.clone()) },
            )
        };
        let target = |(id, target): (&Arc<str>, &Partitions)| {
            (Own(3, id.clone()), ConsumerRecord::Target { member: id.clone(), value: Some(target.clone()) })
        };
        let current = |(id, member): (&Arc<str>, &Member)| {
            let value = Some(member.current.clone());
            (Own(5, id.clone()), ConsumerRecord::Current { member: id.clone(), value })
        };
        let mut changes: Vec<(Own, ConsumerRecord)> = self.members.iter().map(member).collect();
        changes.push((Own(1, "".into()), ConsumerRecord::Epoch(Some(self.epoch))));
        changes.extend(self.subscribed.regexes().iter().map(regex));
        changes.extend(self.targets.iter().map(target));
        changes.push((Own(4, "".into()), ConsumerRecord::TargetEpoch(Some(self.target_epoch))));
        changes.extend(self.members.iter().map(current));
        let record = |(own, change)| (own, Record::Consumer { group: self.id.clone(), change });
        changes.into_iter().map(record).collect()
    }

    /// The records that delete it, the group itself last.
    pub(super) fn tombstones(&self) -> Vec<Record> {
        let ids = || self.members.keys().cloned();
        let mut changes: Vec<ConsumerRecord> =
            ids().map(|member| ConsumerRecord::Current { member, value: None }).collect();
        changes.extend(
            self.targets.keys().cloned().map(|member| ConsumerRecord::Target { member, value: None }),
        );
        changes.push(ConsumerRecord::TargetEpoch(None));
        changes.extend(ids().map(|member| ConsumerRecord::Member { member, value: None }));
        let regexes = self.subscribed.regexes().keys().cloned();
        changes.extend(regexes.map(|regex| ConsumerRecord::Regex { regex, value: None }));
        changes.push(ConsumerRecord::Epoch(None));
        changes.into_iter().map(|change| Record::Consumer { group: self.id.clone(), change }).collect()
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// Kafka's name of the state.
    pub(super) fn state(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.has_to_assign() {
            "Assigning"
        } else if self.is_stable() {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// Whether targets are of an older epoch.
    pub(super) fn has_to_assign(&self) -> bool {
        self.target_epoch.epoch < self.epoch.epoch
    }

    /// Whether everybody has what it is to have, and nothing else.
    pub(super) fn is_stable(&self) -> bool {
        let is_reconciled = |member: &Member| {
            member.current.state == MemberState::Stable && member.current.epoch == self.target_epoch.epoch
        };
        !self.has_to_assign() && self.members.values().all(is_reconciled)
    }

    /// Whether a member reads the topic.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.contains(topic)
    }

    pub(super) fn describe(&self, settings: &GroupSettings) -> DescribedConsumerGroup {
        let member = |(id, member): (&Arc<str>, &Member)| DescribedConsumer {
            member_id: id.clone(),
            epoch: member.current.epoch,
            subscription: member.subscription.clone(),
            // What it has still to give up is its own until then.
            assigned: member.current.all(),
            target: self.targets.get(id).cloned().unwrap_or_default(),
        };
        DescribedConsumerGroup {
            state: self.state(),
            epoch: self.epoch.epoch,
            target_epoch: self.target_epoch.epoch,
            assignor: self.assignor(settings).into(),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// The assignor that most members ask for.
    fn assignor<'a>(&'a self, settings: &'a GroupSettings) -> &'a str {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.subscription.assignor.as_deref()) {
            *votes.entry(name).or_default() += 1;
        }
        votes
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map_or(settings.default_assignor(), |(name, _)| name)
    }

    /// Whether whoever commits may: a member in its epoch, in an older one only what it has had since then (KIP-1251); or anybody
    /// while there is no member.
    pub(super) fn check_commit(&self, step: &Step<'_>, commit: &CommitOffsets) -> Result<(), ErrorCode> {
        if commit.generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        if !commit.knows_missing_groups
            && self.members.get(&commit.member_id).is_some_and(|member| !member.is_classic())
        {
            // Such a version has no error for an epoch that is over.
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let member = self.members.get(&commit.member_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let is_held = |new: &NewOffset| {
            let topic = step.topics.by_name(&new.topic);
            let since = topic.and_then(|(id, _)| member.current.held_since(id, new.partition));
            since.is_some_and(|since| since <= commit.generation)
        };
        // What is refused for its metadata is not looked at.
        let mut looked_at = commit.offsets.iter().filter(|new| step.settings.takes_metadata(&new.metadata));
        match commit.generation < member.current.epoch && looked_at.all(is_held) {
            true => Ok(()),
            false => member.check_epoch(commit.generation),
        }
    }

    /// Whether whoever asks for offsets.
    pub(super) fn check_fetch(&self, fetch: &FetchOffsets) -> Result<(), ErrorCode> {
        match &fetch.member {
            Some((member, epoch)) if !member.is_empty() || *epoch >= 0 => {
                self.members.get(member).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?.check_epoch(*epoch)
            }
            _ => Ok(()),
        }
    }
}

/// Names of topics, as they are gathered.
type Names = BTreeSet<Arc<str>>;

/// Partitions of nobody.
fn nothing() -> &'static Partitions {
    static NOTHING: Partitions = Partitions::new();
    &NOTHING
}
