//! From a group of the classic protocol, and back to one.

use std::sync::Arc;

use super::{ConsumerGroup, Member};
use crate::group::Topics;
use crate::group::migration::{Migrant, Migrants};
use crate::group::planted::planted;
use crate::record::{
    CurrentAssignment, GroupEpoch, MemberState, Partitions, TargetEpoch, held_since, partitions_of,
};

impl ConsumerGroup {
    /// A group in this epoch, in which everybody has what it is to have; for good, or until the first heartbeat.
    pub(in crate::group) fn of_migrants(
        id: Arc<str>,
        epoch: i32,
        migrants: Migrants,
        topics: &dyn Topics,
    ) -> Self {
        let mut group = Self::new(id);
        for Migrant { id, subscription, partitions } in migrants.members {
            if let Some(instance_id) = &subscription.instance_id {
                group.instances.insert(instance_id.clone(), id.clone());
            }
            let current = CurrentAssignment {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                assigned: held_since(&partitions, epoch),
                ..CurrentAssignment::default()
            };
            group.subscribed.change(None, Some(&subscription));
            group.holders.change(&CurrentAssignment::default(), &current);
            group.members.insert(id.clone(), Member { subscription, current, ..Member::default() });
            group.targets.insert(id, partitions);
        }
        group.target_epoch = TargetEpoch { epoch, timestamp_ms: 0 };
        // Where nobody has assigned, targets are of no topics: whatever the first heartbeat says, the group's epoch is raised by it.
        let is_computed = migrants.are_settled || planted!(NeverAssigned);
        let metadata_hash = if is_computed { group.subscribed.metadata_hash(topics) } else { 0 };
        group.epoch = GroupEpoch { epoch, metadata_hash };
        group
    }

    /// Its members but for some; `None` when one of them speaks the consumer protocol. If all are about to join again (`rejoins`), with
    /// what they have: until they have joined nobody else may get it, whatever the group becomes meanwhile. (Kafka remembers their
    /// targets then, too.) Else with what they are to have.
    pub(in crate::group) fn classic_without(&self, some: &[Arc<str>], rejoins: bool) -> Option<Vec<Migrant>> {
        let left = self.members.iter().filter(|(id, _)| !some.contains(id));
        let migrant = |(id, member): (&Arc<str>, &Member)| {
            member.is_classic().then(|| Migrant {
                id: id.clone(),
                subscription: member.subscription.clone(),
                partitions: if rejoins {
                    member.held()
                } else {
                    self.targets.get(id).cloned().unwrap_or_default()
                },
            })
        };
        left.map(migrant).collect()
    }

    /// Whether the holder of an instance is the only member that speaks the consumer protocol.
    pub(in crate::group) fn replaces_last_consumer(&self, instance_id: Option<&Arc<str>>) -> bool {
        let holder = instance_id.and_then(|instance| self.instances.get(instance));
        let mut consumers = self.members.iter().filter(|(_, member)| !member.is_classic());
        let first = consumers.next();
        holder.is_some() && first.map(|(id, _)| id) == holder && consumers.next().is_none()
    }

    /// Its epoch: a generation that it becomes.
    pub(in crate::group) fn epoch(&self) -> i32 {
        self.epoch.epoch
    }
}

impl Member {
    /// What it has, and has still to give up.
    fn held(&self) -> Partitions {
        let mut held = partitions_of(&self.current.assigned);
        for (topic, numbers) in partitions_of(&self.current.revoking) {
            held.entry(topic).or_default().extend(numbers);
        }
        held
    }
}
