//! A node's lives: what its disk keeps between them, its process, and its inbox.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::MergeOptions;
use batch::merge::CodecChoice;
use bytes::Bytes;
use cluster::log_config::MergeConfig;
use cluster::shard::consensus::{PeerError, PeerReply, PeerRequest, RaftNodeId, Transport};
use cluster::shard::outcome::{Outcome, ProposeError};
use cluster::shard::planted::Plan;
use cluster::simulated::{Latency, Replica, ReplicaOptions, World};
use env::Instant;
use env::simulated::Process;
use futures::future::LocalBoxFuture;
use storage::id::{PartitionId, ShardId};
use storage::partition_log::{DueLimits, PinnedBytes, ShardLogs};
use storage::segment_writer::{CheckpointLimits, StoreOptions};
use storage::wal::WalOptions;
use tokio::sync::{mpsc, oneshot};
use wire::record::Codec;

use super::run::{Mistake, Room};
use crate::disk::{End, Faults, SimDisk};

/// Messages that wait for a node; more are lost.
const INBOX_MAX: usize = 1024;

/// What somebody wants of a node.
pub(super) enum Letter {
    Peer(PeerRequest, oneshot::Sender<Result<PeerReply, PeerError>>),
    Write(Bytes, oneshot::Sender<Result<Outcome, ProposeError>>),
    /// Whether the node leads, and how far its logs reach.
    Look(oneshot::Sender<Option<Look>>),
}

/// What a leader shows.
pub(super) struct Look {
    pub(super) term: u64,
    pub(super) ends: BTreeMap<PartitionId, i64>,
}

/// A node of the cluster; it counts from 0, and from 1 within the engine.
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) disk: SimDisk,
    faults: Cell<Faults>,
    life: RefCell<Option<Life>>,
    pub(super) stalled_until: Cell<Option<Instant>>,
    /// The last index up to which a snapshot came.
    installing: Cell<u64>,
    /// The last term in which it said to be.
    promised_term: Cell<u64>,
    pub(super) installs: Cell<u64>,
    pub(super) lives: Cell<u64>,
}

struct Life {
    process: Process,
    inbox: mpsc::Sender<Letter>,
    replica: Rc<RefCell<Option<Rc<Replica>>>>,
}

impl Node {
    pub(super) fn new(at: usize, seed: u64) -> Self {
        Self {
            at,
            disk: SimDisk::new(seed, 256 << 20),
            faults: Cell::default(),
            life: RefCell::default(),
            stalled_until: Cell::new(None),
            installing: Cell::new(0),
            promised_term: Cell::new(0),
            installs: Cell::new(0),
            lives: Cell::new(0),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.life.borrow().is_some()
    }

    /// Its replica, once it is open.
    pub(super) fn replica(&self) -> Option<Rc<Replica>> {
        self.life.borrow().as_ref().and_then(|life| life.replica.borrow().clone())
    }

    /// Begins a life, during which `faults` happen to the disk.
    pub(super) fn start(self: &Rc<Self>, room: &Rc<Room>, faults: Faults) {
        self.faults.set(faults);
        self.disk.begin_life(faults);
        self.lives.set(self.lives.get() + 1);
        room.oracle.borrow_mut().began(self.at);
        let (inbox, letters) = mpsc::channel(INBOX_MAX);
        let replica = Rc::new(RefCell::new(None));
        let process = Process::start(live(self.clone(), room.clone(), letters, replica.clone()));
        *self.life.borrow_mut() = Some(Life { process, inbox, replica });
    }

    /// Ends its life as `end` says.
    pub(super) async fn crash(&self, end: End) {
        let life = self.life.borrow_mut().take();
        if let Some(life) = life {
            life.replica.borrow_mut().take();
            life.process.kill().await;
        }
        self.disk.end_life(end);
        self.stalled_until.set(None);
    }

    /// Puts a letter into its inbox; lost when it is down or can't keep up.
    pub(super) fn post(&self, letter: Letter) -> bool {
        let life = self.life.borrow();
        life.as_ref().is_some_and(|life| life.inbox.try_send(letter).is_ok())
    }

    /// Nothing more happens to its disk.
    pub(super) fn clear_faults(&self) {
        if !self.is_hurt() {
            self.faults.set(Faults::default());
            self.disk.begin_life(Faults::default());
        }
    }

    /// True when its process has come to an end by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.life.borrow().as_ref().is_some_and(|life| life.process.has_ended())
    }

