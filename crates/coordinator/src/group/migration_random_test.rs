//! Random lives of a group that goes from one protocol to the other and back: members of both come, go, vanish and change their
//! protocol, commits take time, the coordinator is lost at every moment; and no partition may ever have two owners.
//!
//! All begin with the classic protocol, and most come back to it, so that groups of it that are stable go over, too. The first
//! member is a static one that keeps to the classic protocol. Left out are members that join with what they own: a group that goes
//! over between two generations does not know what they have, as in Kafka.

use proptest::prelude::*;
use wire::primitive::Uuid;

use super::command::*;
use super::desk_test::*;
use super::embedded::Assignment;
use super::lives_test::*;
use super::planted::{Planted, plant};
use super::*;
use crate::record::Partitions;

const MEMBERS: usize = 3;
const PARTITIONS: i32 = 4;
const SESSION: Duration = Duration::from_secs(10);
const HOUR_MS: i32 = 3_600_000;

/// A consumer as clients are.
#[derive(Default)]
struct Consumer {
    speaks_classic: bool,
    instance_id: Option<Arc<str>>,
    /// The classic protocol's ids come from the coordinator, the other's are the client's own.
    id: Arc<str>,
    /// The epoch, or generation; 0: it has to join.
    epoch: i32,
    /// The newest generation that it was told since the coordinator began.
    generation_max: i32,
    asked: Option<(Ticket, Asked)>,
    /// To be assigned, when it leads.
    members: Vec<Arc<str>>,
    /// It has asked for its assignment in this generation.
    has_synced: bool,
    owns: Partitions,
    /// What it was told to have, and has not come to: it takes its time to give up what is not in it.
    told: Option<Partitions>,
    /// When it was last heard of.
    heard: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Join,
    Sync,
    Beat,
    ConsumerBeat,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A member says what is next; whether it has come to what it was told.
    Step(usize, bool),
    /// It leaves, and its process comes again; whether with the classic protocol.
    Leave(usize, bool),
    /// The process is gone without a word, and another takes its place; whether with the classic protocol.
    Vanish(usize, bool),
    Pass(u16),
    Commit(usize, i64),
    /// So many steps become durable.
    Durable(usize),
    /// The coordinator is lost with all that is not durable, and another reads the log.
    Crash,
}

fn act() -> BoxedStrategy<Act> {
    let who = || 0..MEMBERS;
    let comes = || (who(), proptest::bool::weighted(0.7));
    prop_oneof![
        30 => (who(), proptest::bool::weighted(0.7)).prop_map(|(who, is_done)| Act::Step(who, is_done)),
        2 => comes().prop_map(|(who, as_classic)| Act::Leave(who, as_classic)),
        1 => comes().prop_map(|(who, as_classic)| Act::Vanish(who, as_classic)),
        6 => (0..3000_u16).prop_map(Act::Pass),
        4 => (who(), 0..1000_i64).prop_map(|(who, offset)| Act::Commit(who, offset)),
        20 => (1..6_usize).prop_map(Act::Durable),
        1 => Just(Act::Crash),
    ]
    .boxed()
}

struct Migrating {
    desk: Desk,
    consumers: Vec<Consumer>,
    commits: Commits,
    born: u32,
}

impl World for Migrating {
    type Act = Act;

    fn new() -> Self {
        let settings = GroupSettings { consumer_session_timeout: SESSION, ..GroupSettings::default() };
        let mut desk = Desk { is_slow: true, ..Desk::with(settings) };
        desk.topics.set("t", PARTITIONS);
        let mut world = Self { desk, consumers: Vec::new(), commits: Commits::default(), born: 0 };
        world.consumers = (0..MEMBERS).map(|who| world.new_consumer(who, true)).collect();
        world
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Step(who, is_done) => self.step(who, is_done),
            Act::Leave(who, as_classic) => self.leave(who, as_classic),
            Act::Vanish(who, as_classic) => self.replace(who, as_classic),
            Act::Pass(ms) => self.pass(Duration::from_millis(ms.into())),
            Act::Commit(who, offset) => {
                let consumer = &self.consumers[who];
                if consumer.epoch > 0 {
                    self.commits.ask(&mut self.desk, &consumer.id, consumer.epoch, offset);
                }
            }
            Act::Durable(steps) => self.desk.commit_steps(steps),
            Act::Crash => self.crash(),
        }
        self.collect();
    }

    fn check(&mut self) {
        let consumers = self.consumers.iter().enumerate();
        assert_one_owner(consumers.flat_map(|(who, of)| of.owned().map(move |partition| (who, partition))));
        self.commits.check(&self.desk);
        self.check_reloaded();
    }
}

