//! The broker's lives: what its disk keeps between them, its process, and its inbox.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::WaitSettings;
use broker::simulated::{Plan, Rewriting, SimulatedBroker, SimulatedOptions};
use broker::{GroupOptions, GroupSettings, MigrationPolicy};
use cluster::log_config::LogConfig;
use cluster::node::{CreateTopicError, NewTopic, NodeOptions};
use cluster::simulated::{Latency, NodeSizes};
use coordinator::group::command::{Command, CommitOffsets, Reply};
use env::simulated::Process;
use storage::partition_log::{DueLimits, PinnedBytes};
use storage::segment_writer::{CheckpointLimits, StoreOptions};
use storage::wal::WalOptions;
use tokio::sync::{mpsc, oneshot};
use wire::error::ErrorCode;

use super::run::{Mistake, Room, SESSION, SPACE_BYTES, TOPICS};
use crate::disk::{End, Faults, SimDisk};

/// Requests that wait for a broker that has not begun; more are lost.
const INBOX_MAX: usize = 1024;
/// Bytes of a file of the log: few, so that files are switched and checkpoints forced.
const WAL_FILE_BYTES: u64 = 128 << 10;

/// What somebody wants of the broker.
pub(super) enum Letter {
    Ask(Arc<str>, Command, oneshot::Sender<Result<Reply, ErrorCode>>),
    /// Whether it was deleted for certain.
    DeleteTopic(Arc<str>, oneshot::Sender<bool>),
}

/// The broker's machine.
pub(super) struct Host {
    pub(super) disk: SimDisk,
    faults: Cell<Faults>,
    life: RefCell<Option<Life>>,
    pub(super) lives: Cell<u64>,
    /// Where its logs began when they were looked at.
    log_starts: Cell<i64>,
    /// How often that had changed: logs were rewritten.
    pub(super) rewritten: Cell<u64>,
}

struct Life {
    process: Process,
    inbox: mpsc::Sender<Letter>,
    broker: Rc<RefCell<Option<Rc<SimulatedBroker>>>>,
}

impl Host {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            disk: SimDisk::new(seed, SPACE_BYTES),
            faults: Cell::default(),
            life: RefCell::default(),
            lives: Cell::default(),
            log_starts: Cell::default(),
            rewritten: Cell::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.life.borrow().is_some()
    }

    /// Begins a life, during which `faults` happen to the disk.
    pub(super) fn start(&self, room: &Rc<Room>, faults: Faults) {
        self.faults.set(faults);
        self.disk.begin_life(faults);
        self.lives.set(self.lives.get() + 1);
        let (inbox, letters) = mpsc::channel(INBOX_MAX);
        let broker = Rc::new(RefCell::new(None));
        let process = Process::start(live(room.clone(), letters, broker.clone()));
        *self.life.borrow_mut() = Some(Life { process, inbox, broker });
    }

    /// Ends its life as `end` says.
    pub(super) async fn crash(&self, end: End) {
        let life = self.life.borrow_mut().take();
        if let Some(life) = life {
            life.broker.borrow_mut().take();
            life.process.kill().await;
        }
        self.disk.end_life(end);
    }

    /// Puts a letter into its inbox; lost when it is down.
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

    /// True when something has happened to its disk that a process need not survive.
    pub(super) fn is_hurt(&self) -> bool {
        self.disk.stopped() || self.disk.has_failed()
    }

    /// True when nothing more will come of this life.
    pub(super) fn is_over(&self) -> bool {
        let has_ended = self.life.borrow().as_ref().is_some_and(|life| life.process.has_ended());
        self.disk.stopped() || has_ended || self.is_hurt() && self.broker().is_none()
    }

    /// Counts logs that were rewritten.
    pub(super) fn look_at_logs(&self) {
        let Some(log_starts) = self.broker().map(|broker| broker.log_starts()) else { return };
        let has_changed = self.log_starts.replace(log_starts) < log_starts;
        self.rewritten.set(self.rewritten.get() + u64::from(has_changed));
    }

    pub(super) fn broker(&self) -> Option<Rc<SimulatedBroker>> {
        self.life.borrow().as_ref().and_then(|life| life.broker.borrow().clone())
    }
}

/// A life: opens what is on the disk, then answers letters.
async fn live(
    room: Rc<Room>,
    mut letters: mpsc::Receiver<Letter>,
    slot: Rc<RefCell<Option<Rc<SimulatedBroker>>>>,
) {
    let disk = Arc::new(room.host.disk.clone());
    let opened = SimulatedBroker::open(disk, Path::new("/sim"), options(room.mistake), room.clone()).await;
    let broker = match opened {
        Ok(broker) => Rc::new(broker),
        Err(_) if room.host.is_hurt() => return,
        Err(error) => return room.fail(format!("the broker refuses to start: {error}")),
    };
    *slot.borrow_mut() = Some(broker.clone());
    if let Err(error) = found(&broker).await
        && !room.host.is_hurt()
        && !room.is_full()
    {
        room.fail(format!("no topics can be made: {error}"));
    }
    room.topics.replace(broker.topics());
    while let Some(letter) = letters.recv().await {
        env::spawn_local(answer(room.clone(), broker.clone(), letter));
    }
}

