//! Group commit: one group of the whole node in flight, the next one forming meanwhile.
//!
//! A connection adds record batches as it reads them and goes on reading. The *hand-over* task is woken by the first
//! one and runs after every connection that had something to read in this turn of the event loop; it proposes one entry
//! per shard if no group is in flight. Otherwise the group goes on growing, and the completion of the one in flight
//! wakes the task. No timer: the disk sets the pace, and a single record waits for nothing.
//!
//! An entry that is full grows no more by waiting: up to [`ENTRIES_IN_FLIGHT_MAX`] of a shard are in flight at once, so that
//! large batches keep the disk busy while the next ones are read.
//!
//! Invariant: an entry that is not full is in flight alone; what is added to a partition is committed in the order of adding.
//! Invariant: every waiter is answered exactly once, with its own outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use batch::{CommitGroup, Full, Limits};
use env::WallTime;
use storage::id::{PartitionId, ShardId};
use storage::partition_log::PinnedBytes;
use tokio::sync::Notify;
use wire::record::{self, TimestampType};

use crate::shard::Shard;
use crate::shard::entry::{self, EntryKind, ITEM_HEADER_BYTES};
use crate::shard::outcome::{BatchOutcome, Outcome, ProposeError};

/// What becomes of a batch that was added.
pub type Committed = Result<BatchOutcome, ProposeError>;

/// Told of outcomes, on the I/O thread, as they come: it only notes them, and answers in a task of its own.
pub trait CommitListener<W> {
    /// `waiter`'s batch is resolved.
    fn committed(&self, waiter: W, outcome: Committed);
    /// All outcomes of an entry have been told.
    fn entry_done(&self);
}

/// Bounds of a [`Committer`].
#[derive(Clone, Copy, Debug)]
pub struct CommitLimits {
    /// Bytes forming and in flight.
    pub queued_bytes_max: usize,
    /// Bytes of entries that tails may pin; at the bound nothing is added until the segment writer has caught up.
    pub pinned_bytes_max: u64,
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

/// Full entries of a shard that are in flight at most; behind them the queue's bound stops reading.
pub const ENTRIES_IN_FLIGHT_MAX: usize = 4;

/// See the module's head. `W` is who waits for a batch's outcome.
pub struct Committer<W> {
    shards: Vec<Shard>,
    group: RefCell<CommitGroup<W>>,
    /// Entries of each shard that are proposed and not resolved.
    in_flight: Vec<Cell<usize>>,
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
            in_flight: vec![Cell::new(0); shards.len()],
            shards,
            group: RefCell::new(group),
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
        let place =
            self.shards.iter().position(|led| led.id() == shard).expect("placed on a shard of this node");
        let mut group = self.group.borrow_mut();
        let was_due = self.is_due(&group, place);
        group.add(place, ITEM_HEADER_BYTES + batch.bytes.len(), |out| batch.write(out), waiter);
        if !was_due && self.is_due(&group, place) {
            self.hand_over.notify_one();
        }
    }

    /// Whether the oldest entry of a shard may be proposed: a full one behind others, any one when none is in flight on the
    /// node.
    fn is_due(&self, group: &CommitGroup<W>, place: usize) -> bool {
        (self.nothing_in_flight() && !group.is_empty())
            || (group.has_closed(place) && self.in_flight[place].get() < ENTRIES_IN_FLIGHT_MAX)
    }

    fn nothing_in_flight(&self) -> bool {
        self.in_flight.iter().all(|count| count.get() == 0)
    }

    /// Resolves when there may be room again after a [`Full`].
    pub async fn room(&self) {
        self.room.notified().await;
    }

    /// True when nothing is forming or in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.nothing_in_flight() && self.group.borrow().is_empty()
    }

    /// Hands groups over, for ever; a local task of the I/O thread that owns the shards.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            self.hand_over.notified().await;
            // One turn more: the sockets are asked once again, and whoever has sent by now is of this group.
            env::yield_now().await;
            while self.propose_due().await {}
        }
    }

    /// Proposes what is due; false when nothing was.
    async fn propose_due(self: &Rc<Self>) -> bool {
        let time = WallTime::now();
        let is_group = self.nothing_in_flight();
        let mut entries = Vec::with_capacity(self.shards.len());
        for (place, in_flight) in self.in_flight.iter().enumerate() {
            let mut group = self.group.borrow_mut();
            while in_flight.get() < ENTRIES_IN_FLIGHT_MAX
                && let Some(entry) = group.take_closed(place)
            {
                in_flight.set(in_flight.get() + 1);
                entries.push((place, entry));
            }
            if is_group
                && in_flight.get() == 0
                && let Some(entry) = group.take(place)
            {
                in_flight.set(1);
                entries.push((place, entry));
            }
        }
        let proposed_any = !entries.is_empty();
        for (place, mut entry) in entries {
            entry::stamp(&mut entry.bytes, time.0);
            let (bytes, waiters, committer) = (entry.bytes.len(), entry.waiters, self.clone());
            let then = move |result| committer.resolve(place, bytes, waiters, result);
            self.shards[place].propose(entry.bytes.into(), then).await;
        }
        proposed_any
    }

    fn resolve(
        &self,
        place: usize,
        entry_bytes: usize,
        waiters: Vec<W>,
        result: Result<Outcome, ProposeError>,
    ) {
        match result {
            Ok(Outcome::Batches(outcomes)) => {
                assert_eq!(outcomes.len(), waiters.len(), "one outcome per batch of an entry");
                for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                    self.listener.committed(waiter, Ok(outcome));
                }
            }
            Ok(other) => unreachable!("an entry of batches came back as {other:?}"),
            Err(error) => {
                waiters.into_iter().for_each(|waiter| self.listener.committed(waiter, Err(error.clone())));
            }
        }
        self.listener.entry_done();
        self.group.borrow_mut().settle(entry_bytes);
        self.room.notify_waiters();
        self.in_flight[place].set(self.in_flight[place].get() - 1);
        if self.is_due(&self.group.borrow(), place) {
            self.hand_over.notify_one();
        }
    }
}
