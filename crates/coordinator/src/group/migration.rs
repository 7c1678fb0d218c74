//! A group's way from one protocol to the other while it has members (KIP-848).
//!
//! ```text
//!            a member of the consumer protocol joins
//!  classic ─────────────────────────────────────────► consumer, with members that speak the classic protocol
//!     ▲                                                  │        ▲
//!     └──── the last one of the consumer protocol ───────┘        └── members of either protocol come and go
//!           leaves, is put out, or comes back as a classic one
//! ```
//!
//! Members, epochs and assignments come along: a generation is the epoch that it becomes, and the other way round. All of it
//! is decided before anything is changed.

use std::sync::Arc;

use wire::error::ErrorCode;

use super::classic::{ClassicGroup, NotMigratable};
use super::command::{Join, JoinReply, LeftMember, MemberIdentity, Reply, Ticket};
use super::consumer::{ConsumerGroup, Refusal, refusal};
use super::kind::Group;
use super::planted::planted;
use super::{GroupSettings, Step, Topics};
use crate::record::{MemberSubscription, Partitions};

/// A member of either protocol's group that goes over into one of the other. It speaks the classic protocol.
pub(super) struct Migrant {
    pub(super) id: Arc<str>,
    pub(super) subscription: MemberSubscription,
    /// What it has, or is to have.
    pub(super) partitions: Partitions,
}

/// All members of a group of the classic protocol.
pub(super) struct Migrants {
    pub(super) members: Vec<Migrant>,
    /// A leader has assigned, and nobody has anything beside that: it can stay as it is.
    pub(super) are_settled: bool,
}

/// The group that one of the classic protocol becomes, without members or with them.
pub(super) fn upgraded(
    group: &ClassicGroup,
    settings: &GroupSettings,
    topics: &dyn Topics,
) -> Result<ConsumerGroup, Refusal> {
    let why = |why| {
        let message = format!("Cannot upgrade classic group {} to consumer group because {why}.", group.id());
        refusal(ErrorCode::GROUP_ID_NOT_FOUND, message)
    };
    if !settings.migration.may_upgrade() {
        return Err(why("online upgrade is disabled"));
    }
    if !group.is_of_consumers() {
        return Err(why("the group does not use the consumer embedded protocol"));
    }
    if group.members() > settings.consumer_size_max {
        return Err(why("the group size exceeds the consumer group maximum size"));
    }
    let migrants = group.migrants(topics).map_err(|error| match error {
        NotMigratable::Malformed => why("the embedded consumer protocol is malformed"),
        NotMigratable::HasUserData => why(
            "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before \
             re-attempting the upgrade",
        ),
    })?;
    Ok(ConsumerGroup::of_migrants(group.id().clone(), group.generation(), migrants, topics))
}

impl Group {
    /// Members are gone from a group of the consumer protocol. If all others speak the classic one, it becomes one of that.
    pub(super) fn put_out(&mut self, step: &mut Step<'_>, ids: &[Arc<str>]) {
        let Self::Consumer(group) = self else { return };
        match group
            .classic_without(ids, true)
            .filter(|left| !left.is_empty() && may_downgrade(step.settings, left.len()))
        {
            Some(left) => {
                self.become_classic(step, left, true);
            }
            None => group.remove(step, ids),
        }
    }

    /// A member of the classic protocol joins a group of the other.
    pub(super) fn join_consumers(&mut self, step: &mut Step<'_>, ticket: Ticket, join: Join) {
        let Self::Consumer(group) = self else { return };
        let id: Arc<str> = match &*join.member_id {
            "" => join.random_id.to_string().into(),
            _ => join.member_id.clone(),
        };
        let reads = match group.check_join(step.settings, step.topics, &id, &join) {
            Ok(reads) => reads,
            Err(error) => {
                let id = if error == ErrorCode::MEMBER_ID_REQUIRED { id } else { "".into() };
                return step.out.reply(ticket, Reply::Join(JoinReply::refused(error, id)));
            }
        };
        let is_last = group.replaces_last_consumer(join.instance_id.as_ref());
        let has_changed = group.admit(step, &id, join, &reads);
        let downgrades = is_last && may_downgrade(step.settings, group.members());
        if !(downgrades && group.has_to_assign()) {
            group.come_closer(step, &id, &reads, has_changed);
        }
        step.out.reply(ticket, Reply::Join(group.join_reply(&id)));
        if !downgrades {
            return group.expect_collection(step, &id);
        }
        // Nobody would tell members of a stable group what they have still to give up, or may have now.
        let rejoins = !group.is_stable();
        if let Some(members) = group.classic_without(&[], rejoins) {
            self.become_classic(step, members, rejoins);
        }
    }

    /// What members come with becomes what a leader has assigned, so that they go on with it or join for what is new.
    fn become_classic(&mut self, step: &mut Step<'_>, members: Vec<Migrant>, rebalances: bool) {
        let Self::Consumer(group) = self else { return };
        step.out.records.extend(group.tombstones());
        group.end(step.timers);
        let (id, epoch) = (group.id().clone(), group.epoch());
        let mut group = ClassicGroup::of_migrants(id, epoch, members, step.now.wall_ms, step.topics);
        if rebalances {
            group.write_down_unassigned(step.out);
        } else {
            group.write_down(step.out);
        }
        if planted!(DowngradeNotWritten) {
            step.out.records.pop();
        }
        group.begin(step);
        *self = Self::Classic(group);
    }

    /// Members that are named by a LeaveGroup leave a group of the consumer protocol.
    pub(super) fn leave_consumers(
        &mut self,
        step: &mut Step<'_>,
        members: Vec<MemberIdentity>,
    ) -> Vec<LeftMember> {
        let Self::Consumer(group) = self else { return Vec::new() };
        let mut ids = Vec::new();
        let mut left = Vec::with_capacity(members.len());
        for member in members {
            let found = group.leaving(&member);
            left.push(LeftMember { member, error: found.as_ref().err().copied().unwrap_or(ErrorCode::NONE) });
            ids.extend(found.ok().filter(|id| !ids.contains(id)));
        }
        if !ids.is_empty() {
            self.put_out(step, &ids);
        }
        left
    }
}

fn may_downgrade(settings: &GroupSettings, members: usize) -> bool {
    settings.migration.may_downgrade() && members <= settings.size_max
}
