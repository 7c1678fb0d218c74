//! A run: three nodes, a schedule of what goes wrong, and the end, when everything must agree.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use cluster::shard::planted::Planted;
use env::Instant;
use storage::id::{PartitionId, TopicId};
use wire::record;

use super::client;
use super::net::Net;
use super::node::Node;
use super::oracle::Oracle;
use crate::dice::Dice;
use crate::disk::{End, Faults};
use crate::records;

/// After everything is whole again, the nodes have to agree within this time.
const AGREED_WITHIN: Duration = Duration::from_secs(180);
/// Producers with an id, and without.
const PRODUCERS: [Option<i64>; 4] = [Some(1), Some(2), Some(3), None];

/// A mistake for the simulation to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// In the glue between engine, log and storage.
    Glue(Planted),
    /// In the write-ahead log.
    Wal(storage::wal::Planted),
}

impl Mistake {
    /// Those that one of three voters must not make.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let wal = [storage::wal::Planted::TruncateIgnored, storage::wal::Planted::AcknowledgedAtAppend];
        Planted::ALL.into_iter().map(Self::Glue).chain(wal.into_iter().map(Self::Wal)).collect()
    }
}

/// What a run did, for whoever wants to know that it was not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries committed.
    pub entries: u64,
    /// Batches acknowledged.
    pub acknowledged: u64,
    /// Duplicates answered with their original's offset.
    pub duplicates: u64,
    /// Terms with a leader that answered.
    pub terms: u64,
    /// Snapshots installed.
    pub snapshots: u64,
    /// Lives of nodes.
    pub lives: u64,
    /// Messages lost.
    pub lost: u64,
    /// States compared.
    pub compared: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.acknowledged += other.acknowledged;
        self.duplicates += other.duplicates;
        self.terms += other.terms;
        self.snapshots += other.snapshots;
        self.lives += other.lives;
        self.lost += other.lost;
        self.compared += other.compared;
    }
}

/// Runs one seed, with a mistake or without.
///
/// # Errors
/// The rule that was broken, and how.
pub fn run(seed: u64, mistake: Option<Mistake>) -> Result<Outcome, String> {
    env::simulated::block_on(seed, async move {
        let room = Rc::new(Room::new(seed, mistake));
        room.live().await;
        room.close().await;
        let broken = room.oracle.borrow().broken().map(str::to_owned);
        broken.map_or_else(|| Ok(room.outcome()), Err)
    })
}

/// Everything that a run has.
pub(super) struct Room {
    pub(super) mistake: Option<Mistake>,
    pub(super) dice: RefCell<Dice>,
    pub(super) net: Net,
    pub(super) nodes: Vec<Rc<Node>>,
    pub(super) oracle: RefCell<Oracle>,
    pub(super) partitions: RefCell<Vec<PartitionId>>,
    pub(super) kept_bytes_max: u64,
    /// Producers write nothing at present.
    pub(super) is_quiet: Cell<bool>,
    /// Producers write no more.
    pub(super) is_over: Cell<bool>,
    pub(super) producers_done: Cell<usize>,
    pub(super) records: Cell<u64>,
    pub(super) acknowledgements: Cell<u64>,
    pub(super) duplicates: Cell<u64>,
    restart_at: RefCell<[Option<Instant>; 3]>,
    partitions_made: Cell<u8>,
}

impl Room {
    fn new(seed: u64, mistake: Option<Mistake>) -> Self {
        let mut dice = Dice::new(seed);
        let nodes = (0..3).map(|at| Rc::new(Node::new(at, dice.roll()))).collect();
        Self {
            mistake,
            net: Net::new(dice.roll()),
            nodes,
            oracle: RefCell::default(),
            partitions: RefCell::default(),
            kept_bytes_max: 2000 + dice.below(20_000),
            is_quiet: Cell::new(false),
            is_over: Cell::new(false),
            producers_done: Cell::new(0),
            records: Cell::new(0),
            acknowledgements: Cell::new(0),
            duplicates: Cell::new(0),
            restart_at: RefCell::default(),
            partitions_made: Cell::new(0),
            dice: RefCell::new(dice),
        }
    }

    /// True when nothing that is still to come matters.
    pub(super) fn is_abandoned(&self) -> bool {
        self.oracle.borrow().broken().is_some()
    }

    fn roll(&self, bound: u64) -> u64 {
        self.dice.borrow_mut().below(bound)
    }

    fn node(&self) -> usize {
        self.dice.borrow_mut().index(3)
    }

    fn next_partition(&self) -> PartitionId {
        self.partitions_made.set(self.partitions_made.get() + 1);
        let number = self.partitions_made.get();
        PartitionId { topic_id: TopicId([number; 16]), partition: i32::from(number) }
    }

