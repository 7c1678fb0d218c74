//! One heartbeat: a member joins, says what is new, gives up and gets partitions, or leaves.

use std::collections::HashSet;
use std::sync::Arc;

use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::{AWAY, ConsumerGroup, Member, Refusal, nothing, reconcile, refusal};
use crate::group::Step;
use crate::group::command::{ConsumerBeat, ConsumerBeatReply};
use crate::record::{ConsumerRecord, CurrentAssignment, MemberSubscription, Partitions};

/// A member that leaves, and a static one that will come back.
const LEAVES: i32 = -1;

impl ConsumerGroup {
    /// Whether there is no place for another member.
    fn is_full_for(&self, step: &Step<'_>, member: &str) -> bool {
        self.members.len() >= step.settings.consumer_size_max && !self.members.contains_key(member)
    }

    pub(in crate::group) fn heartbeat(
        &mut self,
        step: &mut Step<'_>,
        beat: &ConsumerBeat,
    ) -> Result<ConsumerBeatReply, Refusal> {
        if matches!(beat.epoch, LEAVES | AWAY) {
            return self.leave(step, beat);
        }
        if self.is_full_for(step, &beat.member_id) {
            let message = format!(
                "The consumer group has reached its maximum capacity of {} members.",
                step.settings.consumer_size_max
            );
            return Err(refusal(ErrorCode::GROUP_MAX_SIZE_REACHED, message));
        }
        let id = beat.member_id.clone();
        self.admit(step, beat)?;
        let before = self.members.get(&id).map(|member| member.current.clone()).unwrap_or_default();
        let has_changed = match self.subscribe(step, &id, beat) {
            Ok(has_changed) => has_changed,
            Err(refused) => {
                // Who was let in a moment ago is not written down yet.
                self.members.retain(|_, member| member.subscription != MemberSubscription::default());
                return Err(refused);
            }
        };
        self.refresh(step, has_changed);
        self.retarget(step);
        self.reconcile(step, &id, beat.owned.as_ref());
        self.heard_of(step, &id);
        let current = &self.members[&id].current;
        let is_full_request = beat.epoch == 0
            || beat.rebalance_timeout_ms != -1 && beat.topics.is_some() && beat.owned.is_some();
        let tells = is_full_request || current.assigned != before.assigned;
        Ok(ConsumerBeatReply {
            member_id: id,
            epoch: current.epoch,
            heartbeat_interval: step.settings.consumer_heartbeat_interval,
            assignment: tells.then(|| current.assigned.clone()),
        })
    }

    /// Finds the member, lets it in, or refuses it.
    fn admit(&mut self, step: &mut Step<'_>, beat: &ConsumerBeat) -> Result<(), Refusal> {
        let holder = beat.instance_id.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        match (&beat.instance_id, holder) {
            (Some(instance), Some(holder)) if beat.epoch == 0 && holder != beat.member_id => {
                self.replace(step, instance, &holder, &beat.member_id)
            }
            (Some(instance), holder) if beat.epoch != 0 => {
                check_holder(instance, holder.as_ref(), &beat.member_id)?;
                self.check_member(beat)
            }
            _ => self.check_member(beat),
        }
    }

