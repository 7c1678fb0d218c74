//! Joining: until all members of the next generation are there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::error::ErrorCode;

use super::member::{Member, millis};
use super::{ClassicGroup, JoinWait, State, answer_join, answer_sync, count, discount};
use crate::group::Step;
use crate::group::command::{Join, JoinReply, JoinedMember, Protocol, Reply, SyncReply, Ticket};
use crate::group::settings::NEW_MEMBER_JOIN_TIMEOUT;

impl ClassicGroup {
    /// A member joins; its reply may come much later.
    pub(in crate::group) fn join(&mut self, step: &mut Step<'_>, ticket: Ticket, join: Join) {
        if !self.has_place_for(&join.member_id, step.settings.size_max) {
            self.remove(&join.member_id, step.timers, step.out);
            refuse(step, ticket, ErrorCode::GROUP_MAX_SIZE_REACHED, "".into());
        } else if !self.supports(&join.protocol_type, &join.protocols) {
            refuse(step, ticket, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, join.member_id);
        } else if join.member_id.is_empty() {
            self.join_new(step, ticket, join);
        } else if self.pending_joins.contains_key(&join.member_id) {
            self.add(step, ticket, join.member_id.clone(), join);
        } else {
            self.join_again(step, ticket, join);
        }
    }

    /// While members join, places go to those who are there first; later to those who were members.
    fn has_place_for(&self, member_id: &str, size_max: usize) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            State::Empty => true,
            State::Preparing => {
                member.is_some_and(|member| member.joining.is_some()) || self.joining < size_max
            }
            State::Completing | State::Stable => member.is_some() || self.members.len() < size_max,
        }
    }

    /// Whether the group has, or could have, a protocol in common with a member that supports these.
    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.is_supported_by_all(&protocol.name))
    }

    fn join_new(&mut self, step: &mut Step<'_>, ticket: Ticket, join: Join) {
        let named_after = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let member_id: Arc<str> = format!("{named_after}-{}", hyphenated(join.random_id.0)).into();
        if let Some(instance_id) = &join.instance_id {
            match self.instances.get(instance_id).cloned() {
                Some(holder) => self.take_over(step, ticket, &holder, member_id, join),
                None => self.add(step, ticket, member_id, join),
            }
        } else if join.requires_member_id {
            let until = step.now.monotonic + millis(join.session_timeout_ms);
            step.timers.insert(until, self.session_timer(&member_id));
            self.pending_joins.insert(member_id.clone(), until);
            refuse(step, ticket, ErrorCode::MEMBER_ID_REQUIRED, member_id);
        } else {
            self.add(step, ticket, member_id, join);
        }
    }

    fn add(&mut self, step: &mut Step<'_>, ticket: Ticket, member_id: Arc<str>, join: Join) {
        if let Some(until) = self.pending_joins.get(&member_id) {
            step.timers.remove(*until, self.session_timer(&member_id));
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        // Whoever comes while the first ones wait makes them wait for more.
        self.has_new_member |= self.state == State::Preparing && self.previous == Some(State::Empty);
        let member = Member { joining: Some(ticket), ..Member::new(member_id.clone(), join) };
        self.insert(member);
        self.extend_session(step, &member_id, NEW_MEMBER_JOIN_TIMEOUT);
        self.rebalance(step);
    }

    fn join_again(&mut self, step: &mut Step<'_>, ticket: Ticket, join: Join) {
        if let Err(error) = self.check_member(&join.member_id, join.instance_id.as_ref()) {
            return refuse(step, ticket, error, join.member_id);
        }
        let is_leader = self.leader.as_ref() == Some(&join.member_id);
        let is_same = self.members[&join.member_id].protocols == join.protocols;
        match self.state {
            State::Empty => refuse(step, ticket, ErrorCode::UNKNOWN_MEMBER_ID, join.member_id),
            // It did not hear what came of its joining: it is told again.
            State::Completing if is_same => {
                let reply = self.join_reply(&join.member_id, is_leader);
                step.out.reply(ticket, Reply::Join(reply));
            }
            // A leader that joins again wants to assign anew: there may be new partitions.
            State::Stable if is_same && !is_leader => {
                let reply = self.join_reply(&join.member_id, false);
                step.out.reply(ticket, Reply::Join(reply));
            }
            State::Preparing | State::Completing | State::Stable => {
                self.update(step, ticket, &join.member_id.clone(), join);
                self.rebalance(step);
            }
        }
    }

    /// What a member says of itself now; it waits for the next generation.
    fn update(&mut self, step: &mut Step<'_>, ticket: Ticket, member_id: &str, join: Join) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        // Its earlier request is nobody's any more.
        let outdated = JoinReply::refused(ErrorCode::REBALANCE_IN_PROGRESS, member.id.clone());
        answer_join(member, &mut self.joining, step.out, outdated);
        discount(&mut self.supported, &member.protocols);
        count(&mut self.supported, &join.protocols);
        member.protocols = join.protocols;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.session_timeout_ms = join.session_timeout_ms;
        member.joining = Some(ticket);
        self.joining += 1;
    }

    /// A static member came back without its id: it gets a new one and all that the old one had (KIP-345).
    fn take_over(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        holder: &Arc<str>,
        member_id: Arc<str>,
        join: Join,
    ) {
        let can_skip = join.can_skip_assignment;
        let leader_before = self.leader.clone();
        self.rename(step, holder, &member_id);
        self.heard_of(step, &member_id);
        self.update(step, ticket, &member_id, join);
        match self.state {
            // What is too large to be written down is not: it goes the way of a generation that is.
            State::Stable
                if self.select_protocol() == self.protocol && !self.exceeds_batch(self.metadata()) =>
            {
                let is_leader = self.leader.as_ref() == Some(&member_id);
                let mut reply = self.join_reply(&member_id, is_leader && can_skip);
                reply.skips_assignment = is_leader && can_skip;
                if !can_skip {
                    // An old client that is told it leads would assign; so it hears who led before.
                    reply.leader = leader_before.unwrap_or_default();
                }
                if let Some(member) = self.members.get_mut(&member_id) {
                    answer_join(member, &mut self.joining, step.out, reply);
                }
                self.write_down(step.out);
            }
            // The leader may be assigning to the old id just now.
            State::Stable | State::Completing => self.rebalance(step),
            State::Preparing => self.complete_if_all_joined(step),
            State::Empty => unreachable!("an empty group has no static member"),
        }
    }

    /// A member gets another id. Whoever has used the old one is another process: it is fenced.
    fn rename(&mut self, step: &mut Step<'_>, from: &Arc<str>, to: &Arc<str>) {
        let Some(mut member) = self.members.remove(from) else { return };
        let fenced = JoinReply::refused(ErrorCode::FENCED_INSTANCE_ID, member.id.clone());
        answer_join(&mut member, &mut self.joining, step.out, fenced);
        answer_sync(&mut member, step.out, SyncReply::refused(ErrorCode::FENCED_INSTANCE_ID));
        member.session.forget(step.timers, self.session_timer(from));
        if self.pending_syncs.remove(from) {
            self.pending_syncs.insert(to.clone());
        }
        if self.leader.as_ref() == Some(from) {
            self.leader = Some(to.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), to.clone());
        }
        member.id = to.clone();
        member.is_new = false;
        self.members.insert(to.clone(), member);
    }

    /// Something has changed: members have to join again, or all that were awaited have.
    pub(super) fn rebalance(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Preparing => self.complete_if_all_joined(step),
            State::Empty | State::Completing | State::Stable => self.prepare_rebalance(step),
        }
    }

    /// The first members of a group wait for others; theirs is no generation to be completed early.
    pub(super) fn complete_if_all_joined(&mut self, step: &mut Step<'_>) {
        if self.state == State::Preparing && self.previous != Some(State::Empty) && self.have_all_joined() {
            self.complete_join(step);
        }
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.joining == self.members.len() && self.pending_joins.is_empty()
    }

    pub(in crate::group) fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        if self.state == State::Completing {
            self.hand_out(step, ErrorCode::REBALANCE_IN_PROGRESS, &BTreeMap::new());
        }
        self.pending_syncs.clear();
        self.cancel_sync_timer(step.timers);
        let is_initial = self.state == State::Empty;
        self.transition(State::Preparing, step.now.wall_ms);
        if is_initial {
            self.has_new_member = false;
            let delay = step.settings.initial_rebalance_delay;
            let left = self.rebalance_timeout().saturating_sub(delay);
            self.start_join_timer(step, delay, JoinWait::Initial { delay, left });
        } else if self.have_all_joined() {
            self.complete_join(step);
        } else {
            self.start_join_timer(step, self.rebalance_timeout(), JoinWait::Rebalance);
        }
    }

    /// The time to join is over.
    pub(in crate::group) fn join_time_over(&mut self, step: &mut Step<'_>) {
        let Some((_, wait)) = self.join_timer.take() else { return };
        match wait {
            JoinWait::Initial { delay, left } if self.has_new_member && left > Duration::ZERO => {
                self.has_new_member = false;
                let next = step.settings.initial_rebalance_delay.min(left);
                let left = left.saturating_sub(delay);
                self.start_join_timer(step, next, JoinWait::Initial { delay: next, left });
            }
            JoinWait::Initial { .. } | JoinWait::Rebalance => self.complete_join(step),
        }
    }

    /// The next generation begins with those who are there.
    pub(super) fn complete_join(&mut self, step: &mut Step<'_>) {
        self.cancel_join_timer(step.timers);
        let is_missing = |member: &&Member| member.joining.is_none() && member.instance_id.is_none();
        let missing: Vec<Arc<str>> =
            self.members.values().filter(is_missing).map(|member| member.id.clone()).collect();
        missing.iter().for_each(|id| self.remove(id, step.timers, step.out));
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Static members that are all away: their sessions will end, or they come back.
            return self.start_join_timer(step, self.rebalance_timeout(), JoinWait::Rebalance);
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.pending_syncs.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.subscribed = self.read_subscriptions();
            self.transition(State::Empty, step.now.wall_ms);
            return self.write_down(step.out);
        }
        self.protocol = self.select_protocol();
        self.subscribed = self.read_subscriptions();
        self.transition(State::Completing, step.now.wall_ms);
        self.answer_all_joins(step);
        self.start_sync_timer(step);
    }

    fn answer_all_joins(&mut self, step: &mut Step<'_>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.join_reply(&id, self.leader.as_ref() == Some(&id));
            if let Some(member) = self.members.get_mut(&id) {
                answer_join(member, &mut self.joining, step.out, reply);
                member.is_new = false;
            }
            self.heard_of(step, &id);
            self.pending_syncs.insert(id);
        }
    }

    /// A leader has to be there; true when one is.
    fn elect_joined_leader(&mut self) -> bool {
        let is_there = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(is_there) {
            return true;
        }
        if self.leader.is_none() {
            return false;
        }
        let there = self.members.values().find(|member| member.joining.is_some());
        let elected = there.map(|member| member.id.clone());
        let is_elected = elected.is_some();
        self.leader = elected.or(self.leader.take());
        is_elected
    }

    /// What most members like best of what all support.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(name) = member.vote(|name| self.is_supported_by_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
    }

    /// The generation in force, as a member hears of it; with all members if it is to assign.
    fn join_reply(&self, member_id: &Arc<str>, with_members: bool) -> JoinReply {
        let joined = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(self.protocol.as_deref()),
        };
        let members = if with_members { self.members.values().map(joined).collect() } else { Vec::new() };
        JoinReply {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skips_assignment: false,
            member_id: member_id.clone(),
            members,
        }
    }

    /// Gives every member its assignment, or an error instead; those who wait hear of it.
    pub(super) fn hand_out(
        &mut self,
        step: &mut Step<'_>,
        error: ErrorCode,
        assignments: &BTreeMap<Arc<str>, Bytes>,
    ) {
        let is_good = error == ErrorCode::NONE;
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        let mut heard_of = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = assignments.get(&member.id).cloned().unwrap_or_default();
            if let Some(ticket) = member.syncing.take() {
                let reply = SyncReply {
                    error,
                    protocol_type: protocol_type.clone().filter(|_| is_good),
                    protocol: protocol.clone().filter(|_| is_good),
                    assignment: member.assignment.clone(),
                };
                step.out.reply(ticket, Reply::Sync(reply));
                heard_of.push(member.id.clone());
            }
        }
        heard_of.iter().for_each(|id| self.heard_of(step, id));
    }
}

fn refuse(step: &mut Step<'_>, ticket: Ticket, error: ErrorCode, member_id: Arc<str>) {
    step.out.reply(ticket, Reply::Join(JoinReply::refused(error, member_id)));
}

/// 16 random bytes as Java writes a UUID of version 4.
fn hyphenated(mut id: [u8; 16]) -> String {
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    out
}
