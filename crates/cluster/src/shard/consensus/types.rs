//! The engine's types with ours in their places.

use std::fmt;

use bytes::Bytes;
use openraft::RaftTypeConfig;
use openraft::raft::responder::Responder;
use openraft::type_config::alias;

use crate::shard::outcome::Outcome;

/// A node within the engine; handed out by the metadata, not the operator's broker id.
pub type RaftNodeId = u64;

/// A proposal: a whole entry, its header included (`super::super::entry`).
#[derive(Clone)]
pub(super) struct Proposal(pub(super) Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The engine's configuration by types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Types;

impl RaftTypeConfig for Types {
    type D = Proposal;
    type R = Outcome;
    type NodeId = RaftNodeId;
    type Node = ();
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, RaftNodeId>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Proposal, RaftNodeId, ()>;
    type Entry = openraft::Entry<alias::CommittedLeaderIdOf<Self>, Self::Payload>;
    type AsyncRuntime = super::runtime::EngineRuntime;
    type Responder<T>
        = Reply<T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(super) type Entry = alias::EntryOf<Types>;
pub(super) type LogId = alias::LogIdOf<Types>;
pub(super) type Vote = alias::VoteOf<Types>;
pub(super) type Membership = openraft::Membership<RaftNodeId, ()>;
pub(super) type StoredMembership = alias::StoredMembershipOf<Types>;
pub(super) type WriteResult = openraft::raft::ClientWriteResult<Types>;

/// Calls back with a write's result on the I/O thread, with nothing in between: no task, no channel.
///
/// Dropped without a result, as when the engine stops, it calls back with `None`: nobody waits for ever.
pub(super) struct Reply<T>(Option<Box<dyn FnOnce(Option<T>)>>);

impl<T> Reply<T> {
    pub(super) fn new(then: impl FnOnce(Option<T>) + 'static) -> Self {
        Self(Some(Box::new(then)))
    }
}

impl<T: 'static> Responder<Types, T> for Reply<T> {
    fn on_complete(mut self, result: T) {
        if let Some(then) = self.0.take() {
            then(Some(result));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(None);
        }
    }
}
