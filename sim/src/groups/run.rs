//! A run: one broker, a schedule of what goes wrong, and the end, when everything is read again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::simulated::Planted;
use coordinator::group::command::{Command, CommitOffsets, FetchOffsets, NewOffset, Reply};
use env::Instant;
use tokio::sync::oneshot;
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::host::{Host, Letter};
use super::members::Members;
use super::offsets::{Fate, Key, Offsets, metadata_of};
use super::{classic, consumer, others};
use crate::dice::Dice;
use crate::disk::{End, Faults};

/// Silence after which a member is gone, of both protocols.
pub(super) const SESSION: Duration = Duration::from_secs(2);
/// Topics and their partitions.
pub(super) const TOPICS: [(&str, u8); 2] = [("t", 4), ("u", 3)];
/// Groups by who is in them; the names lie in both partitions of `__consumer_offsets`.
pub(super) const CLASSIC: [&str; 2] = ["classic-1", "classic-2"];
pub(super) const CONSUMER: [&str; 2] = ["consumer-1", "consumer-2"];
pub(super) const SIMPLE: [&str; 2] = ["simple-1", "simple-2"];
/// Members of each group that has any.
const MEMBERS: usize = 3;
/// A broker whose disk is whole answers within this time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// When there is space again, the broker is to write within this time.
const SPACE_SEEN_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of the disk, unless it is full.
pub(super) const SPACE_BYTES: u64 = 256 << 20;

/// A mistake for the simulation to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// In the hosting of coordinators.
    Host(Planted),
    /// In the write-ahead log.
    Wal(storage::wal::Planted),
}

impl Mistake {
    /// Those that a broker alone must not make.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let wal = [storage::wal::Planted::AcknowledgedAtAppend];
        Planted::ALL.into_iter().map(Self::Host).chain(wal.into_iter().map(Self::Wal)).collect()
    }
}

/// What a run did, for whoever wants to know that it was not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Commits and deletions that were answered.
    pub answered: u64,
    /// Those whose fate nobody was told.
    pub unknown: u64,
    /// Partitions of which was read what is committed.
    pub reads: u64,
    /// Generations and epochs that members came to.
    pub epochs: u64,
    /// Partitions that members took for their own.
    pub claims: u64,
    /// Groups deleted.
    pub groups_deleted: u64,
    /// Lives of the broker.
    pub lives: u64,
    /// Lives in which the disk failed and the broker went on reading.
    pub failures: u64,
    /// Logs rewritten.
    pub rewritten: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.unknown += other.unknown;
        self.reads += other.reads;
        self.epochs += other.epochs;
        self.claims += other.claims;
        self.groups_deleted += other.groups_deleted;
        self.lives += other.lives;
        self.failures += other.failures;
        self.rewritten += other.rewritten;
    }
}

/// Runs one seed, with a mistake or without.
///
/// # Errors
/// The rule that was broken, and how.
pub fn run(seed: u64, mistake: Option<Mistake>) -> Result<Outcome, String> {
    simulate(seed, mistake, async |room| {
        room.host.start(room, Faults::default());
        let span = 4000 + room.roll(8000);
        room.be_disturbed(Duration::from_millis(span)).await;
    })
}

/// Runs a short life that ends at its operation `at`, and what comes behind it; `None` when it did not come so far.
///
/// # Errors
/// As [`run`].
pub fn run_stopping_at(seed: u64, at: u64) -> Result<Option<Outcome>, String> {
    let came_so_far = Rc::new(Cell::new(false));
    let outcome = simulate(seed, None, async |room| {
        room.host.start(room, Faults { stop_at: Some(at), ..Faults::default() });
        let end = Instant::now() + Duration::from_millis(2500);
        // Whoever watches may see it first.
        let has_ended = || room.host.disk.stopped() || !room.host.is_up() || room.host.lives.get() > 1;
        while Instant::now() < end && !has_ended() {
            env::sleep(Duration::from_millis(5)).await;
        }
        came_so_far.set(has_ended());
        if room.host.disk.stopped() && room.host.lives.get() == 1 {
            room.crash(End::PowerLoss, 50).await;
        }
        if came_so_far.get() {
            env::sleep(Duration::from_millis(1000)).await;
        }
    })?;
    Ok(came_so_far.get().then_some(outcome))
}

