//! Being there: sessions, what a member has to do in time, and who is taken out.

use std::sync::Arc;

use super::{ConsumerGroup, Member};
use crate::group::Step;
use crate::group::classic::millis;
use crate::group::timers::{About, Timer, Timers};
use crate::record::{ConsumerRecord, MemberState};

impl Member {
    pub(super) fn take_timers_down(&mut self, group: &Arc<str>, id: &Arc<str>, timers: &mut Timers) {
        let timer = |about| Timer { group: group.clone(), about };
        self.session.forget(timers, timer(About::Session(id.clone())));
        self.revokes.clear(timers, timer(About::Revocation(id.clone())));
        self.rejoins.clear(timers, timer(About::Rejoin(id.clone())));
        self.collects.clear(timers, timer(About::Collection(id.clone())));
    }
}

impl ConsumerGroup {
    /// After a restart, or once it is made of one of the classic protocol: every member has a whole session to be heard of.
    pub(in crate::group) fn begin(&mut self, step: &mut Step<'_>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            self.heard_of(step, &id);
            self.watch_revocation(step, &id);
        }
    }

    /// Takes its timers down; it is about to be deleted or replaced.
    pub(in crate::group) fn end(&mut self, timers: &mut Timers) {
        for (id, member) in &mut self.members {
            member.take_timers_down(&self.id, id, timers);
        }
    }

    pub(super) fn timer(&self, about: About) -> Timer {
        Timer { group: self.id.clone(), about }
    }

    /// A member is alive: its session begins anew. One of the classic protocol has said how long it is.
    pub(super) fn heard_of(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        let timer = self.timer(About::Session(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return };
        let timeout = match &member.subscription.classic {
            Some(classic) => millis(classic.session_timeout_ms),
            None => step.configs.session_timeout(&self.id).unwrap_or(step.settings.consumer_session_timeout),
        };
        member.session.extend(step.timers, timer, step.now.monotonic + timeout);
    }

    /// Somebody looks whether a member's session has ended.
    pub(in crate::group) fn has_session_ended(&mut self, step: &mut Step<'_>, id: &Arc<str>) -> bool {
        let timer = self.timer(About::Session(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return false };
        member.session.has_ended(step.timers, timer, step.now.monotonic)
    }

    /// A member has to give partitions up within its rebalance time-out, or it is taken for gone. One of the classic protocol
    /// has to join again in time, which comes to the same.
    pub(super) fn watch_revocation(&mut self, step: &mut Step<'_>, id: &Arc<str>) {
        let timer = self.timer(About::Revocation(id.clone()));
        let Some(member) = self.members.get_mut(id) else { return };
        if member.current.state == MemberState::Unrevoked && !member.is_classic() {
            let until = step.now.monotonic + millis(member.subscription.rebalance_timeout_ms);
            member.revokes.set_if_none(step.timers, timer, until);
        } else {
            member.revokes.clear(step.timers, timer);
        }
    }

    /// Takes members out; the others' targets are computed with their next heartbeats.
    pub(in crate::group) fn remove(&mut self, step: &mut Step<'_>, ids: &[Arc<str>]) {
        for id in ids {
            self.write(step, ConsumerRecord::Current { member: id.clone(), value: None });
            self.write(step, ConsumerRecord::Target { member: id.clone(), value: None });
            self.write(step, ConsumerRecord::Member { member: id.clone(), value: None });
        }
        let regexes = self.subscribed.regexes().keys();
        let unused: Vec<Arc<str>> =
            regexes.filter(|regex| !self.subscribed.is_used(regex)).cloned().collect();
        for regex in unused {
            self.write(step, ConsumerRecord::Regex { regex, value: None });
        }
        self.advance(step);
    }
}
