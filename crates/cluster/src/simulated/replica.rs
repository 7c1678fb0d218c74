//! A replica of one data shard: the product's log, store, machine and consensus, with the disk's latency, the network and the
//! observer given from outside. No topic, no connection, no Kafka.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use env::disk::Disk;
use futures::future::LocalBoxFuture;
use storage::id::ShardId;
use storage::partition_log::{RollLimits, ShardLogs};
use storage::segment_writer::StoreOptions;
use storage::wal::WalOptions;

use super::steps::{self, Latency};
use crate::log_config::{LogConfig, LogConfigs, MergeConfig};
use crate::node::{NodeError, check_no_gap, take_shard};
use crate::partitions::Partitions;
use crate::replay::Replay;
use crate::shard::consensus::{Followers, RaftNodeId, ShardParts, Transport};
use crate::shard::data::DataMachine;
use crate::shard::outcome::Outcome;
use crate::shard::planted::Plan;
use crate::shard::snapshot::{LogEnds, ShardSnapshot};
use crate::shard::{Machine, MachineError, Shard};
use crate::storekeeper::Storekeeper;

/// The shard that is replicated.
pub const SHARD: ShardId = ShardId(1);

/// What a restart may have to replay: little, so that checkpoints are forced.
const REPLAY_MAX: Replay = Replay { bytes: 64 << 10, batches: 400 };

/// What a replica is opened with.
#[derive(Clone)]
pub struct ReplicaOptions {
    /// This node's number.
    pub node: RaftNodeId,
    /// The numbers of all.
    pub voters: BTreeSet<RaftNodeId>,
    /// Sizes of the log.
    pub wal: WalOptions,
    /// Sizes and times of the store.
    pub store: StoreOptions,
    /// How its batches are merged; replicas may differ in it.
    pub merge: MergeConfig,
    /// Bytes of entries kept in memory for followers.
    pub recent_bytes_max: u64,
    /// Bytes of entries kept in the log for followers.
    pub kept_bytes_max: u64,
    /// The mistake to make.
    pub plan: Plan,
}

/// What surrounds a replica; called on its thread.
pub trait World: Transport + Latency {
    /// An entry was applied.
    fn applied(&self, index: u64, term: u64, entry: &Bytes, outcome: &Outcome, logs: &ShardLogs);

    /// A snapshot that reaches to `index` is about to be installed.
    fn installing(&self, index: u64);

    /// It is installed, and durable.
    fn installed(&self, index: u64, logs: &ShardLogs);
}

/// What a replica found at its start.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The last entry in the log, or purged from it.
    pub last_index: u64,
    /// The last entry that the checkpoint covers.
    pub covered: u64,
    /// The last entry of which a partition in the checkpoint has the effect.
    pub stored: u64,
}

/// See the module's head.
pub struct Replica {
    /// Its shard.
    pub shard: Shard,
    /// Its partitions' logs.
    pub logs: Rc<RefCell<ShardLogs>>,
    /// What it began with.
    pub found: Found,
    storekeeper: Rc<Storekeeper>,
}

impl Replica {
    /// Opens what is in `dir`, or begins there; the shard's replica is started, and leads or follows some time later.
    ///
    /// # Errors
    /// As [`crate::node::Node::open`].
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: ReplicaOptions,
        world: Rc<dyn World>,
    ) -> Result<Self, NodeError> {
        let plan = options.plan;
        let (wal, mut in_wal) = steps::open_wal(disk.clone(), dir, options.wal, world.clone())?;
        env::spawn_local(wal.clone().deliver());
        let (store, mailbox, mut stored) = steps::open_store(disk, dir, &options.store, world.clone())?;
        let roll = RollLimits { segment_bytes: options.store.segment_bytes, ..LogConfig::default().roll };
        let log = LogConfig { roll, merge: options.merge, ..LogConfig::default() };
        let configs = LogConfigs::new(Rc::default(), 1, log);
        let (handle, stir) = (wal.wal().clone(), Rc::default());
        let storekeeper = Storekeeper::new(store, mailbox, handle, configs, stir, Rc::default(), REPLAY_MAX);
        storekeeper.set_plan(plan);
        env::spawn_local(storekeeper.clone().run());

        let (recovered, kept) = (take_shard(&mut in_wal, SHARD), stored.take(SHARD));
        check_no_gap(SHARD, &recovered, kept.covered)?;
        let last = recovered.entries.last().map(|entry| entry.index);
        let found = Found {
            last_index: last.max(recovered.purged.map(|purged| purged.index)).unwrap_or(0),
            covered: kept.covered,
            stored: kept.logs.states(0).iter().map(|state| state.index).max().unwrap_or(0),
        };
        let logs = Rc::new(RefCell::new(kept.logs));
        let machine = DataMachine::new(logs.clone(), Rc::new(Partitions::default()), storekeeper.clone());
        let machine = Observed { machine: machine.with_plan(plan), logs: logs.clone(), world: world.clone() };
        let parts = ShardParts {
            id: SHARD,
            node: options.node,
            wal,
            recovered,
            covered: kept.covered,
            machine: Box::new(machine),
            progress: storekeeper.log_progress(SHARD),
        };
        let followers = Followers {
            voters: options.voters,
            transport: world,
            recent_bytes_max: options.recent_bytes_max,
            kept_bytes_max: options.kept_bytes_max,
            plan,
        };
        Ok(Self { shard: Shard::open(parts, followers).await?, logs, found, storekeeper })
    }

    /// True once something can't be stored any more, or the engine has stopped: the process should end, as a node's with
    /// peers does.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.storekeeper.refuses_writes().is_some() || self.shard.failure().is_some()
    }
}

/// The product's machine, watched.
struct Observed {
    machine: DataMachine,
    logs: Rc<RefCell<ShardLogs>>,
    world: Rc<dyn World>,
}

impl Machine for Observed {
    fn apply(&mut self, index: u64, term: u64, entry: Bytes) -> Result<Outcome, MachineError> {
        let outcome = self.machine.apply(index, term, entry.clone())?;
        self.world.applied(index, term, &entry, &outcome, &self.logs.borrow());
        Ok(outcome)
    }

    fn pass(&mut self, index: u64) {
        self.machine.pass(index);
    }

    fn snapshot(&self, applied: u64) -> ShardSnapshot {
        self.machine.snapshot(applied)
    }

    fn log_ends(&self) -> LogEnds {
        self.machine.log_ends()
    }

    fn install(
        &mut self,
        index: u64,
        snapshot: ShardSnapshot,
    ) -> LocalBoxFuture<'_, Result<(), MachineError>> {
        Box::pin(async move {
            // The sender may itself be ahead of what it has applied since its start.
            let reaches = snapshot.partitions.iter().map(|partition| partition.state.index).max();
            self.world.installing(index.max(reaches.unwrap_or(index)));
            self.machine.install(index, snapshot).await?;
            self.world.installed(index, &self.logs.borrow());
            Ok(())
        })
    }
}
