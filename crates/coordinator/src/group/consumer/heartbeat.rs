//! One heartbeat: a member joins, says what is new, gives up and gets partitions, or leaves.

use std::sync::Arc;

use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::target::compiled;
use super::{AWAY, ConsumerGroup, Refusal, nothing, reconcile, refusal};
use crate::group::command::{ConsumerBeat, ConsumerBeatReply};
use crate::group::timers::About;
use crate::group::{GroupSettings, Step, exceeds_batch};
use crate::record::{
    ConsumerRecord, CurrentAssignment, Held, MemberSubscription, Partitions, Record, held_since,
    partitions_of,
};

impl ConsumerGroup {
    /// Whether there is no place for another member.
    pub(super) fn is_full_for(&self, settings: &GroupSettings, member: &str) -> bool {
        self.members.len() >= settings.consumer_size_max && !self.members.contains_key(member)
    }

    /// Whether a heartbeat is one that can be followed; nothing is changed before that is known.
    pub(in crate::group) fn check_beat(
        &self,
        settings: &GroupSettings,
        beat: &ConsumerBeat,
    ) -> Result<(), Refusal> {
        if self.is_full_for(settings, &beat.member_id) {
            let message = format!(
                "The consumer group has reached its maximum capacity of {} members.",
                settings.consumer_size_max
            );
            return Err(refusal(ErrorCode::GROUP_MAX_SIZE_REACHED, message));
        }
        let holder = beat.instance_id.as_ref().and_then(|instance| self.instances.get(instance));
        match (&beat.instance_id, holder) {
            (Some(instance), Some(holder)) if beat.epoch == 0 && *holder != beat.member_id => {
                self.check_released(instance, holder, &beat.member_id)?;
            }
            (Some(instance), holder) if beat.epoch != 0 => {
                check_holder(instance, holder, &beat.member_id)?;
                self.check_member(beat)?;
            }
            _ => self.check_member(beat)?,
        }
        if beat.topics.is_some() && self.is_too_large(beat) {
            let message = "The server experienced an unexpected error when processing the request.";
            return Err(refusal(ErrorCode::UNKNOWN_SERVER_ERROR, message));
        }
        let regex = beat
            .regex
            .as_ref()
            .filter(|regex| !regex.is_empty() && !self.subscribed.regexes().contains_key(*regex));
        regex.map_or(Ok(()), |regex| compiled(regex).map(drop))
    }

    /// Whether what a member reads could not be written down in one record batch with what it is to have: refused, as in Kafka, before
    /// it is decided.
    fn is_too_large(&self, beat: &ConsumerBeat) -> bool {
        let value = Some(subscription(MemberSubscription::default(), beat));
        let change = ConsumerRecord::Member { member: beat.member_id.clone(), value };
        exceeds_batch(2 * Record::Consumer { group: self.id.clone(), change }.bytes())
    }

    fn check_member(&self, beat: &ConsumerBeat) -> Result<(), Refusal> {
        if beat.epoch == 0 {
            return Ok(());
        }
        let Some(member) = self.members.get(&beat.member_id) else { return Err(self.no_member(beat)) };
        let (current, known) = (&member.current, member.current.epoch);
        let lost_answer = beat.epoch == current.previous_epoch
            && beat.owned.as_ref().is_some_and(|owned| reconcile::is_within(owned, &current.assigned));
        if beat.epoch == known || beat.epoch < known && lost_answer {
            return Ok(());
        }
        let size = if beat.epoch > known { "greater" } else { "smaller" };
        let message = format!(
            "The consumer group member has a {size} member epoch ({}) than the one known by the group coordinator \
             ({known}). The member must abandon all its partitions and rejoin.",
            beat.epoch
        );
        Err(refusal(ErrorCode::FENCED_MEMBER_EPOCH, message))
    }

    fn no_member(&self, beat: &ConsumerBeat) -> Refusal {
        let message = format!("Member {} is not a member of group {}.", beat.member_id, self.id);
        refusal(ErrorCode::UNKNOWN_MEMBER_ID, message)
    }

    /// A static member comes back as another process: what the one before it had is its own once that has said that it leaves.
    /// One of the classic protocol never says so.
    fn check_released(&self, instance: &str, holder: &Arc<str>, id: &Arc<str>) -> Result<(), Refusal> {
        let member = &self.members[holder];
        if member.current.epoch == AWAY || member.is_classic() {
            return Ok(());
        }
        let message = format!(
            "Static member {id} with instance id {instance} cannot join the group because the instance id is owned by {holder} \
             member."
        );
        Err(refusal(ErrorCode::UNRELEASED_INSTANCE_ID, message))
    }