/// Makes the topics that are not there.
async fn found(broker: &SimulatedBroker) -> Result<(), String> {
    broker.found().await.map_err(|error| format!("{error:?}"))?;
    for (name, partitions) in TOPICS {
        let new = NewTopic { name: name.to_owned(), partitions: partitions.into(), configs: BTreeMap::new() };
        match broker.create_topic(new).await {
            Ok(()) | Err(CreateTopicError::Exists(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

async fn answer(room: Rc<Room>, broker: Rc<SimulatedBroker>, letter: Letter) {
    // Whoever asked may be gone.
    match letter {
        // As the handler of OffsetCommit does.
        Letter::Ask(_, Command::CommitOffsets(commit), tell) if !has_topics(&broker, &commit) => {
            let unknown = vec![ErrorCode::UNKNOWN_TOPIC_OR_PARTITION; commit.offsets.len()];
            let _ = tell.send(Ok(Reply::CommitOffsets(Ok(unknown))));
        }
        Letter::Ask(group, command, tell) => {
            let _ = tell.send(broker.ask(&group, command).await);
        }
        Letter::DeleteTopic(name, tell) => {
            let is_deleted = broker.delete_topic(&name).await.is_ok_and(|is_forgotten| is_forgotten);
            let _ = found(&broker).await;
            room.topics.replace(broker.topics());
            let _ = tell.send(is_deleted);
        }
    }
}

fn has_topics(broker: &SimulatedBroker, commit: &CommitOffsets) -> bool {
    let topics = broker.topics();
    commit.offsets.iter().all(|new| topics.values().any(|name| *name == new.topic))
}

fn options(mistake: Option<Mistake>) -> SimulatedOptions {
    let wal_mistake = match mistake {
        Some(Mistake::Wal(mistake)) => Some(mistake),
        _ => None,
    };
    let host_mistake = match mistake {
        Some(Mistake::Host(mistake)) => Some(mistake),
        _ => None,
    };
    let groups = GroupSettings {
        session_timeout_min: Duration::from_millis(100),
        initial_rebalance_delay: Duration::from_millis(100),
        consumer_session_timeout: SESSION,
        consumer_heartbeat_interval: Duration::from_millis(300),
        migration: MigrationPolicy::Disabled,
        ..GroupSettings::default()
    };
    let hour = Duration::from_hours(1);
    SimulatedOptions {
        node: node_options(),
        sizes: NodeSizes {
            wal: WalOptions {
                file_bytes: WAL_FILE_BYTES,
                files_free_max: 1,
                kept_bytes_max: 384 << 10,
                copied_bytes_max: 32 << 10,
                planted: wal_mistake,
                ..WalOptions::default()
            },
            store: store_options(),
        },
        groups: GroupOptions { groups, partitions: 2, segment_bytes: 16 << 10, expiry_period: hour },
        rewriting: Rewriting { period: Duration::from_millis(200), records_min: 40, piece_bytes: 1 << 10 },
        plan: Plan { mistake: host_mistake },
    }
}

fn node_options() -> NodeOptions {
    let hour = Duration::from_hours(1);
    NodeOptions {
        cluster_id: "simulated".to_owned(),
        broker_id: 1,
        log_defaults: LogConfig::default(),
        producer_expiration: 24 * hour,
        retention_period: Duration::from_millis(700),
        tail_age_max: hour,
        tail_bytes_max: 16 << 20,
        queued_bytes_max: 8 << 20,
        // A group that waits for company looks at the clock in every turn, and simulated time stands still as long as anybody does.
        wait: WaitSettings { linger: Duration::ZERO, ..WaitSettings::default() },
        wal_bytes_max: 384 << 10,
        wal_file_bytes: WAL_FILE_BYTES,
        merged_size: None,
        free_bytes_min: Some(0),
    }
}

fn store_options() -> StoreOptions {
    StoreOptions {
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
    }
}

impl Latency for Room {
    fn wal_latency(&self) -> (Duration, Duration) {
        let mut dice = self.dice.borrow_mut();
        let before = 100 + dice.below(400) + if dice.chance(5) { dice.below(60_000) } else { 0 };
        let after = if dice.chance(20) { dice.below(3000) } else { dice.below(60) };
        (Duration::from_micros(before), Duration::from_micros(after))
    }

    fn store_latency(&self) -> Duration {
        Duration::from_micros(100 + self.dice.borrow_mut().below(20_000))
    }
}