    /// True when something has happened to its disk that a process does not survive.
    pub(super) fn is_hurt(&self) -> bool {
        let faults = self.faults.get();
        let reached = |at: Option<u64>| at.is_some_and(|at| self.disk.operations() >= at);
        reached(faults.stop_at) || reached(faults.fail_at)
    }
}

/// A life: opens what is on the disk, then answers letters.
async fn live(
    node: Rc<Node>,
    room: Rc<Room>,
    mut letters: mpsc::Receiver<Letter>,
    slot: Rc<RefCell<Option<Rc<Replica>>>>,
) {
    let world = Rc::new(NodeWorld { node: node.clone(), room: room.clone() });
    let disk = Arc::new(node.disk.clone());
    let opened = Replica::open(disk, Path::new("/sim"), options(&node, &room), world).await;
    let replica = match opened {
        Ok(replica) => Rc::new(replica),
        Err(_) if node.is_hurt() => return,
        Err(error) => {
            let what = format!("node {} refuses to start: {error}", node.at);
            return room.oracle.borrow_mut().fail(what);
        }
    };
    check_found(&node, &room, &replica);
    *slot.borrow_mut() = Some(replica.clone());
    while let Some(letter) = letters.recv().await {
        env::spawn_local(answer(node.clone(), replica.clone(), letter));
    }
}

/// A crash takes from the log what was not synced; nothing stored may be ahead of what is left, and no vote may be missing.
fn check_found(node: &Node, room: &Room, replica: &Replica) {
    let found = replica.found;
    room.oracle.borrow_mut().found(node.at, found.covered);
    let in_log = found.last_index.max(node.installing.get());
    if found.covered.max(found.stored) > in_log {
        let what = format!("node {} has stored what its log has not: {found:?}", node.at);
        room.oracle.borrow_mut().fail(what);
    }
    let (term, promised) = (replica.shard.term(), node.promised_term.get());
    if term < promised {
        let what = format!("node {} begins in term {term}, and had said to be in term {promised}", node.at);
        room.oracle.borrow_mut().fail(what);
    }
}

async fn answer(node: Rc<Node>, replica: Rc<Replica>, letter: Letter) {
    // Whoever asked may be gone.
    match letter {
        Letter::Peer(request, reply) => {
            let served = replica.shard.serve(request).await;
            let promised = served.as_ref().ok().and_then(PeerReply::promised_term);
            node.promised_term.set(promised.unwrap_or(0).max(node.promised_term.get()));
            let _ = reply.send(served);
        }
        Letter::Write(entry, reply) => {
            if replica.shard.leads().is_none() {
                let _ = reply.send(Err(ProposeError::NotLeader));
                return;
            }
            let _ = reply.send(replica.shard.write(entry).await);
        }
        Letter::Look(reply) => {
            let look = replica.shard.leads().map(|term| {
                let logs = replica.logs.borrow();
                let ends = logs.logs().map(|log| (log.partition(), log.reader().offsets().high_watermark));
                Look { term, ends: ends.collect() }
            });
            let _ = reply.send(look);
        }
    }
}

fn options(node: &Node, room: &Room) -> ReplicaOptions {
    let wal_mistake = match room.mistake {
        Some(Mistake::Wal(mistake)) => Some(mistake),
        _ => None,
    };
    let glue_mistake = match room.mistake {
        Some(Mistake::Glue(mistake)) => Some(mistake),
        _ => None,
    };
    ReplicaOptions {
        node: number(node.at),
        voters: BTreeSet::from([1, 2, 3]),
        wal: WalOptions {
            file_bytes: 128 << 10,
            files_free_max: 1,
            kept_bytes_max: 384 << 10,
            copied_bytes_max: 32 << 10,
            planted: wal_mistake,
            ..WalOptions::default()
        },
        store: StoreOptions {
            due: DueLimits {
                good_bytes: 3 << 10,
                age_max: Duration::from_millis(300),
                pinned_bytes_soft: 1 << 20,
            },
            checkpoint: CheckpointLimits {
                bytes: 8 << 10,
                batches: 60,
                age_max: Duration::from_millis(400),
                rewrite_bytes_min: 8 << 10,
                files_synced_alone_max: 1000,
            },
            segment_bytes: 16 << 10,
            open_files_max: 4,
            merged_size: None,
            pinned: PinnedBytes::new(),
            free_bytes_min: Some(0),
        },
        merge: merge(node),
        recent_bytes_max: 2 << 10,
        kept_bytes_max: room.kept_bytes_max,
        plan: Plan { mistake: glue_mistake },
    }
}