    async fn live(self: &Rc<Self>) {
        for node in &self.nodes {
            node.start(self, Faults::default());
        }
        env::spawn_local(self.clone().watch());
        env::spawn_local(client::observe(self.clone()));
        for producer_id in PRODUCERS {
            env::spawn_local(client::produce(self.clone(), producer_id));
        }
        for _ in 0..2 + self.roll(3) {
            client::create(self, self.next_partition()).await;
        }
        let end = Instant::now() + Duration::from_millis(4000 + self.roll(8000));
        while Instant::now() < end && !self.is_abandoned() {
            env::sleep(Duration::from_millis(30 + self.roll(700))).await;
            self.disturb().await;
        }
        self.mend();
        self.agree().await;
    }

    /// One thing goes wrong, or right again.
    async fn disturb(self: &Rc<Self>) {
        let (one, other) = (self.node(), self.node());
        match self.roll(100) {
            0..=18 => self.crash(one, 30 + self.roll(1500)).await,
            19..=22 => self.replace_leader_within_lease(other).await,
            23..=24 => self.crash_behind_truncation().await,
            25..=32 => self.crash(one, 1500 + self.roll(4000)).await,
            33..=42 => self.net.isolate(one),
            43..=50 => self.net.cut(one, other),
            51..=66 => self.net.heal(),
            67..=71 => self.stall(one, 100 + self.roll(2500)),
            72..=76 => {
                // What the disk was given during the stall is what the crash takes away.
                self.stall(one, 2000);
                env::sleep(Duration::from_millis(self.roll(1500))).await;
                self.crash(one, 30 + self.roll(300)).await;
            }
            77..=82 => {
                if let Some(replica) = self.nodes[one].replica() {
                    replica.shard.transfer_leader(other as u64 + 1).await;
                }
            }
            83..=88 => self.net.set_quality(self.roll(12), 500 + self.roll(60_000)),
            89..=93 => {
                let (room, partition) = (self.clone(), self.next_partition());
                env::spawn_local(async move { client::create(&room, partition).await });
            }
            94..=95 => {
                let partition = self.partitions.borrow().first().copied();
                let room = self.clone();
                if let Some(partition) = partition.filter(|_| self.partitions.borrow().len() > 1) {
                    env::spawn_local(async move { client::delete(&room, partition).await });
                }
            }
            _ => {
                for at in 0..3 {
                    self.crash(at, 10 + self.roll(300)).await;
                }
            }
        }
    }

    /// While nobody writes, so that all logs are equal, one of those who answer the leader hears nothing of it any more until it
    /// stands. Then the other restarts, and may have forgotten that it answers the leader.
    async fn replace_leader_within_lease(&self, other: usize) {
        let Some(leader) = self.oracle.borrow().leader().filter(|leader| *leader != other) else { return };
        if !self.nodes.iter().all(|node| node.is_up()) {
            return;
        }
        self.net.heal();
        self.is_quiet.set(true);
        env::sleep(Duration::from_millis(300)).await;
        self.net.cut(leader, other);
        self.net.cut(other, leader);
        env::sleep(Duration::from_millis(1500 + self.roll(1000))).await;
        self.net.isolate(leader);
        self.crash(3 - leader - other, 10 + self.roll(50)).await;
        self.is_quiet.set(false);
        env::sleep(Duration::from_millis(1000)).await;
    }

    /// A leader that was alone loses its last entries to its successor's, and its power before these are on its disk.
    async fn crash_behind_truncation(&self) {
        let Some(leader) = self.oracle.borrow().leader() else { return };
        self.net.isolate(leader);
        env::sleep(Duration::from_millis(1500 + self.roll(1500))).await;
        self.net.heal();
        env::sleep(Duration::from_millis(self.roll(400))).await;
        self.stall(leader, 3000);
        env::sleep(Duration::from_millis(1000 + self.roll(1000))).await;
        self.crash_as(leader, End::PowerLoss, 30 + self.roll(300)).await;
    }

    fn stall(&self, at: usize, stall_ms: u64) {
        self.nodes[at].stalled_until.set(Some(Instant::now() + Duration::from_millis(stall_ms)));
    }

    async fn crash(&self, at: usize, down_ms: u64) {
        let end = if self.dice.borrow_mut().chance(60) { End::PowerLoss } else { End::Kill };
        self.crash_as(at, end, down_ms).await;
    }

    async fn crash_as(&self, at: usize, end: End, down_ms: u64) {
        if self.nodes[at].is_up() {
            self.nodes[at].crash(end).await;
            let restart_at = Instant::now() + Duration::from_millis(down_ms);
            self.restart_at.borrow_mut()[at] = Some(restart_at);
        }
    }

