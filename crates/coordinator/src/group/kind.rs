//! A group of either protocol.

use std::sync::Arc;

use wire::error::ErrorCode;

use super::Step;
use super::classic::{ClassicGroup, State};
use super::command::{
    CommitOffsets, ConsumerBeat, ConsumerBeatReply, Heartbeat, LeftMember, MemberIdentity, Reply, Sync,
    SyncReply, Ticket,
};
use super::consumer::{AWAY, ConsumerGroup};
use super::rewrite::Own;
use super::timers::{About, Timers};
use crate::record::Record;

/// See the module's head.
#[derive(Debug)]
pub(super) enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Group {
    pub(super) fn id(&self) -> &Arc<str> {
        match self {
            Self::Classic(group) => group.id(),
            Self::Consumer(group) => group.id(),
        }
    }

    /// Kafka's name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Classic(_) => "classic",
            Self::Consumer(_) => "consumer",
        }
    }

    /// Kafka's name of the state.
    pub(super) fn state_name(&self) -> &'static str {
        match self {
            Self::Classic(group) => group.state().name(),
            Self::Consumer(group) => group.state(),
        }
    }

    pub(super) fn protocol_type(&self) -> Arc<str> {
        match self {
            Self::Classic(group) => group.protocol_type().cloned().unwrap_or_default(),
            Self::Consumer(_) => super::embedded::CONSUMER.into(),
        }
    }

    pub(super) fn members(&self) -> usize {
        match self {
            Self::Classic(group) => group.members(),
            Self::Consumer(group) => group.members(),
        }
    }

    /// Whether it has nobody, so that it may be deleted, or become one of the other protocol.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == State::Empty,
            Self::Consumer(group) => group.members() == 0,
        }
    }

    /// Whether a member reads the topic, or may.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether what its members read is known.
    pub(super) fn is_of_consumers(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_of_consumers(),
            Self::Consumer(_) => true,
        }
    }

    /// A member asks for its assignment; its reply may come later.
    pub(super) fn sync(&mut self, step: &mut Step<'_>, ticket: Ticket, sync: Sync) {
        match self {
            Self::Classic(group) => group.sync(step, ticket, sync),
            Self::Consumer(group) => {
                let reply = group.sync(step, &sync).unwrap_or_else(SyncReply::refused);
                step.out.reply(ticket, Reply::Sync(reply));
            }
        }
    }

    /// A member of the classic protocol is alive.
    pub(super) fn heartbeat(&mut self, step: &mut Step<'_>, beat: &Heartbeat) -> ErrorCode {
        match self {
            Self::Classic(group) => group.heartbeat(step, beat),
            Self::Consumer(group) => group.classic_beat(step, beat),
        }
    }

    /// Members leave, each for itself or for an operator.
    pub(super) fn leave(&mut self, step: &mut Step<'_>, members: Vec<MemberIdentity>) -> Vec<LeftMember> {
        match self {
            Self::Classic(group) => group.leave(step, members),
            Self::Consumer(_) => self.leave_consumers(step, members),
        }
    }

    /// A heartbeat of the consumer protocol that was checked.
    pub(super) fn consumer_beat(&mut self, step: &mut Step<'_>, beat: &ConsumerBeat) -> ConsumerBeatReply {
        let Self::Consumer(group) = self else { unreachable!("it was made one of the consumer protocol") };
        match beat.epoch {
            0.. => return group.heartbeat(step, beat),
            AWAY => group.go_away(step, &beat.member_id),
            _ => self.put_out(step, std::slice::from_ref(&beat.member_id)),
        }
        ConsumerBeatReply {
            member_id: beat.member_id.clone(),
            epoch: beat.epoch,
            heartbeat_interval: std::time::Duration::ZERO,
            assignment: None,
        }
    }

    pub(super) fn check_commit(
        &mut self,
        step: &mut Step<'_>,
        commit: &CommitOffsets,
    ) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => group.check_commit(step, commit),
            Self::Consumer(group) => group.check_commit(step, commit),
        }
    }

    /// All that is to be written for it to be what it is.
    pub(super) fn written(&self) -> Vec<(Own, Record)> {
        match self {
            Self::Classic(group) => {
                group.written().map(|record| (Own(0, "".into()), record)).into_iter().collect()
            }
            Self::Consumer(group) => group.written(),
        }
    }

    /// What deletes it.
    pub(super) fn tombstones(&self, id: &Arc<str>) -> Vec<Record> {
        match self {
            Self::Classic(_) => vec![Record::Group { group: id.clone(), value: None }],
            Self::Consumer(group) => group.tombstones(),
        }
    }

    pub(super) fn begin(&mut self, step: &mut Step<'_>) {
        match self {
            Self::Classic(group) => group.begin(step),
            Self::Consumer(group) => group.begin(step),
        }
    }

    pub(super) fn end(&mut self, timers: &mut Timers) {
        match self {
            Self::Classic(group) => group.end(timers),
            Self::Consumer(group) => group.end(timers),
        }
    }

    /// Something is due.
    pub(super) fn over(&mut self, step: &mut Step<'_>, about: &About) {
        match (&mut *self, about) {
            (Self::Classic(group), About::Join) => group.join_time_over(step),
            (Self::Classic(group), About::Sync) => group.sync_time_over(step),
            (Self::Classic(group), About::Session(member)) => group.session_over(step, member),
            (Self::Consumer(group), About::Session(member)) => {
                if group.has_session_ended(step, member) {
                    self.put_out(step, std::slice::from_ref(member));
                }
            }
            (
                Self::Consumer(_),
                About::Revocation(member) | About::Rejoin(member) | About::Collection(member),
            ) => {
                self.put_out(step, std::slice::from_ref(member));
            }
            // A group takes its timers with it when it becomes one of the other protocol.
            (Self::Classic(_), About::Revocation(_) | About::Rejoin(_) | About::Collection(_))
            | (Self::Consumer(_), About::Join | About::Sync) => {}
        }
    }
}