    /// Follows a heartbeat that was checked.
    pub(in crate::group) fn heartbeat(
        &mut self,
        step: &mut Step<'_>,
        beat: &ConsumerBeat,
    ) -> ConsumerBeatReply {
        let id = beat.member_id.clone();
        self.take_over(step, beat.instance_id.as_ref(), &id);
        let known = self.members.get(&id).map(|member| &member.subscription);
        if known.is_some_and(|known| known.classic.is_some()) {
            self.expect_nothing(step, &id);
        }
        let has_changed = self.hear(step, &id, beat);
        self.refresh(step, has_changed);
        self.retarget(step, &id);
        let is_other = self.reconcile(step, &id, beat.owned.as_ref(), has_changed);
        self.heard_of(step, &id);
        let current = &self.members[&id].current;
        let names_topics = beat.topics.is_some() || beat.regex.is_some();
        let is_full_request =
            beat.epoch == 0 || beat.rebalance_timeout_ms != -1 && names_topics && beat.owned.is_some();
        let tells = is_full_request || is_other;
        ConsumerBeatReply {
            member_id: id,
            epoch: current.epoch,
            heartbeat_interval: step
                .configs
                .heartbeat_interval(&self.id)
                .unwrap_or(step.settings.consumer_heartbeat_interval),
            assignment: tells.then(|| partitions_of(&current.assigned)),
        }
    }

    /// What a member says of itself in a heartbeat, most of which say nothing new; true when it reads other topics than before.
    fn hear(&mut self, step: &mut Step<'_>, id: &Arc<str>, beat: &ConsumerBeat) -> bool {
        let known = self.members.get(id).map(|member| &member.subscription);
        if known.is_some_and(|known| !says_new(known, beat)) {
            return false;
        }
        let known = known.cloned().unwrap_or_default();
        self.subscribe(step, id, subscription(known, beat))
    }

    /// Who holds an instance is replaced by whoever comes with it now.
    pub(super) fn take_over(&mut self, step: &mut Step<'_>, instance_id: Option<&Arc<str>>, id: &Arc<str>) {
        let holder =
            instance_id.and_then(|instance| self.instances.get(instance)).filter(|holder| *holder != id);
        let Some(holder) = holder.cloned() else { return };
        let member = &self.members[&holder];
        let subscription = member.subscription.clone();
        let current = CurrentAssignment { epoch: 0, previous_epoch: 0, ..member.current.clone() };
        let target = self.targets.get(&holder).cloned();
        self.write(step, ConsumerRecord::Current { member: holder.clone(), value: None });
        self.write(step, ConsumerRecord::Target { member: holder.clone(), value: None });
        self.write(step, ConsumerRecord::Member { member: holder, value: None });
        self.write(step, ConsumerRecord::Member { member: id.clone(), value: Some(subscription) });
        self.write(
            step,
            ConsumerRecord::Target { member: id.clone(), value: Some(target.unwrap_or_default()) },
        );
        self.write(step, ConsumerRecord::Current { member: id.clone(), value: Some(current) });
    }

    /// What a member says of itself; true when it reads other topics than before.
    pub(super) fn subscribe(
        &mut self,
        step: &mut Step<'_>,
        id: &Arc<str>,
        subscription: MemberSubscription,
    ) -> bool {
        let known = self.members.get(id).map(|member| &member.subscription);
        if known == Some(&subscription) {
            return false;
        }
        let (topics, regex_before) =
            known.map(|known| (known.topics.clone(), known.regex.clone())).unwrap_or_default();
        let mut has_changed = subscription.topics != topics || subscription.regex != regex_before;
        if let Some(regex) = &subscription.regex
            && !self.subscribed.regexes().contains_key(regex)
        {
            has_changed |= self.resolve(step, regex);
        }
        self.write(step, ConsumerRecord::Member { member: id.clone(), value: Some(subscription) });
        if let Some(regex) = regex_before.filter(|regex| !self.subscribed.is_used(regex)) {
            self.write(step, ConsumerRecord::Regex { regex, value: None });
        }
        has_changed
    }

