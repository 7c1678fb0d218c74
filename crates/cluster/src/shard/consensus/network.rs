//! The engine's way to its peers: none yet, since every shard has one voter.
//!
//! The engine asks for a client only when a membership names another node, and none can: memberships are made in
//! this folder, of one node. Each call still answers "unreachable", so that a membership from a later build's data
//! directory would show as that and not as a panic.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;

use super::types::{RaftNodeId, Types, Vote};

/// Makes clients that reach nobody.
pub(super) struct NoPeers;

/// Reaches nobody.
pub(super) struct NoPeer(RaftNodeId);

#[derive(Debug, thiserror::Error)]
#[error("no way leads to node {0}: this build runs a node alone")]
struct Alone(RaftNodeId);

impl NoPeer {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::new(&Alone(self.0))
    }
}

impl RaftNetworkFactory<Types> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: RaftNodeId, _node: &()) -> NoPeer {
        NoPeer(target)
    }
}

impl RaftNetworkV2<Types> for NoPeer {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn pre_vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: SnapshotOf<Types, ()>,
        _cancel: impl Future<Output = ReplicationClosed> + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}