    fn check_member(&mut self, beat: &ConsumerBeat) -> Result<(), Refusal> {
        let Some(member) = self.members.get(&beat.member_id) else {
            if beat.epoch == 0 {
                self.members.insert(beat.member_id.clone(), Member::default());
                return Ok(());
            }
            let message = format!("Member {} is not a member of group {}.", beat.member_id, self.id);
            return Err(refusal(ErrorCode::UNKNOWN_MEMBER_ID, message));
        };
        let (current, known) = (&member.current, member.current.epoch);
        let lost_answer = beat.epoch == current.previous_epoch
            && beat.owned.as_ref().is_some_and(|owned| reconcile::is_within(owned, &current.assigned));
        if beat.epoch == known || beat.epoch < known && lost_answer || beat.epoch == 0 {
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

    /// A static member comes back as another process: it takes over what the one before it had, if that has said that it would.
    fn replace(
        &mut self,
        step: &mut Step<'_>,
        instance: &str,
        holder: &Arc<str>,
        id: &Arc<str>,
    ) -> Result<(), Refusal> {
        let member = &self.members[holder];
        if member.current.epoch != AWAY {
            let message = format!(
                "Static member {id} with instance id {instance} cannot join the group because the instance id is owned by \
                 {holder} member."
            );
            return Err(refusal(ErrorCode::UNRELEASED_INSTANCE_ID, message));
        }
        let (subscription, assigned) = (member.subscription.clone(), member.current.assigned.clone());
        let target = self.targets.get(holder).cloned();
        self.write(step, ConsumerRecord::Current { member: holder.clone(), value: None });
        self.write(step, ConsumerRecord::Target { member: holder.clone(), value: None });
        self.write(step, ConsumerRecord::Member { member: holder.clone(), value: None });
        self.write(step, ConsumerRecord::Member { member: id.clone(), value: Some(subscription) });
        self.write(step, ConsumerRecord::Target { member: id.clone(), value: target });
        let current = CurrentAssignment { assigned, ..CurrentAssignment::default() };
        self.write(step, ConsumerRecord::Current { member: id.clone(), value: Some(current) });
        Ok(())
    }

    /// What a member says of itself; true when it reads other topics than before.
    fn subscribe(
        &mut self,
        step: &mut Step<'_>,
        id: &Arc<str>,
        beat: &ConsumerBeat,
    ) -> Result<bool, Refusal> {
        let known = &self.members[id].subscription;
        let or_known =
            |new: &Option<Arc<str>>, known: &Option<Arc<str>>| new.clone().or_else(|| known.clone());
        let subscription = MemberSubscription {
            instance_id: or_known(&beat.instance_id, &known.instance_id),
            rack_id: or_known(&beat.rack_id, &known.rack_id),
            client_id: beat.client_id.clone(),
            client_host: beat.client_host.clone(),
            topics: beat.topics.clone().unwrap_or_else(|| known.topics.clone()),
            // An empty one takes the subscription back.
            regex: or_known(&beat.regex, &known.regex).filter(|regex| !regex.is_empty()),
            rebalance_timeout_ms: match beat.rebalance_timeout_ms {
                -1 => known.rebalance_timeout_ms,
                timeout => timeout,
            },
            assignor: or_known(&beat.assignor, &known.assignor),
        };
        if subscription == *known {
            return Ok(false);
        }
        let mut has_changed = subscription.topics != known.topics || subscription.regex != known.regex;
        let regex_before = known.regex.clone();
        if let Some(regex) = &subscription.regex
            && !self.regexes.contains_key(regex)
        {
            has_changed |= self.resolve(step, regex)?;
        }
        self.write(step, ConsumerRecord::Member { member: id.clone(), value: Some(subscription) });
        if let Some(regex) = regex_before.filter(|regex| !self.is_used(regex)) {
            self.write(step, ConsumerRecord::Regex { regex, value: None });
        }
        Ok(has_changed)
    }

    /// A step of a member towards what it is to have.
    fn reconcile(&mut self, step: &mut Step<'_>, id: &Arc<str>, owned: Option<&Partitions>) {
        let current = &self.members[id].current;
        let target = self.targets.get(id).unwrap_or(nothing());
        let taken = self.taken_by_others(id);
        let is_free = |topic: Uuid, number: i32| !taken.contains(&(topic, number));
        let next = reconcile::next(current, target, self.target_epoch.epoch, owned, is_free);
        if next != *current {
            self.write(step, ConsumerRecord::Current { member: id.clone(), value: Some(next) });
        }
        self.watch_revocation(step, id);
    }

    /// What other members have, or have still to give up.
    fn taken_by_others(&self, id: &Arc<str>) -> HashSet<(Uuid, i32)> {
        let others = self.members.iter().filter(|(other, _)| *other != id);
        let held = others.flat_map(|(_, member)| [&member.current.assigned, &member.current.revoking]);
        let each = held.flat_map(|partitions| {
            partitions.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
        });
        each.collect()
    }

    fn leave(&mut self, step: &mut Step<'_>, beat: &ConsumerBeat) -> Result<ConsumerBeatReply, Refusal> {
        let left = ConsumerBeatReply {
            member_id: beat.member_id.clone(),
            epoch: beat.epoch,
            heartbeat_interval: std::time::Duration::ZERO,
            assignment: None,
        };
        let holder = beat.instance_id.as_ref().map(|instance| (instance, self.instances.get(instance)));
        if let Some((instance, holder)) = holder {
            check_holder(instance, holder, &beat.member_id)?;
        } else if !self.members.contains_key(&beat.member_id) {
            let message = format!("Member {} is not a member of group {}.", beat.member_id, self.id);
            return Err(refusal(ErrorCode::UNKNOWN_MEMBER_ID, message));
        }
        if beat.epoch == AWAY {
            let current = &self.members[&beat.member_id].current;
            let away = CurrentAssignment { epoch: AWAY, revoking: Partitions::new(), ..current.clone() };
            self.write(step, ConsumerRecord::Current { member: beat.member_id.clone(), value: Some(away) });
        } else {
            self.remove(step, &beat.member_id);
        }
        Ok(left)
    }
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
