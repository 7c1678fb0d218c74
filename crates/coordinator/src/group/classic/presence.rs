//! Being there: heartbeats, leaving, and sessions that end.

use wire::error::ErrorCode;

use super::{ClassicGroup, State};
use crate::group::Step;
use crate::group::command::{Heartbeat, LeftMember, MemberIdentity};
use crate::group::timers::{About, Timer};

impl ClassicGroup {
    /// A member is alive; the error tells it when it has to join again.
    pub(in crate::group) fn heartbeat(&mut self, step: &mut Step<'_>, beat: &Heartbeat) -> ErrorCode {
        if let Err(error) = self.check_member(&beat.member_id, beat.instance_id.as_ref()) {
            return error;
        }
        if beat.generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        match self.state {
            State::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            State::Preparing => {
                self.heard_of(step, &beat.member_id);
                ErrorCode::REBALANCE_IN_PROGRESS
            }
            State::Completing | State::Stable => {
                self.heard_of(step, &beat.member_id);
                ErrorCode::NONE
            }
        }
    }

    /// Members leave, each for itself or for an operator.
    pub(in crate::group) fn leave(
        &mut self,
        step: &mut Step<'_>,
        members: Vec<MemberIdentity>,
    ) -> Vec<LeftMember> {
        let left: Vec<LeftMember> = members
            .into_iter()
            .map(|member| LeftMember {
                error: self.leave_one(step, &member).err().unwrap_or(ErrorCode::NONE),
                member,
            })
            .collect();
        if left.iter().any(|left| left.error == ErrorCode::NONE) {
            match self.state {
                State::Stable | State::Completing => self.rebalance(step),
                State::Preparing => self.complete_if_all_joined(step),
                State::Empty => {}
            }
        }
        left
    }

    fn leave_one(&mut self, step: &mut Step<'_>, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let id = if member.member_id.is_empty() {
            let holder = member.instance_id.as_ref().and_then(|instance| self.instances.get(instance));
            holder.cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
        } else {
            if !self.pending_joins.contains_key(&member.member_id) {
                self.check_member(&member.member_id, member.instance_id.as_ref())?;
            }
            member.member_id.clone()
        };
        self.remove(&id, step.timers, step.out);
        Ok(())
    }

    /// Somebody looks whether a member's session has ended, or the time in which an id had to be used.
    pub(in crate::group) fn session_over(&mut self, step: &mut Step<'_>, member_id: &str) {
        if self.pending_joins.remove(member_id).is_some() {
            if self.state == State::Preparing && self.have_all_joined() {
                self.complete_join(step);
            }
            return;
        }
        let group = self.id.clone();
        let Some(member) = self.members.get_mut(member_id) else { return };
        let timer = Timer { group, about: About::Session(member.id.clone()) };
        if !member.session.has_ended(step.timers, timer, step.now.monotonic) || member.is_alive() {
            return;
        }
        self.remove(member_id, step.timers, step.out);
        match self.state {
            State::Stable | State::Completing => self.rebalance(step),
            State::Preparing if self.have_all_joined() => self.complete_join(step),
            State::Preparing | State::Empty => {}
        }
    }
}
