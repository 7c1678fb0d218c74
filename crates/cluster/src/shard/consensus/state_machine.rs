//! The engine's state machine: hands committed entries to ours, one after another, and their outcomes back.

use std::io;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::storage::{Snapshot, SnapshotMeta};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use super::log_store::LogStore;
use super::types::{LogId, StoredMembership, Types};
use crate::shard::Machine;
use crate::shard::outcome::Outcome;

/// One shard's machine behind the engine's interface.
pub(super) struct StateMachine {
    machine: Box<dyn Machine>,
    log: LogStore,
    applied: Option<LogId>,
    /// The last entry that the log has not any more.
    released: Option<LogId>,
    membership: StoredMembership,
}

impl StateMachine {
    /// A machine that has seen all that the log has released.
    pub(super) fn new(machine: Box<dyn Machine>, log: LogStore) -> Self {
        let inner = log.inner.borrow();
        let (applied, membership) = (inner.purged(), inner.hard_state.membership.clone());
        drop(inner);
        // A membership that was set later is found in the log again.
        let is_released = membership.log_id().as_ref() <= applied.as_ref();
        let membership = if is_released { membership } else { StoredMembership::default() };
        Self { machine, log, applied, released: applied, membership }
    }
}

/// No snapshot is ever made for anybody: nobody lags behind a shard with one voter.
pub(super) struct NoSnapshots;

fn no_snapshot() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a shard with one voter makes no snapshots")
}

impl RaftSnapshotBuilder<Types> for NoSnapshots {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, ()>, io::Error> {
        Err(no_snapshot())
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = ();
    type SnapshotBuilder = NoSnapshots;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let (term, index) = (*entry.log_id.leader_id, entry.log_id.index);
            self.applied = Some(entry.log_id);
            let outcome = match entry.payload {
                EntryPayload::Blank => {
                    self.machine.pass(index);
                    Outcome::Done
                }
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                    self.log.save_membership(self.membership.clone()).await?;
                    self.machine.pass(index);
                    Outcome::Done
                }
                EntryPayload::Normal(proposal) => {
                    self.machine.apply(index, term, proposal.0).map_err(io::Error::other)?
                }
            };
            if let Some(responder) = responder {
                responder.send(outcome);
            }
            self.log.inner.borrow_mut().applied(index);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshots {
        NoSnapshots
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<Types>,
        _snapshot: (),
    ) -> Result<(), io::Error> {
        Err(no_snapshot())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, ()>>, io::Error> {
        // What the log has released is in the checkpoint, which the machine began with: that is its snapshot.
        let meta = SnapshotMeta { last_log_id: self.released, last_membership: self.membership.clone() };
        Ok(self.released.map(|_| Snapshot { meta, snapshot: () }))
    }
}
