//! Group commit: one group of the whole node in flight, the next one forming meanwhile.
//!
//! A connection adds record batches as it reads them and goes on reading. The *hand-over* task is woken by the first
//! one and runs after every connection that had something to read in this turn of the event loop; it proposes one entry
//! per shard if no group is in flight. Otherwise the group goes on growing, and the completion of the one in flight
//! wakes the task: the disk sets the pace, and a single record waits for nothing. Only where that pays (`crate::pace`) is a
//! group held back for a moment.
//!
//! Whoever can put more into a record batch as long as it waits only *announces* it: it is asked for it when its group is handed
//! over ([`CommitListener::gather`]), so that what many ask of one coordinator of groups is one batch.
//!
//! Large batches have a lane of their own (`batch::Lane`): small ones do not queue behind them, and up to
//! [`BULK_IN_FLIGHT_MAX`] full entries of them are in flight at once, so that the disk is not idle while the next are read.
//!
//! Invariant: an entry that is not full is in flight alone in its lane; what is added to a partition is committed in the order of
//! adding.
//! Invariant: every waiter is answered exactly once, with its own outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::{CommitGroup, Entry, Full, Lane, Limits, WaitSettings};
use bytes::Bytes;
use env::{Instant, WallTime};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::PinnedBytes;
use tokio::sync::Notify;
use wire::record::{self, TimestampType};

use crate::pace::Pace;
pub use crate::pace::TopicWait;
use crate::shard::Shard;
use crate::shard::entry::{self, EntryKind, ITEM_HEADER_BYTES};
use crate::shard::outcome::{BatchOutcome, Outcome, ProposeError};
use crate::stats::CommitStats;

/// What becomes of a batch that was added.
pub type Committed = Result<BatchOutcome, ProposeError>;

/// The commit that a batch was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Of the commits of small batches the one that ended last, counted from 1; its connection's next [`NewItem::answered_in`].
    pub number: u64,
    /// The entry that held the batch, counted from 1 over all shards and lanes: one durable write for all in it.
    pub entry: u64,
    /// Records in that entry.
    pub records: u64,
    /// How long the first batch of the group waited before its commit began; large batches do not wait for company.
    pub wait: Duration,
}

/// Told of outcomes, on the I/O thread, as they come: it only notes them, and answers in a task of its own.
pub trait CommitListener<W> {
    /// `waiter`'s batch is resolved.
    fn committed(&self, waiter: W, outcome: Committed, commit: &Commit);
    /// All outcomes of an entry have been told.
    fn entry_done(&self);
    /// What was announced is to be added now, with [`Committer::add_announced`].
    fn gather(&self) {}
}

/// Bounds of a [`Committer`].
#[derive(Clone, Copy, Debug)]
pub struct CommitLimits {
    /// Bytes forming and in flight.
    pub queued_bytes_max: usize,
    /// Bytes of entries that tails may pin; at the bound nothing is added until the segment writer has caught up.
    pub pinned_bytes_max: u64,
    /// How long small batches wait for company.
    pub wait: WaitSettings,
}

/// A record batch on its way into a group.
#[derive(Clone, Copy, Debug)]
pub struct NewItem<'a> {
    /// Whose it is.
    pub partition: PartitionId,
    /// Which record, counted from 0, is the first with the batch's largest timestamp.
    pub offset_delta_of_max_timestamp: i32,
    /// One record batch of magic 2 that was checked.
    pub bytes: &'a [u8],
    /// What changes of it.
    pub rewrite: Rewrite,
    /// How long it may wait for company.
    pub wait: TopicWait,
    /// The commit that answered its connection last; 0: none has.
    pub answered_in: u64,
}

/// What of a record batch is rewritten before it is proposed; its checksum with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing, unless its header says another type or largest timestamp, in milliseconds, than its records have.
    CreateTime(i64),
    /// Its records are stamped with this time, in milliseconds: a topic of LogAppendTime.
    LogAppendTime(i64),
}

impl NewItem<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let is_stamped = matches!(self.rewrite, Rewrite::LogAppendTime(_));
        // Stamped, all records have the largest timestamp, so the first one is the first.
        let first = if is_stamped { 0 } else { self.offset_delta_of_max_timestamp };
        entry::write_item_header(out, self.partition, first, self.bytes.len());
        let at = out.len();
        out.extend_from_slice(self.bytes);
        let rewritten = match self.rewrite {
            Rewrite::CreateTime(largest) => {
                record::set_max_timestamp(&mut out[at..], TimestampType::CreateTime, largest)
            }
            Rewrite::LogAppendTime(time) => record::set_log_append_time(&mut out[at..], time),
        };
        rewritten.expect("a batch is checked before it is added");
    }
}