/// Lives as `live` says, then mends everything and reads what is there, twice.
fn simulate(
    seed: u64,
    mistake: Option<Mistake>,
    live: impl AsyncFnOnce(&Rc<Room>),
) -> Result<Outcome, String> {
    env::simulated::block_on(seed, async move {
        let room = Rc::new(Room::new(seed, mistake));
        env::spawn_local(room.clone().watch());
        room.let_clients_in();
        live(&room).await;
        room.end().await;
        let broken = room.broken.borrow().clone();
        broken.map_or_else(|| Ok(room.outcome()), Err)
    })
}

/// Every partition of which a group may commit something.
pub(super) fn keys_of(group: &str) -> impl Iterator<Item = Key> + use<> {
    let group: Arc<str> = group.into();
    let parts =
        TOPICS.into_iter().flat_map(|(topic, count)| (0..).take(count.into()).map(move |of| (topic, of)));
    parts.map(move |(topic, partition)| (group.clone(), topic.into(), partition))
}

/// Everything that a run has.
pub(super) struct Room {
    pub(super) mistake: Option<Mistake>,
    pub(super) dice: RefCell<Dice>,
    pub(super) host: Host,
    pub(super) offsets: RefCell<Offsets>,
    pub(super) members: RefCell<Members>,
    /// By id.
    pub(super) topics: RefCell<BTreeMap<Uuid, Arc<str>>>,
    pub(super) counted: Cell<Outcome>,
    broken: RefCell<Option<String>>,
    /// Nothing goes wrong any more, and clients come to an end.
    is_over: Cell<bool>,
    clients: Cell<usize>,
    restart_at: Cell<Option<Instant>>,
    /// Since when the disk has had space; `None`: it is full.
    full_until: Cell<Option<Instant>>,
    numbers: Cell<u64>,
}

