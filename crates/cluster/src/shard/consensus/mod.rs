//! The consensus engine's glue: the only place that knows openraft (rules: docs/adr/0002, docs/adr/0010).
//!
//! The path is the same for one voter and for many: vote, log, commit, apply. With one, ticks are off once the node leads,
//! since nobody else could, so an idle shard costs memory and no wake-ups; its log forgets what a checkpoint covers. With
//! many the engine keeps the log for followers that lag and purges it by bytes; one that lags further gets a snapshot.
//!
//! | file | what |
//! |---|---|
//! | `types`, `runtime`, `watch`, `codec` | the engine's types, its event loop, our bytes |
//! | `log_store`, `log_inner`, `purge` | the log: in the WAL, in memory, and how much of it is kept |
//! | `state_machine` | apply, and snapshots |
//! | `peer`, `network` | what replicas say to each other, and how it gets there |

mod codec;
mod log_inner;
mod log_store;
#[cfg(test)]
mod log_store_test;
mod network;
mod peer;
mod purge;
mod runtime;
#[cfg(test)]
mod runtime_test;
mod state_machine;
mod types;
mod watch;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{ClientWriteError, InitializeError, RaftError};
use openraft::{Config, Instant, Raft, ServerState, Snapshot, SnapshotPolicy};
use storage::id::ShardId;
use storage::wal::RecoveredShard;

use self::log_store::LogStore;
use self::network::{NoPeers, Peers};
pub use self::peer::{PeerError, PeerReply, PeerRequest, Transport};
use self::peer::{Reply as Answer, Request, SentSnapshot};
use self::state_machine::{SnapshotData, StateMachine};
pub use self::types::RaftNodeId;
use self::types::{Proposal, Reply, Types, WriteResult};
use super::Machine;
use super::log_progress::LogProgress;
use super::outcome::{Outcome, ProposeError};
use super::planted::{Plan, planted};
use super::wal_mailbox::WalClient;

const HEARTBEAT_MS: u64 = 150;
const LEASE_MS: u64 = 1000;
/// A leader that a quorum has not answered for this long may have been replaced; whoever has answered it votes for nobody
/// else that long, also when it restarts meanwhile.
const LEASE: Duration = Duration::from_millis(LEASE_MS);

/// A shard's replica on this node.
#[derive(Clone)]
pub struct Shard {
    id: ShardId,
    raft: Raft<Types, StateMachine>,
    log: LogStore,
    applied_term: Rc<Cell<u64>>,
    /// The last term whose lead this node gave away: another may be elected within the lease.
    given_away: Rc<Cell<u64>>,
    /// From when on it votes: behind the lease that it may have promised before its restart.
    votes_from: env::Instant,
    is_alone: bool,
    plan: Plan,
}

/// What a shard is opened from.
pub struct ShardParts {
    pub(crate) id: ShardId,
    /// This node's number in the engine.
    pub(crate) node: RaftNodeId,
    pub(crate) wal: Rc<WalClient>,
    pub(crate) recovered: RecoveredShard,
    /// Entries up to here are in the state that `machine` begins with.
    pub(crate) covered: u64,
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) progress: Rc<LogProgress>,
}

/// The other voters of a shard, and what is kept for them.
pub struct Followers {
    /// All voters, this node among them, as the shard begins.
    pub(crate) voters: BTreeSet<RaftNodeId>,
    pub(crate) transport: Rc<dyn Transport>,
    /// Bytes of entries kept in memory for followers that lag a little; at least 1.
    pub(crate) recent_bytes_max: u64,
    /// Payload bytes kept in the WAL for followers that lag more; behind that they get a snapshot.
    pub(crate) kept_bytes_max: u64,
    pub(crate) plan: Plan,
}

/// The shard could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("shard {shard}: {cause}")]
pub struct OpenError {
    shard: ShardId,
    cause: String,
}

impl OpenError {
    fn of<E: std::fmt::Display>(shard: ShardId) -> impl Fn(E) -> Self {
        move |cause| Self { shard, cause: cause.to_string() }
    }
}

impl Shard {
    /// Opens a shard whose only voter is this node, and comes back when it leads and everything recovered is applied.
    pub(crate) async fn open_alone(parts: ShardParts) -> Result<Shard, OpenError> {
        let failed = OpenError::of(parts.id);
        let voters = BTreeSet::from([parts.node]);
        let shard = Self::start(parts, Rc::new(NoPeers), voters, 0, Plan::default()).await?;
        let recovered_to = shard.log.inner.borrow().last().map(|last| last.index);
        let wait = shard.raft.wait(None);
        wait.state(ServerState::Leader, "alone, so leader").await.map_err(&failed)?;
        wait.applied_index_at_least(recovered_to, "recovered").await.map_err(&failed)?;
        shard.raft.runtime_config().tick(false);
        Ok(shard)
    }

