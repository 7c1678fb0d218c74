//! The consensus engine's glue: the only place that knows openraft (rules: docs/adr/0002).
//!
//! One voter so far. The path is the one of many voters: vote, log, commit, apply; only ticks are off once the node
//! leads, since nobody else could, so an idle shard costs memory and no wake-ups.

mod codec;
mod log_store;
mod network;
mod state_machine;
mod types;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use openraft::errors::ClientWriteError;
use openraft::{Config, Raft, ServerState, SnapshotPolicy};
use storage::id::ShardId;
use storage::wal::RecoveredShard;

use self::log_store::LogStore;
use self::network::NoPeers;
use self::state_machine::StateMachine;
pub use self::types::RaftNodeId;
use self::types::{Proposal, Reply, Types, WriteResult};
use super::Machine;
use super::outcome::{Outcome, ProposeError};
use super::wal_mailbox::WalClient;

/// A shard of this node, leading.
#[derive(Clone)]
pub struct Shard {
    id: ShardId,
    raft: Raft<Types, StateMachine>,
    log: LogStore,
}

/// The shard could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("shard {shard}: {cause}")]
pub struct OpenError {
    shard: ShardId,
    cause: String,
}

impl Shard {
    /// Opens a shard whose only voter is `node`, and comes back when it leads and everything recovered is applied.
    pub(crate) async fn open_alone(
        id: ShardId,
        node: RaftNodeId,
        wal: Rc<WalClient>,
        recovered: RecoveredShard,
        machine: Box<dyn Machine>,
    ) -> Result<Shard, OpenError> {
        let failed = |cause: &dyn std::fmt::Display| OpenError { shard: id, cause: cause.to_string() };
        let log = LogStore::new(id, wal, recovered).map_err(|error| failed(&error))?;
        let recovered_to = log.inner.borrow().last_index();
        let machine = StateMachine::new(machine, log.clone());
        let config = Arc::new(engine_config().map_err(|error| failed(&error))?);
        let raft =
            Raft::new(node, config, NoPeers, log.clone(), machine).await.map_err(|error| failed(&error))?;
        if !raft.is_initialized().await.map_err(|error| failed(&error))? {
            raft.initialize(BTreeMap::from([(node, ())])).await.map_err(|error| failed(&error))?;
        }
        let wait = raft.wait(None);
        wait.state(ServerState::Leader, "alone, so leader").await.map_err(|error| failed(&error))?;
        wait.applied_index_at_least(recovered_to, "recovered").await.map_err(|error| failed(&error))?;
        raft.runtime_config().tick(false);
        Ok(Shard { id, raft, log })
    }

    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The term in which this node leads.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.log.inner.borrow().hard_state.vote.as_ref().map_or(0, |vote| vote.leader_id.term)
    }

    /// Proposes `entry`, header and all; `then` is called once, on this thread, when it is applied or can't be.
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

    /// Stops the engine; proposals under way are refused.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(shard = self.id.0, %error, "the shard's engine did not stop cleanly");
        }
    }
}

fn outcome_of(result: Option<WriteResult>) -> Result<Outcome, ProposeError> {
    match result {
        Some(Ok(written)) => Ok(written.data),
        Some(Err(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
        Some(Err(_)) | None => Err(ProposeError::Stopped),
    }
}

fn engine_config() -> Result<Config, openraft::ConfigError> {
    let config = Config {
        heartbeat_interval: 150,
        election_timeout_min: 500,
        election_timeout_max: 1000,
        enable_pre_vote: Some(true),
        max_payload_entries: 64,
        snapshot_policy: SnapshotPolicy::Never,
        // What one voter has in its log is committed: there is nobody to ask.
        enable_leader_restore: Some(true),
        ..Config::default()
    };
    config.validate()
}
