//! Where the coordinators of groups live: one for each partition of `__consumer_offsets`, on the I/O thread.
//!
//! `coordinator` decides; here its records become record batches of the partition and go the way of every other batch, its
//! replies wait until they are committed, and time passes. What a commit refuses is forgotten with everything that was
//! decided on it: the coordinator is thrown away and what the log has is replayed (docs/adr/0015-groups.md).

mod forming;
mod image;
mod load;
pub(crate) mod planted;
mod seat;
mod serving;
mod upkeep;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::node::{CreateTopicError, NewTopic};
use coordinator::group::command::{Command, CommitOffsets, Reply};
use coordinator::group::{
    BATCH_BYTES_MAX, GroupCounts, GroupSettings, GroupSummary, Now, Output, partition_of,
};
use env::{Instant, WallTime};
use storage::id::TopicId;
use tokio::sync::Notify;
use wire::error::ErrorCode;

use self::planted::Plan;
use self::seat::Asked;
use self::serving::Answer;
use crate::connection::Connection;
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

pub(crate) use image::GroupsImage;
pub(crate) use seat::{Seat, Written};
#[cfg_attr(not(feature = "simulated"), expect(unreachable_pub, reason = "of simulations only"))]
pub use upkeep::Rewriting;
pub(crate) use upkeep::{start, topic_deleted};

/// Kafka's name of the topic.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What an operator sets of groups and of the topic that they are in.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// Bounds of groups.
    pub groups: GroupSettings,
    /// Partitions of `__consumer_offsets`, when it is created (`offsets.topic.num.partitions`).
    pub partitions: u32,
    /// Bytes of its segments (`offsets.topic.segment.bytes`).
    pub segment_bytes: u32,
    /// Time between two looks for offsets that have expired (`offsets.retention.check.interval.ms`).
    pub expiry_period: Duration,
}

/// What groups have done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupWork {
    /// Offsets committed.
    pub commits: u64,
    /// Committed offsets that expired.
    pub expired: u64,
    /// Generations assigned.
    pub rebalances: u64,
}

/// All coordinators of this node.
pub(crate) struct GroupHost {
    settings: Arc<GroupSettings>,
    rewriting: Rewriting,
    plan: Plan,
    origin: Instant,
    topic: Cell<Option<TopicId>>,
    counted: Cell<GroupWork>,
    /// By partition; none before the topic is there.
    seats: RefCell<Vec<Rc<Seat>>>,
    /// Somebody is due before whoever keeps the time looks again.
    sooner: Notify,
    looks_at: Cell<Option<Duration>>,
}

impl GroupHost {
    pub(crate) fn new(settings: GroupSettings, rewriting: Rewriting, plan: Plan) -> Self {
        Self {
            settings: Arc::new(settings),
            rewriting,
            plan,
            origin: Instant::now(),
            topic: Cell::default(),
            counted: Cell::default(),
            seats: RefCell::default(),
            sooner: Notify::new(),
            looks_at: Cell::default(),
        }
    }

    pub(crate) fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    fn now(&self) -> Now {
        Now { monotonic: Instant::now().since(self.origin), wall_ms: WallTime::now().0 }
    }

    /// Asks a group's coordinator.
    ///
    /// # Errors
    /// Kafka's code for a coordinator that does not answer: the client looks for it again, or asks again.
    pub(crate) async fn ask(
        &self,
        broker: &Rc<Broker>,
        caller: &Caller<'_>,
        group: &str,
        command: Command,
    ) -> Result<Reply, ErrorCode> {
        self.ask_after(broker, &caller.connection.answered_in, group, command).await
    }

    /// Likewise, for whoever was answered last in commit `answered_in`, and is now.
    pub(crate) async fn ask_after(
        &self,
        broker: &Rc<Broker>,
        answered_in: &Cell<u64>,
        group: &str,
        command: Command,
    ) -> Result<Reply, ErrorCode> {
        let seat = self.seat_of(broker, group).ok_or(ErrorCode::NOT_COORDINATOR)?;
        if may_write(&command) {
            room_for_writes(broker).await.map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        }
        let asked = seat.ask(broker, self.now(), command, answered_in.get())?;
        self.due_at(seat.next_deadline());
        match asked {
            Asked::Answered(reply) => Ok(reply),
            Asked::Waits(told) => {
                let answer = told.await.map_err(|_| ErrorCode::NOT_COORDINATOR)?;
                if let Some(commit) = answer.commit {
                    answered_in.set(commit);
                }
                answer.reply
            }
        }
    }

    /// Has a group's coordinator commit offsets, and tells what became of each, or of all. The caller has asked for room.
    pub(crate) fn commit(
        &self,
        broker: &Rc<Broker>,
        connection: &Rc<Connection>,
        commit: CommitOffsets,
        tell: impl FnOnce(Result<Vec<ErrorCode>, ErrorCode>) + 'static,
    ) {
        let Some(seat) = self.seat_of(broker, &commit.group) else {
            return tell(Err(ErrorCode::NOT_COORDINATOR));
        };
        if broker.node().refuses_writes().is_some() {
            return tell(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        }
        let answered_in = connection.answered_in.get();
        let connection = connection.clone();
        let tell = move |answer: Answer| {
            if let Some(commit) = answer.commit {
                connection.answered_in.set(commit);
            }
            tell(match answer.reply {
                Ok(Reply::CommitOffsets(result)) => result,
                Ok(other) => unreachable!("committing came to {other:?}"),
                Err(error) => Err(error),
            });
        };
        seat.decide(broker, self.now(), Command::CommitOffsets(commit), answered_in, Box::new(tell));
        self.due_at(seat.next_deadline());
    }

    /// Asks every coordinator the same, but those that can't read their partition.
    ///
    /// # Errors
    /// One reads its partition, or has to do so again.
    pub(crate) async fn ask_all(
        &self,
        broker: &Rc<Broker>,
        command: &Command,
    ) -> Result<Vec<Reply>, ErrorCode> {
        let mut replies = Vec::new();
        for seat in self.seats(broker).iter().filter(|seat| !seat.is_unreadable()) {
            match seat.ask(broker, self.now(), command.clone(), 0)? {
                Asked::Answered(reply) => replies.push(reply),
                Asked::Waits(told) => {
                    replies.push(told.await.map_err(|_| ErrorCode::NOT_COORDINATOR)?.reply?);
                }
            }
        }
        Ok(replies)
    }

    /// Whether every coordinator answers that can; also when there is none because there was no group yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.seats.borrow().iter().all(|seat| seat.is_serving() || seat.is_unreadable())
    }