impl Room {
    fn new(seed: u64, mistake: Option<Mistake>) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            mistake,
            host: Host::new(dice.roll()),
            offsets: RefCell::default(),
            members: RefCell::default(),
            topics: RefCell::default(),
            counted: Cell::default(),
            broken: RefCell::default(),
            is_over: Cell::new(false),
            clients: Cell::new(0),
            restart_at: Cell::default(),
            full_until: Cell::new(Some(Instant::now())),
            numbers: Cell::new(0),
            dice: RefCell::new(dice),
        }
    }

    /// A rule is broken; the first one counts.
    pub(super) fn fail(&self, what: String) {
        self.broken.borrow_mut().get_or_insert(what);
    }

    /// Something must hold.
    pub(super) fn check(&self, what: Result<(), String>) {
        if let Err(what) = what {
            self.fail(what);
        }
    }

    /// True when clients are to come to an end.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get() || self.broken.borrow().is_some()
    }

    pub(super) fn roll(&self, bound: u64) -> u64 {
        self.dice.borrow_mut().below(bound)
    }

    pub(super) fn chance(&self, percent: u64) -> bool {
        self.dice.borrow_mut().chance(percent)
    }

    pub(super) fn any<T: Copy>(&self, of: &[T]) -> T {
        of[self.dice.borrow_mut().index(of.len())]
    }

    /// A number that nobody else gets; they ascend.
    pub(super) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Outcome)) {
        let mut counted = self.counted.get();
        change(&mut counted);
        self.counted.set(counted);
    }

    pub(super) async fn pause(&self, ms_max: u64) {
        let micros = 1000 + self.roll(ms_max * 1000);
        env::sleep(Duration::from_micros(micros)).await;
    }

    /// Asks a group's coordinator; `None` when the broker dies before it answers.
    pub(super) async fn ask(&self, group: &str, command: Command) -> Option<Result<Reply, ErrorCode>> {
        let (tell, told) = oneshot::channel();
        let life = self.host.lives.get();
        if !self.host.post(Letter::Ask(group.into(), command, tell)) {
            // As the broker itself says it: nothing came of it.
            return Some(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        }
        let answer = told.await.ok();
        if answer.is_none() && self.host.is_up() && self.host.lives.get() == life && !self.host.is_hurt() {
            self.fail("a request is forgotten: a task of the broker has panicked".to_owned());
        }
        answer
    }

    /// Commits a number that nobody else commits; `true` when that was answered.
    pub(super) async fn commit(
        &self,
        group: &Arc<str>,
        member: (&Arc<str>, i32),
        part: (Arc<str>, i32),
    ) -> bool {
        let offset = i64::try_from(self.number()).expect("few");
        let (topic, partition) = part;
        let key: Key = (group.clone(), topic.clone(), partition);
        let new = NewOffset {
            topic,
            topic_id: Uuid::ZERO,
            partition,
            offset,
            leader_epoch: 0,
            metadata: metadata_of(offset).into(),
        };
        let command = Command::CommitOffsets(CommitOffsets {
            group: group.clone(),
            generation: member.1,
            member_id: member.0.clone(),
            instance_id: None,
            retention_ms: None,
            knows_missing_groups: true,
            offsets: vec![new],
        });
        let number = self.offsets.borrow_mut().ask(&key, Some(offset));
        let fate = match self.ask(group, command).await {
            Some(Ok(Reply::CommitOffsets(result))) if result == Ok(vec![ErrorCode::NONE]) => Fate::Done,
            Some(Ok(Reply::CommitOffsets(_))) => Fate::Refused,
            other => self.fate_of(other),
        };
        self.ended(&key, number, fate);
        fate == Fate::Done
    }

    /// What became of a write that its coordinator did not decide on, or forgot.
    pub(super) fn fate_of(&self, answer: Option<Result<Reply, ErrorCode>>) -> Fate {
        match answer {
            // Both are said before anything is decided.
            Some(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE)) => {
                Fate::Refused
            }
            Some(Err(ErrorCode::NOT_COORDINATOR)) if self.host.is_hurt() || self.is_full() => Fate::Open,
            Some(Err(ErrorCode::NOT_COORDINATOR)) | None => Fate::Unknown,
            other => {
                self.fail(format!("an answer to another question: {other:?}"));
                Fate::Unknown
            }
        }
    }

    /// It is known, or nobody will tell any more, what became of a write.
    pub(super) fn ended(&self, key: &Key, number: usize, fate: Fate) {
        self.offsets.borrow_mut().answered(key, number, fate);
        self.count(|counted| match fate {
            Fate::Done => counted.answered += 1,
            Fate::Unknown | Fate::Open => counted.unknown += 1,
            Fate::Refused => {}
        });
    }

    /// Reads all that a group has committed; false when nobody answers.
    pub(super) async fn read(&self, group: &str) -> bool {
        let asked = self.offsets.borrow_mut().moment();
        let fetch = FetchOffsets { group: group.into(), member: None, partitions: None };
        let answer = self.ask(group, Command::FetchOffsets(fetch)).await;
        let Some(Ok(Reply::FetchOffsets(fetched))) = answer else { return false };
        if fetched.error != ErrorCode::NONE {
            self.fail(format!("{group}: offsets can't be read: {:?}", fetched.error));
        }
        for key in keys_of(group) {
            self.count(|counted| counted.reads += 1);
            let found = fetched.offsets.iter().find(|of| of.topic == key.1 && of.partition == key.2);
            let holds = self.offsets.borrow_mut().read(&key, asked, found);
            self.check(holds);
        }
        true
    }

    fn let_clients_in(self: &Rc<Self>) {
        for _ in 0..MEMBERS {
            for group in CLASSIC {
                self.begin(classic::consume(self.clone(), group.into()));
            }
            for group in CONSUMER {
                self.begin(consumer::consume(self.clone(), group.into()));
            }
        }
        for group in SIMPLE {
            for _ in 0..2 {
                self.begin(others::commit(self.clone(), group.into()));
            }
        }
        self.begin(others::delete(self.clone()));
        self.begin(others::look(self.clone()));
        self.begin(others::bloat(self.clone()));
    }

    fn begin(self: &Rc<Self>, client: impl Future<Output = ()> + 'static) {
        self.clients.set(self.clients.get() + 1);
        let room = self.clone();
        let client = env::spawn_local(client);
        env::spawn_local(async move {
            if client.await.is_err() {
                room.fail("a client has panicked".to_owned());
            }
            room.clients.set(room.clients.get() - 1);
        });
    }

    /// Everything goes wrong for a while.
    async fn be_disturbed(&self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end && !self.is_over() {
            env::sleep(Duration::from_millis(100 + self.roll(2000))).await;
            if self.chance(25) {
                self.be_full().await;
                continue;
            }
            let down_ms = if self.chance(20) { 2000 + self.roll(2000) } else { 30 + self.roll(500) };
            let end = if self.chance(60) { End::PowerLoss } else { End::Kill };
            self.crash(end, down_ms).await;
        }
    }

    /// The disk is full for a while: what is decided meanwhile comes to nothing, and the broker lives on.
    async fn be_full(&self) {
        self.host.disk.set_space(self.host.disk.used() + self.roll(64 << 10));
        self.full_until.set(None);
        env::sleep(Duration::from_millis(self.roll(2000))).await;
        self.host.disk.set_space(SPACE_BYTES);
        self.full_until.set(Some(Instant::now()));
    }

    /// True while the disk is full, or a broker need not have seen yet that it is not.
    pub(super) fn is_full(&self) -> bool {
        self.full_until.get().is_none_or(|until| Instant::now() < until + SPACE_SEEN_WITHIN)
    }

    async fn crash(&self, end: End, down_ms: u64) {
        if self.host.is_up() {
            self.host.crash(end).await;
            self.offsets.borrow_mut().settle();
            self.restart_at.set(Some(Instant::now() + Duration::from_millis(down_ms)));
        }
    }

    /// Starts the broker when its time has come, and ends it when its disk has stopped, or some time after that has failed.
    async fn watch(self: Rc<Self>) {
        loop {
            env::sleep(Duration::from_millis(10)).await;
            let has_space = self.full_until.get().is_some();
            if !self.host.is_up()
                && has_space
                && self.restart_at.get().is_some_and(|due| due <= Instant::now())
            {
                self.restart_at.set(None);
                let faults = self.faults();
                self.host.start(&self, faults);
            }
            if !self.host.is_up() {
                continue;
            }
            self.host.look_at_logs();
            let refused = self.host.broker().and_then(|broker| broker.refuses_writes());
            if let Some(why) = refused.as_ref().filter(|_| !self.host.is_hurt() && !self.is_full()) {
                self.fail(format!("writes are refused, and the disk is whole: {why}"));
            }
            let is_due = refused.is_some() && self.host.is_hurt() && (self.is_over() || self.chance(2));
            if is_due {
                self.count(|counted| counted.failures += 1);
            }
            if is_due || self.host.is_over() {
                self.crash(if self.chance(60) { End::PowerLoss } else { End::Kill }, 30 + self.roll(500))
                    .await;
            }
        }
    }

    /// What happens to the disk in its next life.
    fn faults(&self) -> Faults {
        let (kind, at) = (self.roll(100), 1 + self.roll(400));
        match kind {
            _ if self.is_over() => Faults::default(),
            0..=34 => Faults { stop_at: Some(at), ..Faults::default() },
            35..=59 => Faults { fail_at: Some(at), ..Faults::default() },
            60..=69 => Faults { fail_sync: Some(1 + at / 8), ..Faults::default() },
            _ => Faults::default(),
        }
    }

    /// Nothing goes wrong any more: clients end, and what is there is read, and again after a power loss.
    async fn end(self: &Rc<Self>) {
        self.is_over.set(true);
        self.host.clear_faults();
        for end in [End::PowerLoss, End::Kill] {
            self.read_all().await;
            self.crash(end, 10).await;
        }
        self.read_all().await;
        self.host.crash(End::Kill).await;
    }

    async fn read_all(self: &Rc<Self>) {
        let until = Instant::now() + ANSWERED_WITHIN;
        let mut left: Vec<&str> = [CLASSIC, CONSUMER, SIMPLE].concat();
        while (self.clients.get() > 0 || !left.is_empty()) && self.broken.borrow().is_none() {
            env::sleep(Duration::from_millis(100)).await;
            if self.clients.get() == 0
                && let Some(group) = left.pop()
                && !self.read(group).await
            {
                left.push(group);
            }
            if Instant::now() > until {
                self.fail(format!("{} clients and {left:?} wait for an answer", self.clients.get()));
            }
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            claims: self.members.borrow().claims,
            lives: self.host.lives.get(),
            rewritten: self.host.rewritten.get(),
            ..self.counted.get()
        }
    }
}
