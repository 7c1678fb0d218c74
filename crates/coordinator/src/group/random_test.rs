//! Random lives of a group: consumers as clients are, commits that take time, a coordinator that is lost at every moment, and
//! what may never happen.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::command::*;
use super::desk_test::*;
use super::lives_test::*;
use super::*;

/// A consumer as clients are: joins, brings or takes an assignment, says that it is alive, now and then goes away.
#[derive(Default)]
struct Consumer {
    id: Arc<str>,
    /// 0: it has to join.
    generation: i32,
    asked: Option<(Ticket, Asked)>,
    /// To be assigned, when it leads.
    members: Vec<Arc<str>>,
    owns: BTreeSet<u8>,
}

#[derive(Clone, Copy)]
enum Asked {
    Join,
    Sync,
    Beat,
}

const PARTITIONS: u8 = 6;

#[derive(Clone, Debug)]
enum Act {
    Step(usize),
    Leave(usize),
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
    prop_oneof![
        24 => (0..4_usize).prop_map(Act::Step),
        1 => (0..4_usize).prop_map(Act::Leave),
        1 => (0..4_usize).prop_map(Act::Vanish),
        6 => (0..2500_u16).prop_map(Act::Pass),
        6 => (0..4_usize, 0..1000_i64).prop_map(|(who, offset)| Act::Commit(who, offset)),
        16 => (1..6_usize).prop_map(Act::Durable),
        1 => Just(Act::Crash),
    ]
    .boxed()
}

struct Classics {
    desk: Desk,
    consumers: Vec<Consumer>,
    /// The largest generation that anybody has heard of since the coordinator began.
    generation: i32,
    commits: Commits,
    born: u8,
}

impl World for Classics {
    type Act = Act;

    fn new() -> Self {
        let desk = Desk { is_slow: true, ..Desk::new() };
        let consumers = (0..4).map(|_| Consumer::default()).collect();
        Self { desk, consumers, generation: 0, commits: Commits::default(), born: 0 }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Step(who) => self.step(who),
            Act::Leave(who) => {
                let id = std::mem::take(&mut self.consumers[who]).id;
                if !id.is_empty() {
                    self.desk.ask(leave(&[&id]));
                }
            }
            Act::Vanish(who) => self.consumers[who] = Consumer::default(),
            Act::Pass(ms) => self.desk.pass(Duration::from_millis(ms.into())),
            Act::Commit(who, offset) => self.commit(who, offset),
            Act::Durable(steps) => self.desk.commit_steps(steps),
            Act::Crash => self.crash(),
        }
        self.collect();
    }

    fn check(&mut self) {
        self.check_owners();
        self.commits.check(&self.desk);
    }
}

impl Classics {
    /// Everybody reads what has been answered.
    fn collect(&mut self) {
        for consumer in &mut self.consumers {
            let Some((ticket, asked)) = consumer.asked else { continue };
            let Some(reply) = self.desk.answer(ticket) else { continue };
            consumer.asked = None;
            match (asked, reply) {
                (Asked::Join, Reply::Join(reply)) if reply.error == ErrorCode::NONE => {
                    assert!(reply.generation >= self.generation, "generations go back");
                    self.generation = reply.generation;
                    consumer.id = reply.member_id;
                    consumer.generation = reply.generation;
                    consumer.members = reply.members.into_iter().map(|member| member.member_id).collect();
                }
                (Asked::Sync, Reply::Sync(reply)) => consumer.told(reply.error, Some(&reply.assignment)),
                (Asked::Beat, Reply::Heartbeat(error)) => consumer.told(error, None),
                (Asked::Join, Reply::Join(_)) => *consumer = Consumer::default(),
                (_, reply) => panic!("an answer to another question: {reply:?}"),
            }
        }
        self.commits.collect(&mut self.desk);
    }

    fn step(&mut self, who: usize) {
        self.born = self.born.wrapping_add(1);
        let consumer = &mut self.consumers[who];
        if consumer.asked.is_some() {
            return;
        }
        let (id, generation) = (consumer.id.clone(), consumer.generation);
        let (command, asked) = if generation == 0 {
            // The eager protocol: everything is given up before joining, and assigned anew.
            consumer.owns.clear();
            (join(&id, None, self.born), Asked::Join)
        } else if consumer.owns.is_empty() {
            (sync(&id, generation, shares(&consumer.members)), Asked::Sync)
        } else {
            let beat = Heartbeat { group: "g".into(), generation, member_id: id, instance_id: None };
            (Command::Heartbeat(beat), Asked::Beat)
        };
        let ticket = self.desk.ask(command);
        self.consumers[who].asked = Some((ticket, asked));
    }

    fn commit(&mut self, who: usize, offset: i64) {
        let (id, generation) = (self.consumers[who].id.clone(), self.consumers[who].generation);
        if generation > 0 {
            self.commits.ask(&mut self.desk, &id, generation, offset);
        }
    }

    fn crash(&mut self) {
        self.desk.restart();
        // Requests that were under way are refused: clients find the coordinator and ask again.
        for consumer in &mut self.consumers {
            if consumer.asked.take().is_some() {
                consumer.generation = 0;
            }
        }
        // A generation that was not assigned was not written down.
        self.generation = 0;
    }

    /// Of one generation nobody owns what another one owns. Who is of an older one has not heard yet, and can't commit; nor can
    /// who has to join.
    fn check_owners(&self) {
        let consumers = self.consumers.iter().enumerate().filter(|(_, of)| of.generation > 0);
        let each = |(who, of): (usize, &Consumer)| {
            of.owns.iter().map(|partition| (who, (of.generation, *partition))).collect::<Vec<_>>()
        };
        assert_one_owner(consumers.flat_map(each));
    }
}

impl Consumer {
    fn told(&mut self, error: ErrorCode, assignment: Option<&Bytes>) {
        match error {
            ErrorCode::NONE => {
                if let Some(assignment) = assignment {
                    self.owns = assignment.iter().copied().collect();
                }
            }
            ErrorCode::REBALANCE_IN_PROGRESS => (self.generation, self.owns) = (0, BTreeSet::new()),
            _ => *self = Self::default(),
        }
    }
}

/// What a leader hands out: every partition to one member.
fn shares(members: &[Arc<str>]) -> Vec<(Arc<str>, Bytes)> {
    let count = members.len().max(1);
    let part = |place: usize| (0..PARTITIONS).filter(move |number| usize::from(*number) % count == place);
    let share =
        |(place, member): (usize, &Arc<str>)| (member.clone(), part(place).collect::<Vec<u8>>().into());
    members.iter().enumerate().map(share).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_partition_has_two_owners_and_no_commit_is_lost(acts in proptest::collection::vec(act(), 1..200)) {
        lived::<Classics>(&acts);
    }
}

#[test]
fn random_lives_are_lived() {
    let (mut assigned, mut acknowledged, mut crashes) = (0, 0, 0);
    each_moment::<Classics>(200, act, |world, act| {
        crashes += usize::from(matches!(act, Act::Crash));
        assigned += usize::from(world.consumers.iter().filter(|of| !of.owns.is_empty()).count() > 1);
        acknowledged += world.commits.acknowledged();
    });
    assert!(assigned > 2000 && acknowledged > 2000 && crashes > 300, "{assigned}, {acknowledged}, {crashes}");
}