/// An entry closes at this many bytes; a larger batch is an entry alone.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Entries of a shard's large batches that are in flight at most; behind them the queue's bound stops reading.
pub const BULK_IN_FLIGHT_MAX: usize = 2;

/// A group that is held back for less is looked at in every turn of the event loop: timers are coarser than a commit.
const TURNS_MAX: Duration = Duration::from_micros(250);

/// Entries of a shard that are proposed and not resolved.
#[derive(Default)]
struct InFlight {
    small: Cell<usize>,
    bulk: Cell<usize>,
}

/// Entries that are to be proposed.
struct Due<W> {
    place: usize,
    lane: Lane,
    entry: Entry<W>,
    /// What the entry's batches were announced for, or its batches.
    requests: usize,
}

impl InFlight {
    fn of(&self, lane: Lane) -> &Cell<usize> {
        match lane {
            Lane::Small => &self.small,
            Lane::Bulk => &self.bulk,
        }
    }
}

/// An entry on its way: what is to be known when it is resolved.
struct Proposed {
    place: usize,
    lane: Lane,
    bytes: usize,
    requests: usize,
    records: u64,
    wait: Duration,
}

/// See the module's head. `W` is who waits for a batch's outcome.
pub struct Committer<W> {
    shards: Vec<Shard>,
    group: RefCell<CommitGroup<PartitionId, W>>,
    /// By shard.
    in_flight: Vec<InFlight>,
    /// Batches are announced that were not asked for yet.
    is_announced: Cell<bool>,
    /// By shard: by how much announced requests outnumber the batches of them that form.
    surplus: Vec<Cell<usize>>,
    /// Entries so far.
    resolved: Cell<u64>,
    stats: Cell<CommitStats>,
    pace: Pace,
    hand_over: Notify,
    limits: CommitLimits,
    pinned: Arc<PinnedBytes>,
    room: Rc<Notify>,
    listener: Rc<dyn CommitListener<W>>,
}

