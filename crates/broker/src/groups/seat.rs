//! One coordinator with its partition: what it writes, and who waits for what.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::commit::{NewItem, Rewrite, TopicWait};
use cluster::partitions::Partition;
use coordinator::group::command::{Command, Reply, Ticket};
use coordinator::group::{
    BATCH_BYTES_MAX, GroupCounts, GroupSettings, GroupSummary, Groups, Now, Output, Rewritten,
};
use coordinator::record::Record;
use env::Instant;
use storage::id::PartitionId;
use tokio::sync::{Notify, oneshot};
use wire::error::ErrorCode;

use super::forming::FORMING_BYTES_MAX;
use super::image::GroupsImage;
use super::load;
use super::planted::{Plan, planted};
use super::room_for_writes;
use super::serving::{Answer, Serving, Tell};
use crate::pump::Waiter;
use crate::server::Broker;

/// A step that takes more is cut in pieces, where it may be.
const PIECE_BYTES_MAX: usize = 128 << 10;

/// What comes of asking.
pub(super) enum Asked {
    Answered(Reply),
    /// It comes with a commit, or with somebody else's request.
    Waits(oneshot::Receiver<Answer>),
}

/// Steps whose records are on their way as one record batch; the pump says what became of it.
pub(crate) struct Written {
    seat: Rc<Seat>,
    batch: u64,
}

/// See the module's head.
pub(crate) struct Seat {
    partition: Rc<Partition>,
    settings: Arc<GroupSettings>,
    plan: Plan,
    serving: RefCell<Option<Serving>>,
    /// Record batches that were written and whose end is not known.
    in_flight: Cell<usize>,
    /// A batch was not committed, all of them have ended, or the seat is given up.
    changed: Notify,
    is_left: Cell<bool>,
    /// The last attempt to read the partition failed.
    is_unreadable: Cell<bool>,
}

impl Seat {
    pub(super) fn new(partition: Rc<Partition>, settings: Arc<GroupSettings>, plan: Plan) -> Rc<Self> {
        Rc::new(Self {
            partition,
            settings,
            plan,
            serving: RefCell::default(),
            in_flight: Cell::default(),
            changed: Notify::new(),
            is_left: Cell::default(),
            is_unreadable: Cell::default(),
        })
    }

    /// Loads what the partition has, serves until a batch is not committed, and begins anew; a local task.
    pub(super) async fn serve(self: Rc<Self>, broker: Rc<Broker>) {
        let mut retry_after = load::RETRY_AFTER;
        while !self.is_left.get() {
            // What is still in flight may yet be committed: the log has it, or has it not, only when that is known.
            while self.in_flight.get() > 0 && !self.is_left.get() {
                self.changed.notified().await;
            }
            let loaded = load::load(&self.partition.reader, &self.settings, self.plan).await;
            let began = Instant::now();
            match loaded {
                Ok(groups) => {
                    self.is_unreadable.set(false);
                    retry_after = load::RETRY_AFTER;
                    self.begin(&broker, groups);
                    self.forget_gone(&broker).await;
                }
                Err(error) => {
                    self.is_unreadable.set(true);
                    let partition = self.partition.reader.partition().partition;
                    tracing::error!(partition, %error, ?retry_after, "groups could not be read; trying again");
                    env::sleep(retry_after).await;
                    retry_after = (2 * retry_after).min(load::RETRY_AFTER_MAX);
                    continue;
                }
            }
            while self.is_serving() {
                self.changed.notified().await;
            }
            // What ended it at once may do so again, and beginning reads the whole partition.
            if Instant::now().since(began) < load::RETRY_AFTER {
                env::sleep(load::RETRY_AFTER).await;
            }
        }
    }

    fn begin(self: &Rc<Self>, broker: &Rc<Broker>, groups: Groups) {
        if self.is_left.get() {
            return;
        }
        self.serving.replace(Some(Serving::new(groups)));
        let now = broker.groups.now();
        let image = GroupsImage(broker);
        self.step(broker, 0, |serving, out| serving.groups.begin(image.at(now), out));
        broker.groups.due_at(self.next_deadline());
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.borrow().is_some()
    }

