//! Random lives of a group that goes from one protocol to the other and back: members of both come, go, vanish and change their
//! protocol, commits take time, the coordinator is lost at every moment; and no partition may ever have two owners.

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
    /// The classic protocol's ids come from the coordinator, the other's are the client's own.
    id: Arc<str>,
    /// The epoch, or generation; 0: it has to join.
    epoch: i32,
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
    /// It leaves, and its process comes again.
    Leave(usize),
    /// It leaves, and comes again with the other protocol.
    Convert(usize),
    /// The process is gone without a word, and another takes its place.
    Vanish(usize),
    Pass(u16),
    Commit(usize, i64),
    /// So many steps become durable.
    Durable(usize),
    /// The coordinator is lost with all that is not durable, and another reads the log.
    Crash,
}

fn act() -> BoxedStrategy<Act> {
    let who = || 0..MEMBERS;
    prop_oneof![
        30 => (who(), proptest::bool::weighted(0.7)).prop_map(|(who, is_done)| Act::Step(who, is_done)),
        1 => who().prop_map(Act::Leave),
        2 => who().prop_map(Act::Convert),
        1 => who().prop_map(Act::Vanish),
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
    born: u8,
}

impl World for Migrating {
    type Act = Act;

    fn new() -> Self {
        let settings = GroupSettings { consumer_session_timeout: SESSION, ..GroupSettings::default() };
        let mut desk = Desk { is_slow: true, ..Desk::with(settings) };
        desk.topics.set("t", PARTITIONS);
        let mut world = Self { desk, consumers: Vec::new(), commits: Commits::default(), born: 0 };
        world.consumers = (0..MEMBERS).map(|who| world.new_consumer(who > 0)).collect();
        world
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Step(who, is_done) => self.step(who, is_done),
            Act::Leave(who) => self.leave(who, self.consumers[who].speaks_classic),
            Act::Convert(who) => self.leave(who, !self.consumers[who].speaks_classic),
            Act::Vanish(who) => self.replace(who, self.consumers[who].speaks_classic),
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
    fn new_consumer(&mut self, speaks_classic: bool) -> Consumer {
        self.born = self.born.wrapping_add(1);
        let id = if speaks_classic { "".into() } else { format!("m{}", self.born).into() };
        Consumer { speaks_classic, id, heard: self.desk.now.monotonic, ..Consumer::default() }
    }

    /// Another process takes a consumer's place.
    fn replace(&mut self, who: usize, speaks_classic: bool) {
        self.consumers[who] = self.new_consumer(speaks_classic);
    }

    fn leave(&mut self, who: usize, comes_as_classic: bool) {
        let consumer = &self.consumers[who];
        let is_member = consumer.epoch > 0;
        let leaves = if consumer.speaks_classic {
            leave(&[&consumer.id])
        } else {
            Command::ConsumerBeat(beat(&consumer.id, -1, &[]))
        };
        self.replace(who, comes_as_classic);
        if is_member {
            self.desk.ask(leaves);
        }
    }

    fn step(&mut self, who: usize, is_done: bool) {
        self.born = self.born.wrapping_add(1);
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

    /// Once all is durable, another coordinator sees the group as this one does. (Of the classic protocol, who joins is not written.)
    fn check_reloaded(&mut self) {
        if !self.desk.in_flight.is_empty() {
            return;
        }
        let mut again = replayed(&self.desk.settings, &self.desk.log);
        let described = |groups: &mut Groups| {
            let mut out = Output::default();
            let about = Command::DescribeConsumer("g".into());
            groups.decide(self.desk.topics.at(self.desk.now), 0, about, &mut out);
            out.replies.pop()
        };
        assert_eq!(described(&mut again), described(&mut self.desk.groups), "it is read as another");
    }

    /// Everybody goes on until nothing changes; how many partitions have an owner then.
    fn settle(&mut self) -> usize {
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
        self.consumers.iter().map(|consumer| consumer.owned().count()).sum()
    }
}

impl Consumer {
    fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> {
        self.owns.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
    }

    /// What it asks next.
    fn next(&mut self, random: u8) -> (Command, Asked) {
        if !self.speaks_classic {
            let numbers: Vec<i32> = self.owned().map(|(_, number)| number).collect();
            let beat = ConsumerBeat { rebalance_timeout_ms: HOUR_MS, ..beat(&self.id, self.epoch, &numbers) };
            let beat = ConsumerBeat { topics: Some(["t".into()].into()), ..beat };
            return (Command::ConsumerBeat(beat), Asked::ConsumerBeat);
        }
        let (id, generation) = (self.id.clone(), self.epoch);
        if generation == 0 {
            // The eager protocol: everything is given up before joining, and assigned anew.
            self.owns.clear();
            let join = Join { rebalance_timeout_ms: HOUR_MS, ..joining(&id, None, random) };
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
        let mut world = lived::<Migrating>(&acts);
        let owned = world.settle();
        prop_assert_eq!(owned, usize::try_from(PARTITIONS).unwrap());
    }
}

/// Could break: a property that holds whatever the code does.
#[test]
fn every_planted_mistake_is_found() {
    for mistake in Planted::ALL {
        plant(Some(mistake));
        let is_found = std::panic::catch_unwind(|| {
            each_life(100, act, |acts| {
                let owned = lived::<Migrating>(&acts).settle();
                assert_eq!(owned, usize::try_from(PARTITIONS).unwrap());
            });
        });
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