impl<W: 'static> Committer<W> {
    /// A committer over data shards; [`Committer::run`] has to run. `room` is notified when a [`Full`] may be over, here
    /// and by the storekeeper.
    pub(crate) fn new(
        shards: Vec<Shard>,
        limits: CommitLimits,
        pinned: Arc<PinnedBytes>,
        room: Rc<Notify>,
        listener: Rc<dyn CommitListener<W>>,
    ) -> Rc<Self> {
        let group_limits =
            Limits { entry_bytes_max: ENTRY_BYTES_MAX, queued_bytes_max: limits.queued_bytes_max };
        let group = CommitGroup::new(shards.len(), entry::header(EntryKind::Batches), group_limits);
        Rc::new(Self {
            in_flight: shards.iter().map(|_| InFlight::default()).collect(),
            is_announced: Cell::default(),
            surplus: shards.iter().map(|_| Cell::default()).collect(),
            shards,
            group: RefCell::new(group),
            resolved: Cell::default(),
            stats: Cell::default(),
            pace: Pace::new(limits.wait),
            hand_over: Notify::new(),
            limits,
            pinned,
            room,
            listener,
        })
    }

    /// Whether a request of `bytes` bytes may be added.
    ///
    /// # Errors
    /// [`Full`]: wait for [`Committer::room`] and read no more meanwhile.
    pub fn check_room(&self, bytes: usize) -> Result<(), Full> {
        let clamp = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (queued_bytes, queued_bytes_max) =
            (clamp(self.pinned.bytes()), clamp(self.limits.pinned_bytes_max));
        if queued_bytes > queued_bytes_max {
            return Err(Full { queued_bytes, queued_bytes_max });
        }
        self.group.borrow().check_room(bytes)
    }

    /// Adds a record batch that was checked, of a request that there is room for; `listener` is told what becomes of it.
    ///
    /// # Panics
    /// When the shard is not this node's.
    pub fn add(&self, shard: ShardId, batch: NewItem<'_>, waiter: W) {
        let topic = batch.partition.topic_id;
        self.push(shard, &batch, waiter, |_, lane| {
            lane == Lane::Small && self.pace.added(topic, batch.wait, batch.answered_in)
        });
    }

    /// Says that a record batch is being made for a request that there is room for, of a connection that commit `answered_in`
    /// answered last: it is part of the group that forms, and need not be added before [`CommitListener::gather`].
    pub fn announce(&self, topic: TopicId, wait: TopicWait, answered_in: u64) {
        let was_awaited = self.is_announced.replace(true) || !self.no_small_in_flight();
        if self.pace.added(topic, wait, answered_in) || !was_awaited {
            self.hand_over.notify_one();
        }
    }

    /// Adds a record batch that was announced for so many requests.
    ///
    /// # Panics
    /// When the shard is not this node's.
    pub fn add_announced(&self, shard: ShardId, batch: NewItem<'_>, requests: usize, waiter: W) {
        self.push(shard, &batch, waiter, |place, lane| {
            if lane == Lane::Small {
                self.surplus[place].set(self.surplus[place].get() + requests.saturating_sub(1));
            }
            false
        });
    }

    /// Adds a batch; `note` says whether the group need not be held back any more.
    fn push(&self, shard: ShardId, batch: &NewItem<'_>, waiter: W, note: impl FnOnce(usize, Lane) -> bool) {
        let place =
            self.shards.iter().position(|led| led.id() == shard).expect("placed on a shard of this node");
        let mut group = self.group.borrow_mut();
        // Each lane for itself: small ones that are held back are due all the time.
        let was_small_due = self.is_small_due(&group, place);
        let was_bulk_due = self.is_bulk_due(&group, place);
        let bytes = ITEM_HEADER_BYTES + batch.bytes.len();
        let lane = group.add(place, batch.partition, bytes, |out| batch.write(out), waiter);
        let is_more_due = !was_small_due && self.is_small_due(&group, place)
            || !was_bulk_due && self.is_bulk_due(&group, place);
        if note(place, lane) || is_more_due {
            self.hand_over.notify_one();
        }
    }

    /// Small entries of all shards go together, when none is in flight.
    fn is_small_due(&self, group: &CommitGroup<PartitionId, W>, place: usize) -> bool {
        (self.is_announced.get() || group.has_small(place)) && self.no_small_in_flight()
    }

    fn no_small_in_flight(&self) -> bool {
        self.in_flight.iter().all(|of_shard| of_shard.small.get() == 0)
    }

    /// A full entry when few are in flight, any one when none is.
    fn is_bulk_due(&self, group: &CommitGroup<PartitionId, W>, place: usize) -> bool {
        match self.in_flight[place].bulk.get() {
            0 => group.has_bulk(place),
            count => count < BULK_IN_FLIGHT_MAX && group.has_closed_bulk(place),
        }
    }

    /// What was proposed so far.
    #[must_use]
    pub fn stats(&self) -> CommitStats {
        let queued_bytes = self.group.borrow().queued_bytes() as u64;
        CommitStats { queued_bytes, effective_wait: self.pace.effective_wait(), ..self.stats.get() }
    }

    /// Bytes of entries that tails pin, and how many they may.
    #[must_use]
    pub fn pinned_bytes(&self) -> (u64, u64) {
        (self.pinned.bytes(), self.limits.pinned_bytes_max)
    }

    /// Resolves when there may be room again after a [`Full`].
    pub async fn room(&self) {
        self.room.notified().await;
    }

    /// True when nothing is forming or in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let is_resolved = |of_shard: &InFlight| of_shard.small.get() + of_shard.bulk.get() == 0;
        self.in_flight.iter().all(is_resolved) && !self.is_announced.get() && self.group.borrow().is_empty()
    }

    /// Hands groups over, for ever; a local task of the I/O thread that owns the shards.
    pub(crate) async fn run(self: Rc<Self>) {
        let mut held_until = None;
        loop {
            tokio::select! {
                () = self.hand_over.notified() => {}
                () = env::clock::sleep_until_some(held_until) => {}
            }
            // One turn more: the sockets are asked once again, and whoever has sent by now is of this group.
            env::yield_now().await;
            self.pace.answered();
            held_until = self.propose_all_due().await;
        }
    }

    /// Proposes until nothing is due; gives the time at which more is, if that is known.
    async fn propose_all_due(self: &Rc<Self>) -> Option<Instant> {
        loop {
            let hold = if self.no_small_in_flight() { self.pace.hold() } else { None };
            if self.propose_due(hold.is_some()).await {
                continue;
            }
            let hold = hold?;
            if hold.left > TURNS_MAX {
                return Some(hold.until);
            }
            env::yield_now().await;
        }
    }

    /// Proposes what is due, of small entries only those that bulk waits for when they are held back; false when nothing was.
    async fn propose_due(self: &Rc<Self>, are_small_held: bool) -> bool {
        let time = WallTime::now();
        let are_small_due = !are_small_held && self.no_small_in_flight();
        if are_small_due && self.is_announced.get() {
            self.listener.gather();
            // Not before: what is added meanwhile wakes nobody.
            self.is_announced.set(false);
        }
        let (due, small_wait) = self.take_due(are_small_due);
        let proposed_any = !due.is_empty();
        let (mut batches, mut records) = (0, 0);
        for Due { place, lane, mut entry, requests } in due {
            entry::stamp(&mut entry.bytes, time.0);
            let (waiters, committer) = (entry.waiters, self.clone());
            let wait = if lane == Lane::Small { small_wait } else { Duration::ZERO };
            let entry = Bytes::from(entry.bytes);
            let (bytes, in_entry) = (entry.len(), entry::record_count(&entry));
            let proposed = Proposed { place, lane, bytes, requests, records: in_entry, wait };
            batches += waiters.len() as u64;
            records += in_entry;
            let then = move |result| committer.resolve(&proposed, waiters, result);
            self.shards[place].propose(entry, then).await;
        }
        if proposed_any {
            let mut stats = self.stats.get();
            stats.proposed(batches, records);
            self.stats.set(stats);
        }
        proposed_any
    }

    /// The entries that are due, and how long the first small batch among them waited.
    fn take_due(&self, are_small_due: bool) -> (Vec<Due<W>>, Duration) {
        let mut group = self.group.borrow_mut();
        let mut due = Vec::with_capacity(self.shards.len());
        for (place, in_flight) in self.in_flight.iter().enumerate() {
            let is_bulk_due = self.is_bulk_due(&group, place);
            let mut take = |lane: Lane, entry: Option<Entry<W>>| {
                let Some(entry) = entry else { return false };
                let in_flight = in_flight.of(lane);
                in_flight.set(in_flight.get() + 1);
                let surplus = if lane == Lane::Small { self.surplus[place].take() } else { 0 };
                let requests = entry.waiters.len() + surplus;
                due.push(Due { place, lane, entry, requests });
                true
            };
            if are_small_due {
                take(Lane::Small, group.take_small(place));
            }
            if is_bulk_due {
                // What is small goes first, so that bulk does not overtake a batch of its own partition.
                while take(Lane::Small, group.take_small(place)) {}
                take(Lane::Bulk, group.take_bulk(place));
            }
        }
        let small = due.iter().filter(|due| due.lane == Lane::Small).map(|due| due.requests).sum();
        let is_any_left =
            self.is_announced.get() || (0..self.shards.len()).any(|place| group.has_small(place));
        // What was announced and never came, or came as bulk, is not waited for.
        let wait = match (small, is_any_left) {
            (0, false) => {
                self.pace.none_waits();
                Duration::ZERO
            }
            (0, true) => Duration::ZERO,
            (_, false) => self.pace.began(usize::MAX),
            (_, true) => self.pace.began(small),
        };
        (due, wait)
    }

    fn resolve(&self, proposed: &Proposed, waiters: Vec<W>, result: Result<Outcome, ProposeError>) {
        let Proposed { place, lane, bytes, requests, records, wait } = *proposed;
        if lane == Lane::Small {
            self.pace.ended(requests);
        }
        self.resolved.set(self.resolved.get() + 1);
        let commit = &Commit { number: self.pace.commit(), entry: self.resolved.get(), records, wait };
        match result {
            Ok(Outcome::Batches(outcomes)) => {
                assert_eq!(outcomes.len(), waiters.len(), "one outcome per batch of an entry");
                for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                    self.listener.committed(waiter, Ok(outcome), commit);
                }
            }
            Ok(other) => unreachable!("an entry of batches came back as {other:?}"),
            Err(error) => {
                let tell = |waiter| self.listener.committed(waiter, Err(error.clone()), commit);
                waiters.into_iter().for_each(tell);
            }
        }
        self.listener.entry_done();
        self.group.borrow_mut().settle(bytes);
        self.room.notify_waiters();
        let in_flight = self.in_flight[place].of(lane);
        in_flight.set(in_flight.get() - 1);
        let group = self.group.borrow();
        let is_any_due = (0..self.shards.len())
            .any(|place| self.is_small_due(&group, place) || self.is_bulk_due(&group, place));
        if is_any_due || self.pace.is_answering() {
            self.hand_over.notify_one();
        }
    }
}