    /// Starts nodes when their time has come, and ends those whose disk has stopped or failed.
    async fn watch(self: Rc<Self>) {
        loop {
            env::sleep(Duration::from_millis(10)).await;
            for (at, node) in self.nodes.iter().enumerate() {
                let is_due = self.restart_at.borrow()[at].is_some_and(|due| due <= Instant::now());
                if !node.is_up() && is_due {
                    self.restart_at.borrow_mut()[at] = None;
                    let faults = self.faults();
                    node.start(&self, faults);
                }
                let has_failed = node.replica().is_some_and(|replica| replica.has_failed());
                // One whose disk failed while it opened waits for an answer that does not come: whoever runs it ends it.
                let never_opened = node.is_hurt() && node.replica().is_none();
                if node.is_up() && (node.disk.stopped() || node.has_ended() || has_failed || never_opened) {
                    if has_failed && !node.is_hurt() {
                        let failure = node.replica().and_then(|replica| replica.shard.failure());
                        let what = format!("node {at} has stopped, and its disk is whole: {failure:?}");
                        self.oracle.borrow_mut().fail(what);
                    }
                    self.crash(at, 30 + self.roll(1000)).await;
                }
            }
        }
    }

    /// What happens to a disk in its next life.
    fn faults(&self) -> Faults {
        let (kind, at) = (self.roll(100), 1 + self.roll(400));
        match kind {
            _ if self.is_over.get() => Faults::default(),
            0..=24 => Faults { stop_at: Some(at), ..Faults::default() },
            25..=31 => Faults { fail_at: Some(at), ..Faults::default() },
            _ => Faults::default(),
        }
    }

    /// From now on nothing goes wrong any more.
    fn mend(&self) {
        self.is_over.set(true);
        self.net.heal();
        self.net.set_quality(0, 2000);
        self.nodes.iter().for_each(|node| {
            node.stalled_until.set(None);
            node.clear_faults();
        });
    }

    /// Waits until every producer has its answers and all nodes have applied the same, and compares what they have.
    async fn agree(&self) {
        let end = Instant::now() + AGREED_WITHIN;
        let mut agreed = None;
        loop {
            env::sleep(Duration::from_millis(500)).await;
            if self.is_abandoned() {
                return;
            }
            let all_up = self.nodes.iter().all(|node| node.replica().is_some());
            let done = all_up && self.producers_done.get() == PRODUCERS.len();
            let now = self.oracle.borrow().agreed().filter(|_| done);
            // Twice the same: nothing is under way any more.
            if now.is_some() && now == agreed {
                break;
            }
            agreed = now;
            if Instant::now() > end {
                let what = format!(
                    "no agreement: {} of {} producers are done, all up: {all_up}; {}",
                    self.producers_done.get(),
                    PRODUCERS.len(),
                    self.oracle.borrow().standing()
                );
                return self.oracle.borrow_mut().fail(what);
            }
        }
        for at in 0..3 {
            self.compare(at);
        }
    }

    fn compare(&self, at: usize) {
        let replica = self.nodes[at].replica().expect("all are up");
        let logs = replica.logs.borrow();
        let there: BTreeSet<PartitionId> = logs.logs().map(|log| log.partition()).collect();
        let mut oracle = self.oracle.borrow_mut();
        for partition in oracle.partitions() {
            if !there.contains(&partition) {
                oracle.fail(format!("node {at} does not have {partition:?}"));
            }
        }
        for partition in there {
            let log = logs.log(&partition).expect("listed");
            match read_whole(&log.reader()) {
                Ok(records) => oracle.final_log(at, partition, &records),
                Err(error) => oracle.fail(format!("node {at} can't read {partition:?}: {error}")),
            }
        }
    }

    /// Ends all lives.
    async fn close(&self) {
        for node in &self.nodes {
            node.crash(End::Kill).await;
        }
    }

    fn outcome(&self) -> Outcome {
        let oracle = self.oracle.borrow();
        Outcome {
            entries: oracle.entries(),
            acknowledged: self.acknowledgements.get(),
            duplicates: self.duplicates.get(),
            terms: oracle.terms(),
            snapshots: self.nodes.iter().map(|node| node.installs.get()).sum(),
            lives: self.nodes.iter().map(|node| node.lives.get()).sum(),
            lost: self.net.lost.get(),
            compared: oracle.compared,
        }
    }
}

/// Offsets and identities of all records of a log.
fn read_whole(reader: &storage::partition_log::LogReader) -> Result<Vec<(i64, u32)>, String> {
    let offsets = reader.offsets();
    let mut next = offsets.log_start;
    let mut found = Vec::new();
    while next < offsets.high_watermark {
        let read = reader.read(next, 64 << 10).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        for slice in read.slices {
            slice.copy_into(&mut bytes).map_err(|error| error.to_string())?;
        }
        for batch in record::batches(&bytes) {
            let batch = batch.map_err(|error| error.to_string())?;
            let header = record::BatchHeader::parse(batch).map_err(|error| error.to_string())?;
            if header.base_offset != next {
                return Err(format!("a batch begins at {} instead of {next}", header.base_offset));
            }
            let records = records::of_batch(batch).map_err(|error| error.to_string())?;
            found.extend(records.into_iter().map(|(delta, identity)| (next + delta, identity)));
            next = header.last_offset() + 1;
        }
    }
    Ok(found)
}
