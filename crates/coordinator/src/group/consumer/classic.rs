//! Members that speak the classic protocol in a group of the other: they join again whenever what they have is to change, and
//! their epoch is their generation.
//!
//! Nobody waits for others to join, and nobody assigns: an answer to JoinGroup says no more than the epoch that the member has
//! come to, and SyncGroup brings what the coordinator has assigned. What a member owns it says in its subscription; one that gives
//! all up before it joins owns nothing.

use std::sync::Arc;

use wire::error::ErrorCode;

use super::{ConsumerGroup, Member};
use crate::group::classic::millis;
use crate::group::command::{Heartbeat, Join, JoinReply, MemberIdentity, Sync, SyncReply};
use crate::group::embedded::{self, CONSUMER, Subscription};
use crate::group::settings::MigrationPolicy;
use crate::group::timers::About;
use crate::group::{GroupSettings, Step, Topics};
use crate::record::{ClassicMember, MemberState, MemberSubscription, partitions_of};

impl ConsumerGroup {
    /// Whether a member of the classic protocol may join with these; gives what it reads.
    pub(in crate::group) fn check_join(
        &self,
        settings: &GroupSettings,
        topics: &dyn Topics,
        id: &Arc<str>,
        join: &Join,
    ) -> Result<Subscription, ErrorCode> {
        if settings.migration == MigrationPolicy::Disabled {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if self.is_full_for(settings, id) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let Some(first) = join.protocols.first().filter(|_| self.supports(join)) else {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        };
        if join.member_id.is_empty() {
            if join.instance_id.is_none() && join.requires_member_id {
                return Err(ErrorCode::MEMBER_ID_REQUIRED);
            }
        } else if join.instance_id.is_some() {
            self.classic_member(&join.member_id, join.instance_id.as_ref())?;
        }
        Subscription::read(&first.metadata, topics).map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)
    }

    /// Whether all members of the classic protocol have one in common with whoever joins.
    fn supports(&self, join: &Join) -> bool {
        let classic = || self.members.values().filter_map(|member| member.subscription.classic.as_ref());
        let has =
            |of: &ClassicMember, name: &str| of.protocols.iter().any(|protocol| *protocol.name == *name);
        &*join.protocol_type == CONSUMER
            && join.protocols.iter().any(|protocol| classic().all(|of| has(of, &protocol.name)))
    }

    /// A member of the classic protocol joins, or joins again, and says what it reads now; true when that is new.
    pub(in crate::group) fn admit(
        &mut self,
        step: &mut Step<'_>,
        id: &Arc<str>,
        join: Join,
        reads: &Subscription,
    ) -> bool {
        self.take_over(step, join.instance_id.as_ref(), id);
        self.expect_nothing(step, id);
        let known = self.members.get(id).map(|member| member.subscription.clone()).unwrap_or_default();
        let subscription = MemberSubscription {
            instance_id: join.instance_id.or(known.instance_id),
            rack_id: reads.rack_id.clone().or(known.rack_id),
            client_id: join.client_id,
            client_host: join.client_host,
            topics: reads.topics.clone(),
            regex: None,
            rebalance_timeout_ms: match join.rebalance_timeout_ms {
                -1 => known.rebalance_timeout_ms,
                timeout => timeout,
            },
            assignor: known.assignor,
            classic: Some(ClassicMember {
                session_timeout_ms: join.session_timeout_ms,
                protocols: join.protocols,
            }),
        };
        let has_changed = self.subscribe(step, id, subscription);
        self.refresh(step, has_changed);
        has_changed
    }

    /// A member that has joined comes closer to what it is to have; `has_changed`: it reads other topics than before.
    pub(in crate::group) fn come_closer(
        &mut self,
        step: &mut Step<'_>,
        id: &Arc<str>,
        reads: &Subscription,
        has_changed: bool,
    ) {
        self.retarget(step, id);
        self.reconcile(step, id, Some(&reads.owned), has_changed);
    }

