//! The engine's way to its peers: its calls as sealed messages over a [`Transport`].
//!
//! Every call has a time-out of its own; the engine's are no time-outs for data. A node alone has a transport that reaches
//! nobody: the engine asks for a client only when a membership names another node.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, LocalBoxFuture, select};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use storage::id::ShardId;

use super::peer::{PeerError, PeerReply, PeerRequest, Reply, Request, SentSnapshot, Transport};
use super::state_machine::SnapshotData;
use super::types::{RaftNodeId, Types, Vote};

/// Without an answer for this long an append is given up; whether it arrived is then asked again.
const APPEND_TIMEOUT: Duration = Duration::from_millis(1500);
/// The same for a snapshot, which the other side has to make durable.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes clients of the other replicas of a shard.
pub(super) struct Peers {
    pub(super) shard: ShardId,
    pub(super) transport: Rc<dyn Transport>,
}

/// The client of one other replica.
pub(super) struct Peer {
    shard: ShardId,
    to: RaftNodeId,
    transport: Rc<dyn Transport>,
}

/// Reaches nobody: for a node alone.
pub(super) struct NoPeers;

impl Transport for NoPeers {
    fn call(
        &self,
        _shard: ShardId,
        to: RaftNodeId,
        _request: PeerRequest,
    ) -> LocalBoxFuture<'static, Result<PeerReply, PeerError>> {
        Box::pin(std::future::ready(Err(PeerError::Unreachable(to))))
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: RaftNodeId, _node: &()) -> Peer {
        Peer { shard: self.shard, to: target, transport: self.transport.clone() }
    }
}

impl Peer {
    /// The reply within `limit`, taken apart by `expected`.
    async fn call<T>(
        &self,
        request: Request,
        limit: Duration,
        expected: impl FnOnce(Reply) -> Option<T>,
    ) -> Result<T, PeerError> {
        let called = self.transport.call(self.shard, self.to, PeerRequest(request));
        let PeerReply(reply) =
            env::timeout(limit, called).await.unwrap_or(Err(PeerError::Unreachable(self.to)))?;
        expected(reply).ok_or(PeerError::Stopped)
    }

    /// Asks how far the other's logs reach, and sends what it misses.
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let Some(source) = snapshot.snapshot.0 else {
            return Err(network_error(&"the snapshot has no data").into());
        };
        let ends = self
            .call(Request::LogEnds, APPEND_TIMEOUT, |reply| match reply {
                Reply::LogEnds(ends) => Some(ends),
                _ => None,
            })
            .await
            .map_err(|error| Unreachable::new(&error))?;
        // A snapshot that can't be read any more, since its records were deleted, is followed by a newer one.
        let carried = source.carry(&ends).map_err(|error| network_error(&error))?;
        let sent = SentSnapshot { vote, meta: snapshot.meta, snapshot: carried };
        let reply = self.call(Request::Snapshot(Box::new(sent)), SNAPSHOT_TIMEOUT, |reply| match reply {
            Reply::Snapshot(response) => Some(response),
            _ => None,
        });
        Ok(reply.await.map_err(|error| Unreachable::new(&error))?)
    }
}

fn network_error(what: &dyn std::fmt::Display) -> NetworkError<Types> {
    NetworkError::from_string(what)
}

fn rpc_error(error: &PeerError) -> RPCError<Types> {
    Unreachable::new(error).into()
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let expected = |reply| match reply {
            Reply::Append(response) => Some(response),
            _ => None,
        };
        let called = self.call(Request::Append(request), APPEND_TIMEOUT, expected);
        called.await.map_err(|error| rpc_error(&error))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let called = self.call(Request::Vote(request), option.hard_ttl(), vote_of);
        called.await.map_err(|error| rpc_error(&error))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let called = self.call(Request::PreVote(request), option.hard_ttl(), vote_of);
        called.await.map_err(|error| rpc_error(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let sent = std::pin::pin!(self.send_snapshot(vote, snapshot));
        match select(std::pin::pin!(cancel), sent).await {
            Either::Left((closed, _)) => Err(closed.into()),
            Either::Right((sent, _)) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let expected = |reply| match reply {
            Reply::TransferLeader(response) => Some(response),
            _ => None,
        };
        let called = self.call(Request::TransferLeader(request), option.hard_ttl(), expected);
        called.await.map_err(|error| rpc_error(&error))
    }
}

fn vote_of(reply: Reply) -> Option<VoteResponse<Types>> {
    match reply {
        Reply::Vote(response) => Some(response),
        _ => None,
    }
}