    /// Opens a replica of a shard with several voters, and comes back at once: [`Shard::leads`] says when it may answer.
    ///
    /// # Errors
    /// When the log is not one that this build knows, or the engine does not start.
    pub async fn open(parts: ShardParts, followers: Followers) -> Result<Shard, OpenError> {
        let Followers { voters, transport, recent_bytes_max, kept_bytes_max, plan } = followers;
        let progress = parts.progress.clone();
        progress.purge_itself();
        let shard = Self::start(parts, transport, voters, recent_bytes_max.max(1), plan).await?;
        let (raft, log) = (shard.raft.clone(), shard.log.clone());
        env::spawn_local(purge::purge_behind(raft, log, progress, kept_bytes_max, plan));
        Ok(shard)
    }

    async fn start(
        parts: ShardParts,
        transport: Rc<dyn Transport>,
        voters: BTreeSet<RaftNodeId>,
        recent_bytes_max: u64,
        plan: Plan,
    ) -> Result<Shard, OpenError> {
        let ShardParts { id, node, wal, recovered, covered, machine, progress } = parts;
        let is_alone = recent_bytes_max == 0;
        let may_have_promised = !is_alone && recovered.vote.is_some() && !planted!(plan, LeaseForgotten);
        let log =
            LogStore::new(id, wal, progress, recovered, recent_bytes_max, plan).map_err(OpenError::of(id))?;
        let (applied_term, gives_snapshots) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let machine =
            StateMachine::new(machine, log.clone(), covered, applied_term.clone(), gives_snapshots.clone());
        let config = Arc::new(engine_config(is_alone, !may_have_promised).map_err(OpenError::of(id))?);
        let peers = Peers { shard: id, transport };
        let raft = Raft::new(node, config, peers, log.clone(), machine).await.map_err(OpenError::of(id))?;
        gives_snapshots.set(!is_alone);
        if !raft.is_initialized().await.map_err(OpenError::of(id))? {
            let members: BTreeMap<_, _> = voters.into_iter().map(|voter| (voter, ())).collect();
            match raft.initialize(members).await {
                // Another voter was faster.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(error) => return Err(OpenError::of(id)(error)),
            }
        }
        let (given_away, mut votes_from) = (Rc::default(), env::Instant::now());
        if may_have_promised {
            votes_from = votes_from + LEASE;
            env::spawn_local(stand_after_lease(raft.clone()));
        }
        Ok(Shard { id, raft, log, applied_term, given_away, votes_from, is_alone, plan })
    }

    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The last term that this node knows of: with one voter, the one in which it leads.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.log.inner.borrow().hard_state.vote.as_ref().map_or(0, |vote| vote.leader_id.term)
    }

    /// The index behind the last entry of this replica's log.
    #[must_use]
    pub fn log_end(&self) -> u64 {
        self.log.inner.borrow().last().map_or(0, |last| last.index + 1)
    }

    /// The index behind the last entry that this replica has applied.
    #[must_use]
    pub fn applied_end(&self) -> u64 {
        use openraft::async_runtime::WatchReceiver;
        let metrics = self.raft.metrics();
        let applied = metrics.borrow_watched().last_applied;
        applied.map_or(0, |last| last.index + 1)
    }

    /// The term in which this node leads and may answer: a quorum has answered within the lease, and everything that was
    /// committed before this leadership is applied. Asked before every answer, reads as well as writes.
    #[must_use]
    pub fn leads(&self) -> Option<u64> {
        let leader = self.raft.as_leader().ok()?;
        let term = leader.term();
        if self.is_alone || planted!(self.plan, AnswersWhenElected) {
            return Some(term);
        }
        let within_lease = leader.last_quorum_acked()?.elapsed() < LEASE;
        let is_applied = self.applied_term.get() == term;
        (within_lease && is_applied && self.given_away.get() < term).then_some(term)
    }

    /// Why the engine has stopped, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        use openraft::async_runtime::WatchReceiver;
        let metrics = self.raft.metrics();
        let state = metrics.borrow_watched().running_state.clone();
        state.err().map(|error| error.to_string())
    }

    /// Proposes `entry`, header and all; `then` is called once, on this thread, when it is applied or can't be. With
    /// several voters it may not be called for long: whoever waits has a deadline of its own.
    pub async fn propose(&self, entry: Bytes, then: impl FnOnce(Result<Outcome, ProposeError>) + 'static) {
        let reply = Reply::new(move |result: Option<WriteResult>| then(outcome_of(result)));
        // On failure the engine drops the reply, which calls back.
        let _ = self.raft.client_write_ff(Proposal(entry), Some(reply)).await;
    }

    /// Proposes `entry` and waits until it is applied.
    ///
    /// # Errors
    /// When it is not, as far as is known.
    pub async fn write(&self, entry: Bytes) -> Result<Outcome, ProposeError> {
        let (tell, told) = tokio::sync::oneshot::channel();
        self.propose(entry, move |outcome| {
            let _ = tell.send(outcome);
        })
        .await;
        told.await.unwrap_or(Err(ProposeError::Stopped))
    }

    /// Serves a request of another replica.
    ///
    /// # Errors
    /// [`PeerError`]; the other tries again.
    pub async fn serve(&self, request: PeerRequest) -> Result<PeerReply, PeerError> {
        let stopped = |_| PeerError::Stopped;
        let answer = match request.0 {
            // The engine takes a refused append for the end of the disk.
            Request::Append(append) if !append.entries.is_empty() && !self.log.has_room() => {
                return Err(PeerError::Full);
            }
            Request::Append(append) => {
                Answer::Append(self.raft.append_entries(append).await.map_err(|_| PeerError::Stopped)?)
            }
            Request::Vote(_) | Request::PreVote(_) if env::Instant::now() < self.votes_from => {
                return Err(PeerError::MayNotVoteYet);
            }
            Request::Vote(vote) => Answer::Vote(self.raft.vote(vote).await.map_err(|_| PeerError::Stopped)?),
            Request::PreVote(vote) => {
                Answer::Vote(self.raft.pre_vote(vote).await.map_err(|_| PeerError::Stopped)?)
            }
            Request::TransferLeader(transfer) => {
                Answer::TransferLeader(self.raft.handle_transfer_leader(transfer).await.map_err(stopped)?)
            }
            Request::LogEnds => {
                let ends = self.raft.with_state_machine(|machine| {
                    let ends = machine.log_ends();
                    Box::pin(std::future::ready(ends))
                });
                Answer::LogEnds(ends.await.map_err(stopped)?)
            }
            Request::Snapshot(sent) => {
                let SentSnapshot { vote, meta, snapshot } = *sent;
                let snapshot = Snapshot { meta, snapshot: SnapshotData(Some(snapshot)) };
                Answer::Snapshot(self.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)?)
            }
        };
        Ok(PeerReply(answer))
    }

    /// Asks `to` to lead instead of this node, which answers nothing any more in this term, whatever becomes of it; nothing
    /// happens where this node does not lead.
    pub async fn transfer_leader(&self, to: RaftNodeId) {
        if let Ok(leader) = self.raft.as_leader() {
            self.given_away.set(leader.term());
        }
        // An engine that has stopped does not lead either.
        let _ = self.raft.trigger().transfer_leader(to).await;
    }

    /// Stops the engine; proposals under way are refused.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(shard = self.id.0, %error, "the shard's engine did not stop cleanly");
        }
    }
}

