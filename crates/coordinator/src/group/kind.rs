//! A group of either protocol.

use std::sync::Arc;

use wire::error::ErrorCode;

use super::Step;
use super::classic::{ClassicGroup, State};
use super::command::CommitOffsets;
use super::consumer::ConsumerGroup;
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
            Self::Consumer(_) => super::classic::CONSUMER.into(),
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

    pub(super) fn check_commit(
        &mut self,
        step: &mut Step<'_>,
        commit: &CommitOffsets,
    ) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => group.check_commit(step, commit),
            Self::Consumer(group) => group.check_commit(commit),
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
        match (self, about) {
            (Self::Classic(group), About::Join) => group.join_time_over(step),
            (Self::Classic(group), About::Sync) => group.sync_time_over(step),
            (Self::Classic(group), About::Session(member)) => group.session_over(step, member),
            (Self::Consumer(group), About::Session(member)) => group.session_over(step, member),
            (Self::Consumer(group), About::Revocation(member)) => group.revocation_over(step, member),
            // A group takes its timers with it when it becomes one of the other protocol.
            (Self::Classic(_), About::Revocation(_)) | (Self::Consumer(_), About::Join | About::Sync) => {}
        }
    }
}
