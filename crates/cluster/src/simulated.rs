//! A replica of one data shard as a simulation runs it: the product's log, store, machine and consensus, on one thread, with
//! the disk's latency, the network and the observer given from outside. No topic, no connection, no Kafka.
//!
//! Everything is started on the caller's [`env::simulated::Process`]; killing that is the crash.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::Instant;
use env::disk::Disk;
use futures::future::LocalBoxFuture;
use storage::id::ShardId;
use storage::partition_log::{RollLimits, ShardLogs};
use storage::segment_writer::{StoreOptions, StoreSteps};
use storage::wal::{Poisoned, WalListener, WalOptions, WalSteps};
use tokio::sync::Notify;

use crate::log_config::{LogConfig, LogConfigs, MergeConfig};
use crate::node::{NodeError, check_no_gap, take_shard};
use crate::partitions::Partitions;
use crate::replay::Replay;
use crate::shard::consensus::{Followers, RaftNodeId, ShardParts, Transport};
use crate::shard::data::DataMachine;
use crate::shard::outcome::Outcome;
use crate::shard::planted::Plan;
use crate::shard::snapshot::{LogEnds, ShardSnapshot};
use crate::shard::wal_mailbox::{SyncedMailbox, WalClient};
use crate::shard::{Machine, MachineError, Shard};
use crate::storekeeper::{ProgressMailbox, Storekeeper};

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
pub trait World: Transport {
    /// How long the next group waits before it is written, and then before that is told.
    fn wal_latency(&self) -> (Duration, Duration);

    /// How long the segment writer's next turn takes.
    fn store_latency(&self) -> Duration;

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
        let (woken, mailbox) = (Arc::new(Notify::new()), Arc::new(SyncedMailbox::default()));
        let (wal, steps, mut in_wal) =
            WalSteps::open(disk.clone(), &dir.join("wal"), options.wal, waking(&woken))?;
        let wal = WalClient::new(wal, mailbox.clone());
        env::spawn_local(wal.clone().deliver());
        env::spawn_local(write_log(steps, woken, mailbox, world.clone()));

        let (woken, mailbox) = (Arc::new(Notify::new()), Arc::new(ProgressMailbox::default()));
        let (store, steps, mut stored) = StoreSteps::open(disk, dir, &options.store, waking(&woken))?;
        let roll = RollLimits { segment_bytes: options.store.segment_bytes, ..LogConfig::default().roll };
        let log = LogConfig { roll, merge: options.merge, ..LogConfig::default() };
        let configs = LogConfigs::new(Rc::default(), 1, log);
        let (handle, stir) = (wal.wal().clone(), Rc::default());
        let storekeeper =
            Storekeeper::new(store, mailbox.clone(), handle, configs, stir, Rc::default(), REPLAY_MAX);
        storekeeper.set_plan(plan);
        env::spawn_local(storekeeper.clone().run());
        env::spawn_local(write_segments(steps, woken, mailbox, world.clone()));

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

fn waking(woken: &Arc<Notify>) -> Box<dyn Fn() + Send + Sync> {
    let woken = woken.clone();
    Box::new(move || woken.notify_one())
}

/// What the log has to tell, until the time has come.
#[derive(Default)]
struct Held(Mutex<Vec<Synced>>);

/// What one write came to.
struct Synced {
    tickets: Vec<(ShardId, u64)>,
    result: Result<(), Poisoned>,
}

impl WalListener for Held {
    fn synced(&self, tickets: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(Synced { tickets: std::mem::take(tickets), result });
    }
}

/// In the place of the WAL's thread.
async fn write_log(
    mut steps: WalSteps,
    woken: Arc<Notify>,
    mailbox: Arc<SyncedMailbox>,
    world: Rc<dyn World>,
) {
    let held = Held::default();
    loop {
        woken.notified().await;
        loop {
            let (before_write, before_telling) = world.wal_latency();
            env::sleep(before_write).await;
            let has_more = steps.turn(&held);
            env::sleep(before_telling).await;
            let told = std::mem::take(&mut *held.0.lock().unwrap_or_else(PoisonError::into_inner));
            for Synced { mut tickets, result } in told {
                mailbox.synced(&mut tickets, result);
            }
            if !has_more {
                break;
            }
        }
    }
}

/// In the place of the segment writer's thread.
async fn write_segments(
    mut steps: StoreSteps,
    woken: Arc<Notify>,
    mailbox: Arc<ProgressMailbox>,
    world: Rc<dyn World>,
) {
    let mut wake_at: Option<Instant> = None;
    loop {
        match wake_at {
            Some(wake_at) => {
                let left = wake_at.since(Instant::now());
                env::timeout(left, woken.notified()).await;
            }
            None => woken.notified().await,
        }
        env::sleep(world.store_latency()).await;
        wake_at = steps.turn(Instant::now(), &*mailbox);
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
