//! The partitions that one fetch visits: found, looked at, and waited for.
//!
//! A fetch without a session visits what it names; one of a session what is due there, and while it waits whatever else of
//! the session moves (`super::fetch_session`).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::partitions::Partition;
use cluster::watch::{Moves, Watch};
use env::Instant;
use wire::error::ErrorCode;
use wire::message::fetch::FetchRequest;

use super::fetch_read::{self, Ask, Look};
use super::fetch_session::{Context, Seen, TopicKey, Wanted};
use crate::memory_pool::Share;
use crate::server::Broker;
use crate::topic_traffic::TopicCells;

/// Memory of an answer that takes no share of what all answers may hold.
const UNCOUNTED_BYTES: usize = 16 << 10;
/// An answer of so few bytes is not made smaller for the memory that it keeps.
const RESPONSE_BYTES_SMALL: i32 = 64 << 10;

/// What is fetched of one partition.
pub(super) enum Target {
    /// Not of this broker; it keeps no fetch from waiting for the others.
    Missing(ErrorCode),
    /// The place in the list of what is led.
    Led(usize),
}

/// A partition that this node leads, and its epoch.
pub(super) struct Led {
    partition: Rc<Partition>,
    pub(super) leader_epoch: i32,
    /// What is asked of its topic.
    traffic: Rc<TopicCells>,
    ask: Ask,
}

/// See the module's head.
pub(super) struct Visit<'b> {
    broker: &'b Broker,
    context: Context,
    pub(super) wanted: Vec<Wanted>,
    /// Of each that is wanted.
    pub(super) targets: Vec<Target>,
    pub(super) led: Vec<Led>,
}

impl<'b> Visit<'b> {
    pub(super) fn new(broker: &'b Broker, context: Context, wanted: Vec<Wanted>) -> Self {
        let mut visit = Self { broker, context, wanted: Vec::new(), targets: Vec::new(), led: Vec::new() };
        visit.add(wanted);
        visit
    }

