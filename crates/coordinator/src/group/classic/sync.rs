//! Syncing: the leader brings assignments, the others wait for theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use wire::error::ErrorCode;

use super::{ClassicGroup, State, answer_sync};
use crate::group::Step;
use crate::group::command::{Reply, Sync, SyncReply, Ticket};

impl ClassicGroup {
    /// A member asks for its assignment; its reply may come later.
    pub(in crate::group) fn sync(&mut self, step: &mut Step<'_>, ticket: Ticket, sync: Sync) {
        if let Err(error) = self.check_sync(&sync) {
            return step.out.reply(ticket, Reply::Sync(SyncReply::refused(error)));
        }
        match self.state {
            State::Empty => refuse(step, ticket, ErrorCode::UNKNOWN_MEMBER_ID),
            State::Preparing => refuse(step, ticket, ErrorCode::REBALANCE_IN_PROGRESS),
            State::Completing => self.sync_or_assign(step, ticket, sync),
            State::Stable => {
                self.has_synced(step, &sync.member_id);
                let member = &self.members[&sync.member_id];
                let reply = SyncReply {
                    error: ErrorCode::NONE,
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                step.out.reply(ticket, Reply::Sync(reply));
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        if self.state == State::Empty {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_member(&sync.member_id, sync.instance_id.as_ref())?;
        if sync.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let is_other = |asked: &Option<_>, own: &Option<_>| asked.is_some() && own.is_some() && asked != own;
        if is_other(&sync.protocol_type, &self.protocol_type) || is_other(&sync.protocol, &self.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn sync_or_assign(&mut self, step: &mut Step<'_>, ticket: Ticket, sync: Sync) {
        self.has_synced(step, &sync.member_id);
        if let Some(member) = self.members.get_mut(&sync.member_id) {
            // Its earlier request is nobody's any more.
            answer_sync(member, step.out, SyncReply::refused(ErrorCode::REBALANCE_IN_PROGRESS));
            member.syncing = Some(ticket);
        }
        if self.leader.as_ref() != Some(&sync.member_id) {
            return;
        }
        let assignments: BTreeMap<_, _> = sync.assignments.into_iter().collect();
        if self.is_too_large(&assignments) {
            self.hand_out(step, ErrorCode::UNKNOWN_SERVER_ERROR, &BTreeMap::new());
            return self.prepare_rebalance(step);
        }
        self.hand_out(step, ErrorCode::NONE, &assignments);
        self.transition(State::Stable, step.now.wall_ms);
        self.write_down(step.out);
        step.out.rebalanced += 1;
    }

    /// Whether no record batch could hold the generation with these assignments. It is refused as in Kafka, before it is decided: the
    /// coordinator of all other groups is not lost by it.
    fn is_too_large(&self, assignments: &BTreeMap<Arc<str>, Bytes>) -> bool {
        let mut metadata = self.metadata();
        for member in &mut metadata.members {
            member.assignment = assignments.get(&member.member_id).cloned().unwrap_or_default();
        }
        self.exceeds_batch(metadata)
    }

    /// A member has asked for its assignment, and so is alive; when all have, nobody is waited for any more.
    fn has_synced(&mut self, step: &mut Step<'_>, member_id: &str) {
        self.heard_of(step, member_id);
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            self.cancel_sync_timer(step.timers);
        }
    }

    /// Members that have joined and never asked for their assignment are taken for gone.
    pub(in crate::group) fn sync_time_over(&mut self, step: &mut Step<'_>) {
        self.sync_timer = None;
        if !matches!(self.state, State::Completing | State::Stable) || self.pending_syncs.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.pending_syncs) {
            self.remove(&id, step.timers, step.out);
        }
        self.prepare_rebalance(step);
    }
}

fn refuse(step: &mut Step<'_>, ticket: Ticket, error: ErrorCode) {
    step.out.reply(ticket, Reply::Sync(SyncReply::refused(error)));
}
