//! What the replicas of a shard say to each other, sealed: whoever carries it knows how large it is and no more.

use futures::future::LocalBoxFuture;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotMetaOf;
use storage::id::ShardId;

use super::log_inner::payload_bytes;
use super::types::{RaftNodeId, Types, Vote};
use crate::shard::snapshot::{LogEnds, ShardSnapshot};

/// Carries messages to the other nodes of a cluster: real connections, or a simulated network.
pub trait Transport: 'static {
    /// Gives `request` to the replica of `shard` on node `to` ([`super::Shard::serve`]) and brings its reply. It may never
    /// resolve; whoever asks has a time-out.
    fn call(
        &self,
        shard: ShardId,
        to: RaftNodeId,
        request: PeerRequest,
    ) -> LocalBoxFuture<'static, Result<PeerReply, PeerError>>;
}

/// No reply came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Try later: whether the request arrived is unknown.
    #[error("node {0} can't be reached")]
    Unreachable(RaftNodeId),
    /// Try later: nothing was done, there is no room for more.
    #[error("the replica takes no entries at present")]
    Full,
    /// Try later: before its restart the replica may have promised a leader that it votes for nobody else yet.
    #[error("the replica has just started and does not vote yet")]
    MayNotVoteYet,
    /// Try later: the replica has stopped, or it is another one than was expected.
    #[error("the replica has stopped")]
    Stopped,
}

/// A request of one replica to another.
#[derive(Clone)]
pub struct PeerRequest(pub(super) Request);

#[derive(Clone)]
pub(super) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    TransferLeader(TransferLeaderRequest<Types>),
    /// How far do your logs reach? A snapshot is about to come.
    LogEnds,
    Snapshot(Box<SentSnapshot>),
}

#[derive(Clone)]
pub(super) struct SentSnapshot {
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMetaOf<Types>,
    pub(super) snapshot: ShardSnapshot,
}

/// A replica's reply to another.
#[derive(Clone)]
pub struct PeerReply(pub(super) Reply);

#[derive(Clone)]
pub(super) enum Reply {
    Append(AppendEntriesResponse<Types>),
    Vote(VoteResponse<Types>),
    TransferLeader(TransferLeaderResponse<Types>),
    LogEnds(LogEnds),
    Snapshot(SnapshotResponse<Types>),
}

impl PeerReply {
    /// The term that the replica says it is in: it must not forget that.
    #[must_use]
    pub fn promised_term(&self) -> Option<u64> {
        match &self.0 {
            Reply::Vote(response) => Some(response.vote.leader_id.term),
            Reply::Append(_) | Reply::TransferLeader(_) | Reply::LogEnds(_) | Reply::Snapshot(_) => None,
        }
    }
}

impl PeerRequest {
    /// Bytes of records in it, for whoever limits what is under way.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        match &self.0 {
            Request::Append(append) => append.entries.iter().map(payload_bytes).sum(),
            Request::Snapshot(sent) => sent.snapshot.carried_bytes() as u64,
            Request::Vote(_) | Request::PreVote(_) | Request::TransferLeader(_) | Request::LogEnds => 0,
        }
    }

    /// True for a snapshot.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        matches!(self.0, Request::Snapshot(_))
    }
}
