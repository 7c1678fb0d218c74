//! The engine's state machine: hands committed entries to ours, one after another, and their outcomes back; takes and
//! installs snapshots of it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::storage::{Snapshot, SnapshotMeta};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use super::log_store::LogStore;
use super::types::{LogId, StoredMembership, Types};
use crate::shard::Machine;
use crate::shard::outcome::Outcome;
use crate::shard::snapshot::{LogEnds, ShardSnapshot};

/// One shard's machine behind the engine's interface.
pub(super) struct StateMachine {
    machine: Box<dyn Machine>,
    log: LogStore,
    applied: Option<LogId>,
    /// What the machine began with, and the term of what was applied since.
    began_with: Option<LogId>,
    applied_term: Rc<Cell<u64>>,
    membership: StoredMembership,
    /// Whether anybody could ask for a snapshot: not at the start, and never without followers.
    gives_snapshots: Rc<Cell<bool>>,
}

/// The state that goes with a snapshot's metadata; none where the engine only wants to know what there is.
#[derive(Clone)]
pub(super) struct SnapshotData(pub(super) Option<ShardSnapshot>);

impl StateMachine {
    /// A machine that has seen the entries up to `covered`, and all that the log has released.
    pub(super) fn new(
        machine: Box<dyn Machine>,
        log: LogStore,
        covered: u64,
        applied_term: Rc<Cell<u64>>,
        gives_snapshots: Rc<Cell<bool>>,
    ) -> Self {
        let inner = log.inner.borrow();
        // Where a snapshot was installed and its log not purged any more, the log says less than the checkpoint: what is
        // applied again is skipped by each partition.
        let covered = inner.entry(covered).map(|entry| entry.log_id);
        let membership = inner.hard_state.membership.clone();
        let set_by = *membership.log_id();
        // The first entry sets one, and it is kept before that counts as applied: without, there was a first start that ended in
        // between, and a shard that began behind that entry would have no voters and never lead.
        let applied = set_by.and(covered.max(inner.purged()));
        // A membership that was set later is found in the log again, unless it came with a snapshot.
        let is_in_log = set_by.is_some_and(|set_by| inner.entry(set_by.index).is_some());
        let membership =
            if set_by <= applied || !is_in_log { membership } else { StoredMembership::default() };
        drop(inner);
        Self { machine, log, applied, began_with: applied, applied_term, membership, gives_snapshots }
    }

    /// How far the logs of the machine's partitions reach.
    pub(super) fn log_ends(&self) -> LogEnds {
        self.machine.log_ends()
    }

    fn note_applied(&mut self, id: LogId) {
        self.applied = Some(id);
        self.applied_term.set(*id.leader_id);
    }

    fn meta(&self, last_log_id: Option<LogId>) -> SnapshotMetaOf<Types> {
        SnapshotMeta { last_log_id, last_membership: self.membership.clone() }
    }
}

/// Says what a snapshot taken now would hold. It is taken when a follower needs it, since it costs as much as there are
/// partitions and producers.
pub(super) struct SnapshotBuilder(SnapshotMetaOf<Types>, SnapshotData);

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, SnapshotData>, io::Error> {
        Ok(Snapshot { meta: self.0.clone(), snapshot: self.1.clone() })
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

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
            self.note_applied(entry.log_id);
            if let Some(responder) = responder {
                responder.send(outcome);
            }
            self.log.inner.borrow_mut().applied(index);
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        let index = self.applied.map_or(0, |applied| applied.index);
        let data = force.then(|| self.machine.snapshot(index));
        Some(SnapshotBuilder(self.meta(self.applied), SnapshotData(data)))
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder(self.meta(self.applied), SnapshotData(None))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let (Some(id), SnapshotData(Some(snapshot))) = (meta.last_log_id, snapshot) else {
            return Err(io::Error::other("a snapshot of nothing"));
        };
        // In this order: a checkpoint ahead of the log is skipped on replay, a membership without its entries is not.
        self.machine.install(id.index, snapshot).await.map_err(io::Error::other)?;
        self.membership = meta.last_membership.clone();
        self.log.save_membership(self.membership.clone()).await?;
        self.log.begin_behind(id).await?;
        self.note_applied(id);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, SnapshotData>>, io::Error> {
        if !self.gives_snapshots.get() {
            // What the log has released is in the checkpoint, which the machine began with: that is its snapshot.
            let meta = self.meta(self.began_with);
            return Ok(self.began_with.map(|_| Snapshot { meta, snapshot: SnapshotData(None) }));
        }
        let Some(applied) = self.applied else { return Ok(None) };
        let snapshot = self.machine.snapshot(applied.index);
        Ok(Some(Snapshot { meta: self.meta(self.applied), snapshot: SnapshotData(Some(snapshot)) }))
    }
}