    /// Whether its partition could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable.get()
    }

    /// What whoever asks hears while it does not serve: what Kafka's coordinator says that reads, or that has failed to.
    fn refusal(&self) -> ErrorCode {
        if self.is_unreadable() {
            ErrorCode::NOT_COORDINATOR
        } else {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        }
    }

    /// Nobody is answered by it any more.
    pub(super) fn leave(&self) {
        self.is_left.set(true);
        self.give_up();
    }

    pub(super) fn counts(&self) -> GroupCounts {
        self.with(|serving| serving.groups.counts()).unwrap_or_default()
    }

    /// Adds what is seen of its groups from outside, up to `groups_max` groups and `offsets_max` offsets in all.
    pub(super) fn summarize(&self, into: &mut Vec<GroupSummary>, groups_max: usize, offsets_max: usize) {
        let groups_left = groups_max.saturating_sub(into.len());
        let offsets_left = offsets_max - into.iter().map(|group| group.offsets.len()).sum::<usize>();
        self.with(|serving| into.extend(serving.groups.summaries(offsets_left).take(groups_left)));
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.with(|serving| serving.groups.next_deadline()).flatten()
    }

    fn with<T>(&self, look: impl FnOnce(&mut Serving) -> T) -> Option<T> {
        self.serving.borrow_mut().as_mut().map(look)
    }

    /// Has the coordinator decide, and tells what comes of it now or later, a refusal while it does not serve. The caller has
    /// asked for room.
    pub(super) fn decide(
        self: &Rc<Self>,
        broker: &Rc<Broker>,
        now: Now,
        command: Command,
        answered_in: u64,
        tell: Tell,
    ) {
        if !self.is_serving() {
            return tell(Answer { reply: Err(self.refusal()), commit: None });
        }
        let image = GroupsImage(broker);
        self.step(broker, answered_in, |serving, out| {
            let ticket = serving.wait(tell);
            serving.groups.decide(image.at(now), ticket, command, out);
        });
    }

    /// Has the coordinator decide; the caller has asked for room.
    ///
    /// # Errors
    /// Of the coordinator as a whole.
    pub(super) fn ask(
        self: &Rc<Self>,
        broker: &Rc<Broker>,
        now: Now,
        command: Command,
        answered_in: u64,
    ) -> Result<Asked, ErrorCode> {
        let (sender, mut told) = oneshot::channel();
        // Whoever asked may be gone.
        let tell = Box::new(move |answer| drop(sender.send(answer)));
        self.decide(broker, now, command, answered_in, tell);
        Ok(match told.try_recv() {
            Ok(Answer { reply: Ok(reply), .. }) => Asked::Answered(reply),
            Ok(Answer { reply: Err(error), .. }) => return Err(error),
            Err(_) => Asked::Waits(told),
        })
    }

    /// Does what is due; the caller has asked for room.
    pub(super) fn expire(self: &Rc<Self>, broker: &Rc<Broker>, now: Now) {
        let image = GroupsImage(broker);
        self.step(broker, 0, |serving, out| serving.groups.expire(image.at(now), out));
    }

    /// Forgets expired offsets of some groups behind `after`; gives the group to go on behind.
    pub(super) fn expire_offsets(
        self: &Rc<Self>,
        broker: &Rc<Broker>,
        now: Now,
        after: Option<&Arc<str>>,
    ) -> Option<Arc<str>> {
        let mut last = None;
        self.step(broker, 0, |serving, out| last = serving.groups.expire_offsets(now, after, out));
        last
    }

    /// Forgets what was committed of topics that are deleted. Their deletion has it forgotten, too, but not while nothing is
    /// written.
    pub(super) async fn forget_gone(self: &Rc<Self>, broker: &Rc<Broker>) {
        let is_gone = |topic: &str| broker.topic(topic).is_none();
        let gone = self.with(|serving| serving.groups.topics_with_offsets(is_gone)).unwrap_or_default();
        for topic in gone {
            if !self.forget_topic(broker, &topic).await {
                return;
            }
        }
    }

    /// Forgets what was committed of a topic that is gone; false when nothing is written at present. What is committed of another
    /// one of its name, made while this waits, stays.
    pub(super) async fn forget_topic(self: &Rc<Self>, broker: &Rc<Broker>, topic: &str) -> bool {
        let mut is_done = false;
        while !is_done && self.is_serving() {
            if room_for_writes(broker).await.is_err() {
                return false;
            }
            if broker.topic(topic).is_some() {
                return true;
            }
            self.step(broker, 0, |serving, out| is_done = serving.groups.forget_topic(topic, out));
        }
        true
    }

    /// Records in the log, and how many would do.
    pub(super) fn records(&self) -> (u64, u64) {
        let offsets = self.partition.reader.offsets();
        let in_log = u64::try_from(offsets.high_watermark - offsets.log_start).unwrap_or(0);
        (in_log, self.with(|serving| serving.groups.live_records() as u64).unwrap_or(in_log))
    }

    /// Its partition, and the offset that the next record gets at the earliest.
    pub(super) fn end(&self) -> (PartitionId, i64) {
        (self.partition.reader.partition(), self.partition.reader.offsets().high_watermark)
    }

    /// Writes the next piece of all that is remembered; gives how far it came, if there is more.
    pub(super) fn rewrite(
        self: &Rc<Self>,
        broker: &Rc<Broker>,
        after: Option<&Rewritten>,
    ) -> Option<Rewritten> {
        let (mut rest, bytes_max) = (None, broker.groups.rewriting.piece_bytes);
        self.step(broker, 0, |serving, out| rest = serving.groups.rewrite(after, bytes_max, out));
        rest
    }

    /// Resolves when all that was written so far is committed; false when it was not.
    pub(super) async fn all_committed(&self) -> bool {
        let (tell, told) = oneshot::channel();
        self.with(|serving| serving.wait_for_all(tell));
        told.await.is_ok()
    }

    /// Lets the coordinator take a step, keeps what is to be written of it and parks what it replies.
    fn step(
        self: &Rc<Self>,
        broker: &Rc<Broker>,
        answered_in: u64,
        take: impl FnOnce(&mut Serving, &mut Output),
    ) {
        let mut out = Output::default();
        if self.with(|serving| take(serving, &mut out)).is_none() {
            return;
        }
        broker.groups.count(&out);
        let is_large = out.records.iter().map(Record::bytes).sum::<usize>() > FORMING_BYTES_MAX;
        if let Err(bytes) = self.keep(broker, &out, is_large) {
            // What was decided can't be written down: nobody may hear of it, and it may not be gone on from.
            let partition = self.partition.reader.partition().partition;
            tracing::warn!(partition, bytes, bytes_max = BATCH_BYTES_MAX, "a step of a group is too large");
            return self.refuse(ErrorCode::UNKNOWN_SERVER_ERROR, out.replies);
        }
        let writes = !out.records.is_empty();
        let ready = match writes {
            _ if planted!(self.plan, AnsweredUnwritten) => Some(out.replies),
            false if planted!(self.plan, ReadsOvertake) => Some(out.replies),
            _ => self.with(|serving| serving.park(out.replies)),
        };
        if is_large {
            self.hand_over_as(broker, answered_in);
        } else if writes {
            self.announce(broker, answered_in);
        }
        self.release(ready.unwrap_or_default(), None);
    }

    /// Adds a step's records to the batch that forms, or, if it is large, to batches of their own, of which the last is still to be
    /// handed over; the size of what is too much.
    fn keep(self: &Rc<Self>, broker: &Broker, out: &Output, is_large: bool) -> Result<(), usize> {
        let keep = |records: &[Record]| {
            let wall_ms = || broker.groups.now().wall_ms;
            self.with(|serving| serving.keep(records, wall_ms, self.plan)).unwrap_or(Ok(()))
        };
        if !is_large {
            return if out.records.is_empty() { Ok(()) } else { keep(&out.records) };
        }
        out.pieces(PIECE_BYTES_MAX).into_iter().try_for_each(|piece| {
            self.hand_over(broker);
            keep(piece)
        })
    }

    /// A step added to the batch that forms: it is written with its group, or at once when it has become large.
    fn announce(self: &Rc<Self>, broker: &Rc<Broker>, answered_in: u64) {
        let Some((requests, bytes)) = self.with(Serving::announced).flatten() else {
            return;
        };
        if requests == 1 {
            broker.pump.announced(broker, self.clone());
        }
        let topic = self.partition.reader.partition().topic_id;
        broker.committer().announce(topic, TopicWait::default(), answered_in);
        if bytes > FORMING_BYTES_MAX {
            self.hand_over(broker);
        }
    }

    /// Writes what has formed.
    pub(crate) fn hand_over(self: &Rc<Self>, broker: &Broker) {
        self.hand_over_as(broker, 0);
    }

    /// Likewise; if it was not announced it is of a connection that commit `answered_in` answered last.
    fn hand_over_as(self: &Rc<Self>, broker: &Broker, answered_in: u64) {
        let Some((batch, forming)) = self.with(Serving::take_forming).flatten() else { return };
        self.in_flight.set(self.in_flight.get() + 1);
        let (wall_ms, requests, bytes) = forming.finish();
        let item = NewItem {
            partition: self.partition.reader.partition(),
            offset_delta_of_max_timestamp: 0,
            bytes: &bytes,
            rewrite: Rewrite::CreateTime(wall_ms),
            wait: TopicWait::default(),
            answered_in,
        };
        let (shard, waiter) =
            (self.partition.reader.shard(), Waiter::Coordinator(Written { seat: self.clone(), batch }));
        if requests > 0 {
            broker.committer().add_announced(shard, item, requests, waiter);
        } else {
            broker.committer().add(shard, item, waiter);
        }
    }

    fn release(&self, replies: Vec<(Ticket, Reply)>, commit: Option<u64>) {
        for (ticket, reply) in replies {
            if let Some(tell) = self.with(|serving| serving.take(ticket)).flatten() {
                tell(Answer { reply: Ok(reply), commit });
            }
        }
    }

    /// Tells whoever was to hear of a step that can't be written, and begins anew.
    fn refuse(&self, error: ErrorCode, replies: Vec<(Ticket, Reply)>) {
        for (ticket, _) in replies {
            if let Some(tell) = self.with(|serving| serving.take(ticket)).flatten() {
                tell(Answer { reply: Err(error), commit: None });
            }
        }
        self.give_up();
    }

    /// Throws the coordinator away; whoever waits looks for it again.
    fn give_up(&self) {
        if let Some(serving) = self.serving.take() {
            for tell in serving.into_waiting() {
                tell(Answer { reply: Err(ErrorCode::NOT_COORDINATOR), commit: None });
            }
        }
        self.changed.notify_one();
    }
}

impl Written {
    /// The batch is committed, in commit number `commit`, or it is not.
    pub(crate) fn ended(self, is_committed: bool, commit: u64) {
        let Self { seat, batch } = self;
        seat.in_flight.set(seat.in_flight.get() - 1);
        if is_committed {
            let ready = seat.with(|serving| serving.committed(batch)).unwrap_or_default();
            seat.release(ready, Some(commit));
        } else if planted!(seat.plan, KeptAfterFailure) {
            seat.with(|serving| serving.committed(batch));
        } else {
            seat.give_up();
        }
        if seat.in_flight.get() == 0 && !seat.is_serving() {
            seat.changed.notify_one();
        }
    }
}