impl Migrating {
    fn new_consumer(&mut self, who: usize, speaks_classic: bool) -> Consumer {
        self.born += 1;
        let is_static = who == 0;
        let speaks_classic = speaks_classic || is_static;
        Consumer {
            speaks_classic,
            instance_id: is_static.then(|| "static".into()),
            id: if speaks_classic { "".into() } else { format!("m{}", self.born).into() },
            heard: self.desk.now.monotonic,
            ..Consumer::default()
        }
    }

    /// Another process takes a consumer's place.
    fn replace(&mut self, who: usize, speaks_classic: bool) {
        self.consumers[who] = self.new_consumer(who, speaks_classic);
    }

    fn leave(&mut self, who: usize, as_classic: bool) {
        let consumer = &self.consumers[who];
        let is_member = consumer.epoch > 0;
        let leaves = if consumer.speaks_classic {
            leave(&[&consumer.id])
        } else {
            Command::ConsumerBeat(beat(&consumer.id, -1, &[]))
        };
        self.replace(who, as_classic);
        if is_member {
            self.desk.ask(leaves);
        }
    }

    fn step(&mut self, who: usize, is_done: bool) {
        self.born += 1;
        let consumer = &mut self.consumers[who];
        if consumer.asked.is_some() {
            return;
        }
        if is_done && let Some(told) = consumer.told.take() {
            consumer.owns = told;
        }
        let (command, asked) = consumer.next(self.born);
        consumer.heard = self.desk.now.monotonic;
        let ticket = self.desk.ask(command);
        self.consumers[who].asked = Some((ticket, asked));
    }

    /// Whoever has not been heard of for a session may be put out, and its process is taken for gone.
    fn pass(&mut self, time: Duration) {
        let end = self.desk.now.monotonic + time;
        for who in 0..MEMBERS {
            if self.consumers[who].heard + SESSION <= end && self.consumers[who].owned().next().is_some() {
                self.replace(who, self.consumers[who].speaks_classic);
            }
        }
        self.desk.pass(time);
    }

    /// Requests that were under way are refused: clients find the coordinator and ask again.
    fn crash(&mut self) {
        self.desk.restart();
        for consumer in &mut self.consumers {
            // A generation that was not assigned was not written down.
            consumer.generation_max = 0;
            if consumer.asked.take().is_some() && consumer.speaks_classic {
                (consumer.epoch, consumer.owns) = (0, Partitions::new());
            }
        }
    }

    /// Everybody reads what has been answered.
    fn collect(&mut self) {
        for who in 0..MEMBERS {
            let Some((ticket, asked)) = self.consumers[who].asked else { continue };
            let Some(reply) = self.desk.answer(ticket) else { continue };
            self.consumers[who].asked = None;
            if !self.consumers[who].hear(asked, reply, &self.desk.topics) {
                self.replace(who, self.consumers[who].speaks_classic);
            }
        }
        self.commits.collect(&mut self.desk);
    }

    /// Once all is durable, another coordinator sees the group as this one does. Of the classic protocol, who joins is not
    /// written: then it is of the same protocol, at least.
    fn check_reloaded(&mut self) {
        if !self.desk.in_flight.is_empty() {
            return;
        }
        let mut again = replayed(&self.desk.settings, &self.desk.log);
        let type_name = |groups: &Groups| groups.groups.get("g").map(Group::type_name);
        assert_eq!(
            type_name(&again),
            type_name(&self.desk.groups),
            "it is read as one of the other protocol"
        );
        let state = self.desk.groups.groups.get("g").map(Group::state_name);
        if let Some("PreparingRebalance" | "CompletingRebalance") = state {
            return;
        }
        let at = self.desk.topics.at(self.desk.now);
        let described = |groups: &mut Groups| {
            let mut out = Output::default();
            groups.decide(at, 0, Command::Describe("g".into()), &mut out);
            groups.decide(at, 1, Command::DescribeConsumer("g".into()), &mut out);
            out.replies
        };
        assert_eq!(described(&mut again), described(&mut self.desk.groups), "it is read as another");
    }

    /// Everybody goes on until nothing changes: then all partitions have an owner, and everybody has some.
    fn settle(&mut self) {
        for _ in 0..80 {
            for who in 0..MEMBERS {
                self.step(who, true);
                self.desk.commit_steps(usize::MAX);
                self.collect();
                self.check();
            }
            self.pass(Duration::from_secs(1));
            self.desk.commit_steps(usize::MAX);
            self.collect();
            self.check();
        }
        let shares: Vec<usize> = self.consumers.iter().map(|consumer| consumer.owned().count()).collect();
        assert_eq!(shares.iter().sum::<usize>(), usize::try_from(PARTITIONS).unwrap(), "{shares:?}");
        assert!(!shares.contains(&0), "somebody waits for ever: {shares:?}");
    }
}

impl Consumer {
    fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> {
        self.owns.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
    }

