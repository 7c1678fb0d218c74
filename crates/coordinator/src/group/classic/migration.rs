//! To a group of the consumer protocol, and back from one.

use std::collections::HashSet;
use std::sync::Arc;

use wire::error::ErrorCode;
use wire::primitive::{DecodeError, Uuid};

use super::member::Member;
use super::{ClassicGroup, State, answer_join, answer_sync};
use crate::group::command::{JoinReply, SyncReply};
use crate::group::embedded::{self, Assignment, CONSUMER, Subscription};
use crate::group::migration::{Migrant, Migrants};
use crate::group::planted::planted;
use crate::group::session::Session;
use crate::group::{Output, Topics};
use crate::record::{ClassicMember, MemberSubscription, Partitions};

/// Why members can't be taken over.
pub(in crate::group) enum NotMigratable {
    /// What they read, or have, is not said in the consumers' bytes.
    Malformed,
    /// An assignor has said something to its own kind, which would be lost.
    HasUserData,
}

impl From<DecodeError> for NotMigratable {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}

impl ClassicGroup {
    /// Its members with what they were assigned last, and what they have kept and nobody was assigned: a generation that ends before
    /// its leader has assigned leaves no assignment. Before the first generation is agreed on it is what they would agree on.
    pub(in crate::group) fn migrants(&self, topics: &dyn Topics) -> Result<Migrants, NotMigratable> {
        let protocol = self.protocol.clone().or_else(|| self.select_protocol());
        let migrant = |member: &Member| member.migrant(protocol.as_deref(), topics);
        let (mut members, owned): (Vec<Migrant>, Vec<Partitions>) =
            self.members.values().map(migrant).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let assigned: HashSet<(Uuid, i32)> =
            members.iter().flat_map(|member| each(&member.partitions)).collect();
        let mut are_settled = self.state == State::Stable;
        for (member, owned) in members.iter_mut().zip(&owned) {
            for (topic, number) in each(owned).filter(|partition| !assigned.contains(partition)) {
                member.partitions.entry(topic).or_default().insert(number);
                are_settled = false;
            }
        }
        Ok(Migrants { members, are_settled })
    }

    /// A group in this generation, in which everybody was assigned what is theirs.
    pub(in crate::group) fn of_migrants(
        id: Arc<str>,
        generation: i32,
        migrants: Vec<Migrant>,
        now_ms: i64,
        topics: &dyn Topics,
    ) -> Self {
        let mut group = Self::new(id, now_ms);
        group.state = State::Stable;
        group.generation = generation;
        group.protocol_type = Some(CONSUMER.into());
        let partitions: Vec<_> =
            migrants.iter().map(|migrant| (migrant.id.clone(), migrant.partitions.clone())).collect();
        for migrant in migrants {
            group.insert(Member::migrated(migrant));
        }
        group.protocol = group.select_protocol();
        group.subscribed = group.read_subscriptions();
        for (id, partitions) in partitions {
            let Some(member) = group.members.get_mut(&id) else { continue };
            let subscription = member.metadata(group.protocol.as_deref());
            member.assignment = embedded::assignment(&partitions, &subscription, topics);
        }
        group
    }

    /// Whoever waits for a generation, or for what it has in one, has to join again.
    pub(in crate::group) fn send_away(&mut self, out: &mut Output) {
        let error = ErrorCode::REBALANCE_IN_PROGRESS;
        for member in self.members.values_mut() {
            let refused = JoinReply::refused(error, member.id.clone());
            answer_join(member, &mut self.joining, out, refused);
            answer_sync(member, out, SyncReply::refused(error));
        }
    }
}

fn each(partitions: &Partitions) -> impl Iterator<Item = (Uuid, i32)> {
    partitions.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
}

impl Member {
    /// With what it was assigned; and what it had when it joined last, and kept.
    fn migrant(
        &self,
        protocol: Option<&str>,
        topics: &dyn Topics,
    ) -> Result<(Migrant, Partitions), NotMigratable> {
        let assignment = Assignment::read(&self.assignment, topics)?;
        if assignment.has_user_data {
            return Err(NotMigratable::HasUserData);
        }
        let partitions =
            if planted!(AssignmentsForgotten) { Partitions::new() } else { assignment.partitions };
        let reads = Subscription::read(&self.metadata(protocol), topics)?;
        let subscription = MemberSubscription {
            instance_id: self.instance_id.clone(),
            rack_id: reads.rack_id,
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: reads.topics,
            regex: None,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            assignor: None,
            classic: Some(ClassicMember {
                session_timeout_ms: self.session_timeout_ms,
                protocols: self.protocols.clone(),
            }),
        };
        let owned = if planted!(OwnedForgotten) { Partitions::new() } else { reads.owned };
        Ok((Migrant { id: self.id.clone(), subscription, partitions }, owned))
    }

    fn migrated(of: Migrant) -> Self {
        let Migrant { id, subscription, .. } = of;
        let (session_timeout_ms, protocols) = subscription
            .classic
            .map(|classic| (classic.session_timeout_ms, classic.protocols))
            .unwrap_or_default();
        Self {
            id,
            instance_id: subscription.instance_id,
            client_id: subscription.client_id,
            client_host: subscription.client_host,
            rebalance_timeout_ms: subscription.rebalance_timeout_ms,
            session_timeout_ms,
            protocols,
            assignment: bytes::Bytes::new(),
            is_new: false,
            joining: None,
            syncing: None,
            session: Session::default(),
        }
    }
}