    /// A step of a member towards what it is to have; true when it has other partitions than before. `has_changed`: it has just said
    /// that it reads other topics.
    pub(super) fn reconcile(
        &mut self,
        step: &mut Step<'_>,
        id: &Arc<str>,
        owned: Option<&Partitions>,
        has_changed: bool,
    ) -> bool {
        let member = &self.members[id];
        let current = &member.current;
        let target = self.targets.get(id).unwrap_or(nothing());
        let reads = |topic| {
            let name = step.topics.name_of(topic);
            name.is_some_and(|name| self.subscribed.has(&member.subscription, &name))
        };
        let is_dropped = |topic| has_changed && !reads(topic);
        let is_free = |topic: Uuid, number: i32| self.holders.is_free_for(current, topic, number);
        let next = reconcile::next(current, target, self.target_epoch.epoch, owned, is_free, is_dropped);
        let next = next.filter(|next| next != current);
        let is_other = next.as_ref().is_some_and(|next| next.assigned != current.assigned);
        if next.is_some() {
            self.write(step, ConsumerRecord::Current { member: id.clone(), value: next });
        }
        self.watch_revocation(step, id);
        is_other
    }

    /// Whether a member may leave, for good or for a while.
    pub(in crate::group) fn check_leave(&self, beat: &ConsumerBeat) -> Result<(), Refusal> {
        match &beat.instance_id {
            Some(instance) => check_holder(instance, self.instances.get(instance), &beat.member_id),
            None if self.members.contains_key(&beat.member_id) => Ok(()),
            None => Err(self.no_member(beat)),
        }
    }

    /// A static member leaves for a while: what it has is kept for it.
    pub(in crate::group) fn go_away(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        let timer = self.timer(About::Revocation(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return };
        member.revokes.clear(step.timers, timer);
        // Whoever comes back may commit it in any epoch.
        let assigned = held_since(&partitions_of(&member.current.assigned), 0);
        let away =
            CurrentAssignment { epoch: AWAY, assigned, revoking: Held::new(), ..member.current.clone() };
        self.write(step, ConsumerRecord::Current { member: id.clone(), value: Some(away) });
    }
}

/// What a member reads now, where it says so, and as before, where it does not.
fn subscription(known: MemberSubscription, beat: &ConsumerBeat) -> MemberSubscription {
    MemberSubscription {
        instance_id: beat.instance_id.clone().or(known.instance_id),
        rack_id: beat.rack_id.clone().or(known.rack_id),
        client_id: beat.client_id.clone(),
        client_host: beat.client_host.clone(),
        topics: beat.topics.clone().unwrap_or(known.topics),
        // An empty one takes the subscription back.
        regex: beat.regex.clone().or(known.regex).filter(|regex| !regex.is_empty()),
        rebalance_timeout_ms: match beat.rebalance_timeout_ms {
            -1 => known.rebalance_timeout_ms,
            timeout => timeout,
        },
        assignor: beat.assignor.clone().or(known.assignor),
        classic: None,
    }
}

/// Whether a heartbeat says anything of a member that is not known.
fn says_new(known: &MemberSubscription, beat: &ConsumerBeat) -> bool {
    let is_other = |says: &Option<Arc<str>>, known: &Option<Arc<str>>| says.is_some() && says != known;
    known.classic.is_some()
        || known.client_id != beat.client_id
        || known.client_host != beat.client_host
        || is_other(&beat.instance_id, &known.instance_id)
        || is_other(&beat.rack_id, &known.rack_id)
        || is_other(&beat.regex, &known.regex)
        || is_other(&beat.assignor, &known.assignor)
        || beat.topics.as_ref().is_some_and(|topics| *topics != known.topics)
        || ![-1, known.rebalance_timeout_ms].contains(&beat.rebalance_timeout_ms)
}

/// Whether a member holds the instance that it says it is.
fn check_holder(instance: &str, holder: Option<&Arc<str>>, member: &Arc<str>) -> Result<(), Refusal> {
    match holder {
        None => {
            let message = format!("Instance id {instance} is unknown.");
            Err(refusal(ErrorCode::UNKNOWN_MEMBER_ID, message))
        }
        Some(holder) if holder != member => {
            let message =
                format!("Static member {member} with instance id {instance} was fenced by member {holder}.");
            Err(refusal(ErrorCode::FENCED_INSTANCE_ID, message))
        }
        Some(_) => Ok(()),
    }
}