    /// What it asks next.
    fn next(&mut self, random: u32) -> (Command, Asked) {
        let (id, generation) = (self.id.clone(), self.epoch);
        if !self.speaks_classic {
            let numbers: Vec<i32> = self.owned().map(|(_, number)| number).collect();
            let beat = ConsumerBeat {
                rebalance_timeout_ms: HOUR_MS,
                topics: Some(["t".into()].into()),
                ..beat(&id, generation, &numbers)
            };
            return (Command::ConsumerBeat(beat), Asked::ConsumerBeat);
        }
        if generation == 0 {
            // The eager protocol: everything is given up before joining, and assigned anew.
            self.owns.clear();
            let mut join = joining(&id, self.instance_id.as_deref(), 0);
            join.random_id = Uuid(u128::from(random).to_be_bytes());
            join.rebalance_timeout_ms = HOUR_MS;
            (Command::Join(join), Asked::Join)
        } else if self.has_synced {
            let beat = Heartbeat { group: "g".into(), generation, member_id: id, instance_id: None };
            (Command::Heartbeat(beat), Asked::Beat)
        } else {
            (sync(&id, generation, shares(&self.members)), Asked::Sync)
        }
    }

    /// Reads an answer; `false`: it is no member any more, gives up all that it has, and begins anew.
    fn hear(&mut self, asked: Asked, reply: Reply, topics: &FewTopics) -> bool {
        match (asked, reply) {
            (Asked::Join, Reply::Join(reply)) if reply.error == ErrorCode::NONE => {
                (self.id, self.epoch, self.has_synced) = (reply.member_id, reply.generation, false);
                assert!(self.epoch >= self.generation_max, "generations go back");
                self.generation_max = self.epoch;
                self.members = reply.members.into_iter().map(|member| member.member_id).collect();
            }
            (Asked::Join, Reply::Join(reply)) => return reply.error == ErrorCode::REBALANCE_IN_PROGRESS,
            (Asked::Sync, Reply::Sync(reply)) if reply.error == ErrorCode::NONE => {
                self.has_synced = true;
                self.owns = Assignment::read(&reply.assignment, topics).unwrap().partitions;
            }
            (Asked::Sync, Reply::Sync(SyncReply { error, .. })) | (Asked::Beat, Reply::Heartbeat(error)) => {
                match error {
                    ErrorCode::NONE => {}
                    ErrorCode::REBALANCE_IN_PROGRESS => {
                        (self.epoch, self.owns) = (0, Partitions::new());
                    }
                    _ => return false,
                }
            }
            (Asked::ConsumerBeat, Reply::ConsumerBeat(Ok(told))) => {
                assert!(told.epoch >= self.epoch, "epochs go back");
                self.epoch = told.epoch;
                self.told = told.assignment.or(self.told.take());
            }
            (Asked::ConsumerBeat, Reply::ConsumerBeat(Err(_))) => return false,
            (_, reply) => panic!("an answer to another question: {reply:?}"),
        }
        true
    }
}

/// What a leader hands out: every partition to one member.
fn shares(members: &[Arc<str>]) -> Vec<(Arc<str>, bytes::Bytes)> {
    let count = i32::try_from(members.len()).unwrap().max(1);
    let part = |place| (0..PARTITIONS).filter(move |number| number % count == place).collect::<Vec<i32>>();
    (0..).zip(members).map(|(place, member)| (member.clone(), assigned(&part(place)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_partition_has_two_owners_whatever_members_speak(acts in proptest::collection::vec(act(), 1..200)) {
        lived::<Migrating>(&acts).settle();
    }
}

/// Could break: a property that holds whatever the code does, or one that fails whatever it does.
#[test]
fn every_planted_mistake_is_found_and_nothing_else_is() {
    let live = || each_life(100, act, |acts| lived::<Migrating>(&acts).settle());
    live();
    for mistake in Planted::ALL {
        plant(Some(mistake));
        let is_found = std::panic::catch_unwind(live);
        plant(None);
        assert!(is_found.is_err(), "{mistake:?} is not found");
    }
}

#[test]
fn random_lives_are_lived() {
    let (mut mixed, mut classic, mut crashes, mut changes) = (0, 0, 0, 0);
    let mut was = None;
    let mut acknowledged = 0;
    each_moment::<Migrating>(200, act, |world, act| {
        let kinds: BTreeSet<bool> = world
            .consumers
            .iter()
            .filter(|of| of.owned().next().is_some())
            .map(|of| of.speaks_classic)
            .collect();
        mixed += usize::from(kinds.len() == 2);
        let is = world.desk.groups.groups.values().next().map(|group| matches!(group, Group::Classic(_)));
        classic += usize::from(is == Some(true));
        changes += usize::from(is != was);
        was = is;
        crashes += usize::from(matches!(act, Act::Crash));
        acknowledged += world.commits.acknowledged();
    });
    assert!(
        mixed > 500 && classic > 500 && changes > 200 && crashes > 300 && acknowledged > 1000,
        "{mixed}, {classic}, {changes}, {crashes}, {acknowledged}"
    );
}