    /// A member that has joined has to ask for what it has, within its rebalance time-out.
    pub(in crate::group) fn expect_collection(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        self.heard_of(step, id);
        let timer = self.timer(About::Collection(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return };
        let until = step.now.monotonic + millis(member.subscription.rebalance_timeout_ms);
        member.collects.set(step.timers, timer, until);
    }

    /// What a member that has joined is told.
    pub(in crate::group) fn join_reply(&self, id: &Arc<str>) -> JoinReply {
        let member = &self.members[id];
        JoinReply {
            error: ErrorCode::NONE,
            generation: member.current.epoch,
            protocol_type: Some(CONSUMER.into()),
            protocol: member.protocol().cloned(),
            leader: "".into(),
            skips_assignment: false,
            member_id: id.clone(),
            members: Vec::new(),
        }
    }

    /// A member asks for what it has.
    pub(in crate::group) fn sync(
        &mut self,
        step: &mut Step<'_>,
        sync: &Sync,
    ) -> Result<SyncReply, ErrorCode> {
        let (id, member) = self.in_generation(&sync.member_id, sync.instance_id.as_ref(), sync.generation)?;
        let is_other =
            |asked: &Option<Arc<str>>, own: Option<&str>| asked.is_some() && asked.as_deref() != own;
        if is_other(&sync.protocol_type, Some(CONSUMER))
            || is_other(&sync.protocol, member.protocol().map(|name| &**name))
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        // Whoever asks is alive, whatever it is told.
        self.heard_of(step, &id);
        let member = &self.members[&id];
        // Who has still to give something up has joined already.
        if member.current.epoch < self.target_epoch.epoch && member.current.state != MemberState::Unrevoked {
            self.expect_rejoin(step, &id);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let assignment =
            embedded::assignment(&partitions_of(&member.current.assigned), member.metadata(), step.topics);
        let timer = self.timer(About::Collection(id.clone()));
        if let Some(member) = self.members.get_mut(&id) {
            member.collects.clear(step.timers, timer);
        }
        Ok(SyncReply {
            error: ErrorCode::NONE,
            protocol_type: sync.protocol_type.clone(),
            protocol: sync.protocol.clone(),
            assignment,
        })
    }

    /// A member is alive; the error tells it when it has to join again.
    pub(in crate::group) fn classic_beat(&mut self, step: &mut Step<'_>, beat: &Heartbeat) -> ErrorCode {
        let found = self.in_generation(&beat.member_id, beat.instance_id.as_ref(), beat.generation);
        let (id, has_to_join) = match found {
            Ok((id, member)) => {
                let has_to_join = member.current.epoch < self.target_epoch.epoch
                    || match member.current.state {
                        MemberState::Stable => false,
                        MemberState::Unrevoked => true,
                        MemberState::Unreleased => !self.waits_for_others(&id, member),
                    };
                (id, has_to_join)
            }
            Err(error) => return error,
        };
        self.heard_of(step, &id);
        if !has_to_join {
            return ErrorCode::NONE;
        }
        self.expect_rejoin(step, &id);
        ErrorCode::REBALANCE_IN_PROGRESS
    }

    /// Whether somebody has anything that a member is to have.
    fn waits_for_others(&self, id: &Arc<str>, member: &Member) -> bool {
        let current = &member.current;
        self.targets.get(id).into_iter().flatten().any(|(topic, numbers)| {
            let assigned = current.assigned.get(topic);
            let is_missing = |number: &&i32| !assigned.is_some_and(|assigned| assigned.contains_key(number));
            let mut missing = numbers.iter().filter(is_missing);
            missing.any(|number| !self.holders.is_free_for(current, *topic, *number))
        })
    }

    /// The member that leaves, or is put out by an operator: also one of the consumer protocol.
    pub(in crate::group) fn leaving(&self, member: &MemberIdentity) -> Result<Arc<str>, ErrorCode> {
        match (&member.instance_id, &*member.member_id) {
            (Some(instance), "") => self.instances.get(instance).cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID),
            (instance, id) => Ok(self.classic_member(id, instance.as_ref())?.0.clone()),
        }
    }

    /// A member that speaks the classic protocol and says in which generation it is.
    fn in_generation(
        &self,
        id: &str,
        instance_id: Option<&Arc<str>>,
        generation: i32,
    ) -> Result<(Arc<str>, &Member), ErrorCode> {
        let (id, member) = self.classic_member(id, instance_id)?;
        if !member.is_classic() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if member.current.epoch != generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok((id.clone(), member))
    }

    /// Is there such a member, and is it the one that holds its instance?
    fn classic_member(
        &self,
        id: &str,
        instance_id: Option<&Arc<str>>,
    ) -> Result<(&Arc<str>, &Member), ErrorCode> {
        if let Some(instance_id) = instance_id {
            let holder = self.instances.get(instance_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            if **holder != *id {
                return Err(ErrorCode::FENCED_INSTANCE_ID);
            }
        }
        self.members.get_key_value(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// A member was told to join again: it has its rebalance time-out to do so, from when it was told first.
    fn expect_rejoin(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        let timer = self.timer(About::Rejoin(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return };
        let until = step.now.monotonic + millis(member.subscription.rebalance_timeout_ms);
        member.rejoins.set_if_none(step.timers, timer, until);
    }

    /// A member has joined, or speaks the other protocol now: it has done what it had to.
    pub(super) fn expect_nothing(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        let (rejoin, collection) =
            (self.timer(About::Rejoin(id.clone())), self.timer(About::Collection(id.clone())));
        let Some(member) = self.members.get_mut(id) else { return };
        member.rejoins.clear(step.timers, rejoin);
        member.collects.clear(step.timers, collection);
    }
}

impl Member {
    /// The name of the protocol that a member is told was agreed on: the one that it likes best.
    fn protocol(&self) -> Option<&Arc<str>> {
        Some(&self.subscription.classic.as_ref()?.protocols.first()?.name)
    }

    /// What it has said for that protocol.
    fn metadata(&self) -> &[u8] {
        let classic = self.subscription.classic.as_ref();
        classic.and_then(|classic| classic.protocols.first()).map_or(&[], |protocol| &protocol.metadata)
    }
}