/// Each replica merges otherwise, and another way in its next life.
fn merge(node: &Node) -> MergeConfig {
    let all = MergeConfig::default();
    let with = |options| MergeConfig { options, ..all };
    match (node.at + usize::try_from(node.lives.get()).expect("few")) % 4 {
        0 => all,
        1 => MergeConfig { is_enabled: false, ..all },
        2 => with(MergeOptions { codec: CodecChoice::Always(Codec::Zstd), ..all.options }),
        _ => with(MergeOptions { records_max: 7, ..all.options }),
    }
}

fn number(at: usize) -> RaftNodeId {
    at as RaftNodeId + 1
}

/// What surrounds a node's replica.
struct NodeWorld {
    node: Rc<Node>,
    room: Rc<Room>,
}

impl Transport for NodeWorld {
    fn call(
        &self,
        _shard: ShardId,
        to: RaftNodeId,
        request: PeerRequest,
    ) -> LocalBoxFuture<'static, Result<PeerReply, PeerError>> {
        let (room, from) = (self.room.clone(), self.node.at);
        let at = usize::try_from(to - 1).expect("three nodes");
        Box::pin(async move {
            let lost = Err(PeerError::Unreachable(to));
            if room.net.is_repeated() {
                env::spawn_local(carry(room.clone(), from, at, request.clone()));
            }
            match carry(room.clone(), from, at, request).await {
                Some(reply) => reply,
                // Nobody tells whoever waits that a message is lost.
                None => {
                    env::sleep(Duration::from_secs(100)).await;
                    lost
                }
            }
        })
    }
}

/// A message and its reply; `None` when either is lost.
async fn carry(
    room: Rc<Room>,
    from: usize,
    to: usize,
    request: PeerRequest,
) -> Option<Result<PeerReply, PeerError>> {
    env::sleep(room.net.send(from, to)?).await;
    if room.net.is_cut(from, to) {
        return None;
    }
    let (tell, told) = oneshot::channel();
    if !room.nodes[to].post(Letter::Peer(request, tell)) {
        return None;
    }
    let reply = told.await.ok()?;
    env::sleep(room.net.send(to, from)?).await;
    (!room.net.is_cut(to, from)).then_some(reply)
}

impl Latency for NodeWorld {
    fn wal_latency(&self) -> (Duration, Duration) {
        let mut dice = self.room.dice.borrow_mut();
        let stalled =
            self.node.stalled_until.get().map_or(Duration::ZERO, |until| until.since(Instant::now()));
        let before = Duration::from_micros(100 + dice.below(400)) + stalled;
        let after = if dice.chance(20) { dice.below(3000) } else { dice.below(60) };
        (before, Duration::from_micros(after))
    }

    fn store_latency(&self) -> Duration {
        Duration::from_micros(100 + self.room.dice.borrow_mut().below(20_000))
    }
}

impl World for NodeWorld {
    fn applied(&self, index: u64, term: u64, entry: &Bytes, outcome: &Outcome, logs: &ShardLogs) {
        self.room.oracle.borrow_mut().applied(self.node.at, index, term, entry, outcome, logs);
    }

    fn installing(&self, index: u64) {
        self.node.installing.set(index.max(self.node.installing.get()));
        self.room.oracle.borrow_mut().node_jumped(self.node.at);
    }

    fn installed(&self, index: u64, _logs: &ShardLogs) {
        self.room.oracle.borrow_mut().installed(self.node.at, index);
        self.node.installs.set(self.node.installs.get() + 1);
    }
}
