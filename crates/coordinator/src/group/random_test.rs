//! Random lives of a group: consumers as clients are, a coordinator that is restarted, and what may never happen.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::command::*;
use super::desk_test::*;
use super::*;

/// A consumer as clients are: joins, brings or takes an assignment, says that it is alive, now and then goes away.
#[derive(Default)]
struct Consumer {
    id: Arc<str>,
    generation: i32,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
    /// To be assigned, when it leads.
    members: Vec<Arc<str>>,
    owns: BTreeSet<u8>,
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
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_usize).prop_map(Act::Step),
        1 => (0..4_usize).prop_map(Act::Leave),
        1 => (0..4_usize).prop_map(Act::Vanish),
        4 => (0..4000_u16).prop_map(Act::Pass),
        2 => (0..4_usize, 0..1000_i64).prop_map(|(who, offset)| Act::Commit(who, offset)),
        1 => Just(Act::Restart),
    ]
}

struct World {
    desk: Desk,
    consumers: Vec<Consumer>,
    /// The largest generation that anybody has heard of.
    generation: i32,
    committed: Option<i64>,
    born: u8,
}

impl World {
    fn collect(&mut self) {
        for consumer in &mut self.consumers {
            if let Some(Reply::Join(reply)) = consumer.joining.and_then(|ticket| self.desk.answer(ticket)) {
                consumer.joining = None;
                if reply.error != ErrorCode::NONE {
                    *consumer = Consumer::default();
                    continue;
                }
                assert!(reply.generation >= self.generation, "generations go back");
                self.generation = reply.generation;
                consumer.id = reply.member_id;
                consumer.generation = reply.generation;
                consumer.members = reply.members.into_iter().map(|member| member.member_id).collect();
                // The eager protocol: everything is given up before joining, and assigned anew.
                consumer.owns.clear();
            }
            if let Some(Reply::Sync(reply)) = consumer.syncing.and_then(|ticket| self.desk.answer(ticket)) {
                consumer.syncing = None;
                match reply.error {
                    ErrorCode::NONE => consumer.owns = reply.assignment.iter().copied().collect(),
                    ErrorCode::UNKNOWN_MEMBER_ID => *consumer = Consumer::default(),
                    _ => consumer.generation = 0,
                }
            }
        }
    }

    fn step(&mut self, who: usize) {
        self.born = self.born.wrapping_add(1);
        let born = self.born;
        let consumer = &mut self.consumers[who];
        if consumer.joining.is_some() || consumer.syncing.is_some() {
            return;
        }
        let id = consumer.id.clone();
        if consumer.generation == 0 {
            consumer.owns.clear();
            consumer.joining = Some(self.desk.ask(join(&id, None, born)));
        } else if consumer.owns.is_empty() {
            let members = std::mem::take(&mut consumer.members);
            let count = members.len().max(1);
            let part =
                |place: usize| (0..PARTITIONS).filter(move |number| usize::from(*number) % count == place);
            let assignments: Vec<(Arc<str>, Bytes)> = members
                .iter()
                .enumerate()
                .map(|(place, member)| (member.clone(), part(place).collect::<Vec<u8>>().into()))
                .collect();
            consumer.syncing = Some(self.desk.ask(sync(&id, consumer.generation, assignments)));
        } else {
            match self.desk.beat(&id, consumer.generation) {
                ErrorCode::NONE => {}
                ErrorCode::REBALANCE_IN_PROGRESS => {
                    let consumer = &mut self.consumers[who];
                    (consumer.generation, consumer.owns) = (0, BTreeSet::new());
                }
                _ => self.consumers[who] = Consumer::default(),
            }
        }
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
            Act::Commit(who, offset) => {
                let (id, generation) = (self.consumers[who].id.clone(), self.consumers[who].generation);
                if generation > 0 && self.desk.commit(&id, generation, offset).is_ok() {
                    self.committed = Some(offset);
                }
            }
            Act::Restart => {
                self.desk.restart();
                // Requests that were under way were refused: clients find the coordinator and ask again.
                for consumer in &mut self.consumers {
                    if consumer.joining.take().is_some() {
                        consumer.generation = 0;
                    }
                    if consumer.syncing.take().is_some() {
                        consumer.generation = 0;
                    }
                }
                // A generation that was not assigned was not written down.
                self.generation = 0;
            }
        }
        self.collect();
    }

    /// Of one generation nobody owns what another one owns. Who is of an older one has not heard yet, and can't commit.
    fn check(&mut self) {
        let mut owners = BTreeSet::new();
        for consumer in &self.consumers {
            for partition in &consumer.owns {
                let is_new = owners.insert((consumer.generation, *partition));
                assert!(is_new, "partition {partition} has two owners in {}", consumer.generation);
            }
        }
        let fetched = self.desk.fetch().first().map(|(_, _, offset)| *offset);
        assert_eq!(fetched, self.committed, "what was committed is there");
        let again = replayed(&self.desk.settings, &self.desk.log);
        assert_eq!(again.counts().offsets, self.desk.groups.counts().offsets);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_partition_has_two_owners_and_no_commit_is_lost(acts in proptest::collection::vec(act(), 1..200)) {
        let consumers = (0..4).map(|_| Consumer::default()).collect();
        let mut world = World { desk: Desk::new(), consumers, generation: 0, committed: None, born: 0 };
        for act in &acts {
            world.act(act);
            world.check();
        }
    }
}