    /// Finds partitions. Those of a topic mostly stand together, so it is looked for once for all of them.
    fn add(&mut self, wanted: Vec<Wanted>) {
        for of_topic in wanted.chunk_by(|a, b| a.key.topic == b.key.topic) {
            let (topic, unknown) = match &of_topic[0].key.topic {
                TopicKey::Name(name) => (self.broker.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                TopicKey::Id(id) => (self.broker.topic_by_id(*id), ErrorCode::UNKNOWN_TOPIC_ID),
            };
            for wanted in of_topic {
                let Some(topic) = &topic else {
                    self.targets.push(Target::Missing(unknown));
                    continue;
                };
                let found = topic.partition(wanted.key.partition, self.broker.node().partitions());
                let Some(partition) = found else {
                    self.targets.push(Target::Missing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                    continue;
                };
                let log = partition.reader.clone();
                let leader_epoch = self.broker.node().leader_epoch(log.shard(), partition.epoch_base);
                self.targets.push(Target::Led(self.led.len()));
                let ask = Ask { log, asked: wanted.asked, leader_epoch };
                self.led.push(Led { partition, leader_epoch, traffic: topic.traffic.clone(), ask });
            }
        }
        self.wanted.extend(wanted);
    }

    /// What a follower of Kafka's is told, which is no replica here.
    pub(super) fn refuse(&self) -> (Vec<Look>, Option<Share>) {
        let refused = |_: &Led| Look::Refused(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        (self.led.iter().map(refused).collect(), None)
    }

    /// Looks at what is led, and waits until there is enough of it or the time is over. The looks have the order of
    /// [`Visit::led`]; the share is for the memory that they hold.
    pub(super) async fn read(&mut self, request: &FetchRequest<'_>) -> (Vec<Look>, Option<Share>) {
        let options = &self.broker.options;
        let response_bytes_max = i32::try_from(options.fetch_response_bytes_max).unwrap_or(i32::MAX);
        let bytes_max = request.max_bytes.min(response_bytes_max);
        let bytes_min = usize::try_from(request.min_bytes.min(bytes_max)).unwrap_or(0);
        // A connection on which nothing happens for so long is closed: nobody waits longer, gone clients included.
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let deadline = Instant::now() + wait.min(options.idle_time_max);
        let mut looks = fetch_read::look(&self.asks(), bytes_max).await;
        if !is_enough(&looks, bytes_min) {
            looks = self.wait(looks, bytes_max, bytes_min, deadline).await;
        }
        self.with_share(looks, bytes_max).await
    }

    fn asks(&self) -> Arc<[Ask]> {
        self.led.iter().map(|led| led.ask.clone()).collect()
    }

    async fn wait(
        &mut self,
        mut looks: Vec<Look>,
        bytes_max: i32,
        bytes_min: usize,
        deadline: Instant,
    ) -> Vec<Look> {
        let mut waiting = Waiting::default();
        loop {
            let others = self.broker.fetch_sessions.borrow().moves(self.context);
            if self.led.is_empty() && others.is_none() {
                return looks;
            }
            // First the watches, then the look: what comes in between is seen or wakes.
            waiting.watch(&self.led);
            let asks = self.asks();
            looks = fetch_read::look(&asks, bytes_max).await;
            let left = deadline.since(Instant::now());
            if is_enough(&looks, bytes_min)
                || left.is_zero()
                || env::timeout(left, waiting.moved(others)).await.is_none()
            {
                return looks;
            }
            let moved = self.broker.fetch_sessions.borrow_mut().moved(self.context);
            self.add(moved);
        }
    }

    /// What waits for its share must hold nothing meanwhile, so that it is looked for again afterwards. A share is a small
    /// part of the whole, so that nobody waits until all others have theirs: an answer that would keep entries much larger
    /// than what it takes of them is made smaller.
    async fn with_share(&self, mut looks: Vec<Look>, mut bytes_max: i32) -> (Vec<Look>, Option<Share>) {
        let mut share: Option<Share> = None;
        loop {
            let memory = fetch_read::memory_of(&looks);
            if memory > self.broker.answers.share_bytes_max() && bytes_max > RESPONSE_BYTES_SMALL {
                bytes_max /= 4;
                looks.clear();
                looks = fetch_read::look(&self.asks(), bytes_max).await;
                continue;
            }
            if memory <= share.as_ref().map_or(UNCOUNTED_BYTES, Share::bytes) {
                return (looks, share);
            }
            drop(share.take());
            share = self.broker.answers.take(memory);
            if share.is_none() {
                looks.clear();
                share = Some(self.broker.answers.wait_for(memory).await);
                looks = fetch_read::look(&self.asks(), bytes_max).await;
            }
        }
    }

    /// Counts what was found; `took` is the time from reading the request on.
    pub(super) fn count(&self, looks: &[Look], took: Duration) {
        let number = self.broker.counters.next_fetch();
        for (led, look) in self.led.iter().zip(looks) {
            led.traffic.fetched(number, look.records(led.ask.asked.fetch_offset), look.bytes(), took);
        }
    }

    /// Watches the partition at a place of [`Visit::wanted`], unless it has moved since it was seen.
    pub(super) fn watch(&self, at: usize, seen: &Seen, moves: &Rc<Moves>, number: u64) -> Option<Watch> {
        let Target::Led(place) = self.targets[at] else { return None };
        let partition = &self.led[place].partition;
        let now = partition.reader.offsets();
        let is_as_seen = now.high_watermark == seen.high_watermark && now.log_start == seen.log_start;
        is_as_seen.then(|| partition.watch(moves, number))
    }
}

fn is_enough(looks: &[Look], bytes_min: usize) -> bool {
    looks.iter().any(Look::is_urgent) || looks.iter().map(Look::bytes).sum::<usize>() >= bytes_min
}

/// A fetch that waits for what it has visited.
#[derive(Default)]
struct Waiting {
    moves: Rc<Moves>,
    /// By place in the list of what is led; a move ends one.
    watches: Vec<Option<Watch>>,
}

impl Waiting {
    /// Watches what is not watched.
    fn watch(&mut self, led: &[Led]) {
        for number in self.moves.take() {
            self.watches[usize::try_from(number).expect("a number is a place")] = None;
        }
        self.watches.resize_with(led.len(), || None);
        for ((number, watch), led) in (0..).zip(&mut self.watches).zip(led) {
            watch.get_or_insert_with(|| led.partition.watch(&self.moves, number));
        }
    }

    /// Resolves when one of them has moved, or one of `others`.
    async fn moved(&self, others: Option<Rc<Moves>>) {
        match others {
            Some(others) => tokio::select! {
                () = self.moves.arrived() => {}
                () = others.arrived() => {}
            },
            None => self.moves.arrived().await,
        }
    }
}
