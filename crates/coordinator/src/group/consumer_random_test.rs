//! Random lives of a group of the consumer protocol: members do what they are told, commits take time, topics grow, the coordinator
//! is lost at every moment; and no partition may ever have two owners.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::command::*;
use super::desk_test::*;
use super::lives_test::*;
use super::*;
use crate::record::Partitions;

/// A consumer as clients are.
#[derive(Default)]
struct Consumer {
    epoch: i32,
    owns: Partitions,
    /// What it was told to have, and has not come to: it takes its time to give up what is not in it.
    told: Option<Partitions>,
    asked: Option<Ticket>,
    /// It joins with its next heartbeat.
    is_out: bool,
}

#[derive(Clone, Debug)]
enum Act {
    /// Whether it has come to what it was told.
    Beat(usize, bool),
    Leave(usize),
    Durable(usize),
    Grow,
    Crash,
}

fn act() -> BoxedStrategy<Act> {
    prop_oneof![
        24 => (0..4_usize, proptest::bool::weighted(0.7)).prop_map(|(who, is_done)| Act::Beat(who, is_done)),
        1 => (0..4_usize).prop_map(Act::Leave),
        12 => (1..6_usize).prop_map(Act::Durable),
        1 => Just(Act::Grow),
        1 => Just(Act::Crash),
    ]
    .boxed()
}

struct Modern {
    desk: Desk,
    consumers: Vec<Consumer>,
    partitions: i32,
}

impl World for Modern {
    type Act = Act;

    fn new() -> Self {
        // Nobody is taken for gone: who is may still think that it owns something.
        let hour = Duration::from_hours(1);
        let settings = GroupSettings { consumer_session_timeout: hour, ..GroupSettings::default() };
        let mut desk = Desk { is_slow: true, ..Desk::with(settings) };
        desk.topics.set("t", 4);
        let consumers = (0..4).map(|_| Consumer { is_out: true, ..Consumer::default() }).collect();
        Self { desk, consumers, partitions: 4 }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Beat(who, is_done) => self.beat(who, is_done),
            Act::Leave(who) => self.leave(who),
            Act::Durable(steps) => self.desk.commit_steps(steps),
            Act::Grow => {
                self.partitions = (self.partitions + 1).min(9);
                self.desk.topics.set("t", self.partitions);
            }
            Act::Crash => {
                self.desk.restart();
                self.consumers.iter_mut().for_each(|consumer| consumer.asked = None);
            }
        }
        self.collect();
    }

    fn check(&mut self) {
        let each = |(who, of): (usize, &Consumer)| {
            let numbers = of.owns.iter().flat_map(|(topic, numbers)| numbers.iter().map(|of| (*topic, *of)));
            numbers.map(|partition| (who, partition)).collect::<Vec<_>>()
        };
        assert_one_owner(self.consumers.iter().enumerate().flat_map(each));
    }
}

impl Modern {
    fn beat(&mut self, who: usize, is_done: bool) {
        let consumer = &mut self.consumers[who];
        if consumer.asked.is_some() {
            return;
        }
        if is_done && let Some(told) = consumer.told.take() {
            consumer.owns = told;
        }
        let epoch = if consumer.is_out { 0 } else { consumer.epoch };
        let owned = if epoch == 0 { Partitions::new() } else { consumer.owns.clone() };
        let ticket = self.desk.ask(Command::ConsumerBeat(ConsumerBeat {
            rebalance_timeout_ms: 3_600_000,
            topics: Some(BTreeSet::from(["t".into()])),
            assignor: (who == 3).then(|| "range".into()),
            owned: Some(owned),
            ..beat(&format!("m{who}"), epoch, &[])
        }));
        self.consumers[who].asked = Some(ticket);
    }

    fn leave(&mut self, who: usize) {
        if self.consumers[who].is_out {
            return;
        }
        self.consumers[who] = Consumer { is_out: true, ..Consumer::default() };
        self.desk.ask(Command::ConsumerBeat(beat(&format!("m{who}"), -1, &[])));
    }

    fn collect(&mut self) {
        for consumer in &mut self.consumers {
            let Some(reply) = consumer.asked.and_then(|ticket| self.desk.answer(ticket)) else { continue };
            consumer.asked = None;
            match reply {
                Reply::ConsumerBeat(Ok(told)) => {
                    assert!(told.epoch >= consumer.epoch || consumer.is_out, "epochs go back");
                    consumer.epoch = told.epoch;
                    consumer.is_out = false;
                    consumer.told = told.assignment.or(consumer.told.take());
                }
                // Put out: it gives up everything and joins again.
                Reply::ConsumerBeat(Err(_)) => *consumer = Consumer { is_out: true, ..Consumer::default() },
                other => panic!("an answer to another question: {other:?}"),
            }
        }
    }

    /// Everybody goes on until nothing changes.
    fn settle(&mut self) -> usize {
        for _ in 0..60 {
            (0..4).for_each(|who| self.beat(who, true));
            self.desk.commit_steps(usize::MAX);
            self.collect();
            self.check();
        }
        self.consumers.iter().flat_map(|consumer| consumer.owns.values()).map(BTreeSet::len).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_partition_has_two_owners_and_in_the_end_each_has_one(acts in proptest::collection::vec(act(), 1..200)) {
        let mut world = lived::<Modern>(&acts);
        let owned = world.settle();
        prop_assert_eq!(owned, usize::try_from(world.partitions).unwrap());
    }
}

#[test]
fn random_lives_are_lived() {
    let (mut moves, mut shared, mut before) = (0, 0, 0);
    each_moment::<Modern>(100, act, |world, _| {
        let owners = world.consumers.iter().filter(|consumer| !consumer.owns.is_empty()).count();
        moves += usize::from(owners != before);
        shared += usize::from(owners > 1);
        before = owners;
    });
    assert!(moves > 1000 && shared > 5000, "{moves}, {shared}");
}
