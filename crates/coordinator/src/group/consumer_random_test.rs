//! Random lives of a group of the consumer protocol: members do what they are told, commits take time, topics grow, the coordinator
//! is lost at every moment; and no partition may ever have two owners.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use wire::primitive::Uuid;

use super::command::*;
use super::desk_test::*;
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

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        24 => (0..4_usize, proptest::bool::weighted(0.7)).prop_map(|(who, is_done)| Act::Beat(who, is_done)),
        1 => (0..4_usize).prop_map(Act::Leave),
        12 => (1..6_usize).prop_map(Act::Durable),
        1 => Just(Act::Grow),
        1 => Just(Act::Crash),
    ]
}

struct World {
    desk: Desk,
    consumers: Vec<Consumer>,
    partitions: i32,
}

impl World {
    fn new() -> Self {
        // Nobody is taken for gone: who is may still think that it owns something.
        let hour = Duration::from_hours(1);
        let settings = GroupSettings { consumer_session_timeout: hour, ..GroupSettings::default() };
        let mut desk = Desk { is_slow: true, ..Desk::with(settings) };
        desk.topics.set("t", 4);
        let consumers = (0..4).map(|_| Consumer { is_out: true, ..Consumer::default() }).collect();
        Self { desk, consumers, partitions: 4 }
    }

    fn beat(&mut self, who: usize, is_done: bool) {
        let consumer = &mut self.consumers[who];
        if consumer.asked.is_some() {
            return;
        }
        if is_done && let Some(told) = consumer.told.take() {
            consumer.owns = told;
        }
        let epoch = if consumer.is_out { 0 } else { consumer.epoch };
        let ticket = self.desk.ask(Command::ConsumerBeat(ConsumerBeat {
            group: "g".into(),
            member_id: format!("m{who}").into(),
            epoch,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: 3_600_000,
            client_id: "c".into(),
            client_host: "h".into(),
            topics: Some(BTreeSet::from(["t".into()])),
            regex: None,
            assignor: (who == 3).then(|| "range".into()),
            owned: Some(if epoch == 0 { Partitions::new() } else { consumer.owns.clone() }),
        }));
        self.consumers[who].asked = Some(ticket);
    }

    fn leave(&mut self, who: usize) {
        if self.consumers[who].is_out {
            return;
        }
        self.consumers[who] = Consumer { is_out: true, ..Consumer::default() };
        let beat = ConsumerBeat {
            group: "g".into(),
            member_id: format!("m{who}").into(),
            epoch: -1,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            client_id: "c".into(),
            client_host: "h".into(),
            topics: None,
            regex: None,
            assignor: None,
            owned: None,
        };
        self.desk.ask(Command::ConsumerBeat(beat));
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

    fn check(&self) {
        let mut owners: BTreeMap<(Uuid, i32), usize> = BTreeMap::new();
        for (who, consumer) in self.consumers.iter().enumerate() {
            for (topic, numbers) in &consumer.owns {
                for number in numbers {
                    let other = owners.insert((*topic, *number), who);
                    assert_eq!(other, None, "partition {number} has two owners, one is {who}");
                }
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
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.check();
        }
        let owned = world.settle();
        prop_assert_eq!(owned, usize::try_from(world.partitions).unwrap());
    }
}

/// The property above says something only if partitions move while it is looked at.
#[test]
fn random_lives_are_lived() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut moves, mut shared) = (0, 0);
    for _ in 0..100 {
        let acts = proptest::collection::vec(act(), 200).new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        let mut before = 0;
        for act in &acts {
            world.act(act);
            let owners = world.consumers.iter().filter(|consumer| !consumer.owns.is_empty()).count();
            moves += usize::from(owners != before);
            shared += usize::from(owners > 1);
            before = owners;
        }
    }
    assert!(moves > 1000 && shared > 5000, "{moves}, {shared}");
}