    /// How many coordinators can't read their partition.
    pub(crate) fn unreadable(&self) -> usize {
        self.seats.borrow().iter().filter(|seat| seat.is_unreadable()).count()
    }

    /// What groups have done so far.
    pub(crate) fn work(&self) -> GroupWork {
        self.counted.get()
    }

    fn count(&self, out: &Output) {
        let mut counted = self.counted.get();
        counted.commits += out.committed;
        counted.expired += out.expired;
        counted.rebalances += out.rebalanced;
        self.counted.set(counted);
    }

    /// Numbers of all groups.
    pub(crate) fn counts(&self) -> GroupCounts {
        let mut counts = GroupCounts::default();
        for seat in self.seats.borrow().iter() {
            let of_seat = seat.counts();
            counts.members += of_seat.members;
            counts.offsets += of_seat.offsets;
            for (sum, count) in counts.by_state.iter_mut().zip(of_seat.by_state) {
                *sum += count;
            }
        }
        counts
    }

    /// Some groups, as they are seen from outside, with some of their offsets.
    pub(crate) fn summaries(&self, groups_max: usize, offsets_max: usize) -> Vec<GroupSummary> {
        let mut summaries = Vec::new();
        for seat in self.seats.borrow().iter() {
            seat.summarize(&mut summaries, groups_max, offsets_max);
        }
        summaries
    }

    /// Makes sure that there is a topic for groups, and coordinators.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn found(&self, broker: &Rc<Broker>) -> Result<(), ErrorCode> {
        if broker.topic(OFFSETS_TOPIC).is_none() {
            let options = &broker.options.groups;
            let configs = BTreeMap::from([
                ("cleanup.policy".to_owned(), "compact".to_owned()),
                ("compression.type".to_owned(), "producer".to_owned()),
                ("segment.bytes".to_owned(), options.segment_bytes.to_string()),
            ]);
            let new = NewTopic { name: OFFSETS_TOPIC.to_owned(), partitions: options.partitions, configs };
            match broker.node().create_topic(new).await {
                Ok(_) | Err(CreateTopicError::Exists(_)) => {}
                Err(error) => return Err(error_map::create_topic(&error)),
            }
        }
        self.seats(broker);
        Ok(())
    }

    fn seat_of(&self, broker: &Rc<Broker>, group: &str) -> Option<Rc<Seat>> {
        self.refresh(broker);
        let seats = self.seats.borrow();
        let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        seats.get(usize::try_from(partition_of(group, count)).ok()?).cloned()
    }

    fn seats(&self, broker: &Rc<Broker>) -> Vec<Rc<Seat>> {
        self.refresh(broker);
        self.seats.borrow().clone()
    }

    /// Another topic has other coordinators. A partition that is just being created has none until it is there.
    fn refresh(&self, broker: &Rc<Broker>) {
        let topic = broker.topic(OFFSETS_TOPIC);
        let id = topic.as_ref().map(|topic| topic.topic.id);
        let count = topic.as_ref().map_or(0, |topic| topic.topic.shards.len());
        if id == self.topic.get() && count == self.seats.borrow().len() {
            return;
        }
        let mut found = Vec::with_capacity(count);
        for number in (0..).take(count) {
            let partition =
                topic.as_ref().and_then(|topic| topic.partition(number, broker.node().partitions()));
            found.extend(partition);
        }
        if found.len() < count {
            return;
        }
        for seat in self.seats.take() {
            seat.leave();
        }
        self.topic.set(id);
        let seats: Vec<Rc<Seat>> = found
            .into_iter()
            .map(|partition| Seat::new(partition, self.settings.clone(), self.plan))
            .collect();
        for seat in &seats {
            env::spawn_local(seat.clone().serve(broker.clone()));
        }
        self.seats.replace(seats);
    }

    /// Whoever keeps the time has to look at `at` at the latest.
    fn due_at(&self, at: Option<Duration>) {
        let Some(at) = at else { return };
        if self.looks_at.get().is_none_or(|looks_at| at < looks_at) {
            self.looks_at.set(Some(at));
            self.sooner.notify_one();
        }
    }
}

/// Whether a command may have something written.
fn may_write(command: &Command) -> bool {
    !matches!(
        command,
        Command::Heartbeat(_)
            | Command::FetchOffsets(_)
            | Command::Describe(_)
            | Command::DescribeConsumer(_)
            | Command::List(_)
    )
}

/// Comes back when a coordinator may write; refused while nothing is written at all.
async fn room_for_writes(broker: &Broker) -> Result<(), String> {
    loop {
        if let Some(why) = broker.node().refuses_writes() {
            return Err(why);
        }
        if broker.committer().check_room(BATCH_BYTES_MAX).is_ok() {
            return Ok(());
        }
        broker.committer().room().await;
    }
}