/// A node's own vote is one too: it stands for election when the lease is over. Not all at once do, if all have restarted.
async fn stand_after_lease(raft: Raft<Types, StateMachine>) {
    let mut die = [0];
    // Without dice it stands at once, as others may.
    let _ = env::random::fill(&mut die);
    env::sleep(LEASE + LEASE * u32::from(die[0]) / 512).await;
    raft.runtime_config().elect(true);
}

fn outcome_of(result: Option<WriteResult>) -> Result<Outcome, ProposeError> {
    match result {
        Some(Ok(written)) => Ok(written.data),
        Some(Err(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
        Some(Err(ClientWriteError::LogEntryDiscarded(_))) => Err(ProposeError::Unknown),
        Some(Err(_)) | None => Err(ProposeError::Stopped),
    }
}

fn engine_config(is_alone: bool, stands_at_once: bool) -> Result<Config, openraft::ConfigError> {
    let config = Config {
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: LEASE_MS / 2,
        election_timeout_max: LEASE_MS,
        enable_pre_vote: Some(true),
        enable_elect: stands_at_once,
        max_payload_entries: 64,
        broadcast_submitted_on_append: Some(!is_alone),
        snapshot_policy: SnapshotPolicy::Never,
        // What goes is decided by bytes, and by what the checkpoint covers: `purge`.
        max_in_snapshot_log_to_keep: u64::MAX,
        // What one voter has in its log is committed: there is nobody to ask. Among several that is to be found out again.
        enable_leader_restore: Some(is_alone),
        ..Config::default()
    };
    config.validate()
}
