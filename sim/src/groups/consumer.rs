//! A member of the consumer protocol (KIP-848): says with each heartbeat what it has, and comes to what it is told.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use coordinator::group::command::{Command, ConsumerBeat, ConsumerBeatReply, Reply};
use coordinator::record::Partitions;
use env::Instant;
use wire::primitive::Uuid;

use super::members::Who;
use super::run::{Room, SESSION, TOPICS};

const REBALANCE_TIMEOUT_MS: i32 = 6000;

/// One process after the other is a member, until the room is over.
pub(super) async fn consume(room: Rc<Room>, group: Arc<str>) {
    while !room.is_over() {
        let topics = TOPICS.iter().filter(|_| room.chance(80)).map(|(name, _)| (*name).into());
        let who = room.number();
        let member = Member {
            topics: topics.collect(),
            group: group.clone(),
            who,
            id: format!("member-{who}").into(),
            epoch: 0,
            has: Parts::new(),
            told: None,
            heard: Instant::now(),
            room: room.clone(),
        };
        member.live().await;
        room.pause(500).await;
    }
}

/// Partitions by their topic's id.
type Parts = BTreeSet<(Uuid, i32)>;

struct Member {
    room: Rc<Room>,
    group: Arc<str>,
    who: Who,
    id: Arc<str>,
    topics: BTreeSet<Arc<str>>,
    /// 0: it has to join.
    epoch: i32,
    has: Parts,
    /// What it is to have, when it takes its time to give up the rest.
    told: Option<Parts>,
    /// When it asked for what was answered last: its session lasts from then on at least.
    heard: Instant,
}

impl Member {
    async fn live(mut self) {
        for _ in 0..5 + self.room.roll(60) {
            if self.room.is_over() {
                break;
            }
            if !self.is_alive() {
                self.give_up();
            }
            if self.epoch > 0 && !self.has.is_empty() && self.room.chance(60) {
                self.commit().await;
            } else {
                self.beat().await;
            }
            self.room.pause(300).await;
        }
        // Others vanish without a word.
        if self.room.chance(60) && self.epoch > 0 {
            self.leave().await;
        }
    }

    fn is_alive(&self) -> bool {
        self.epoch > 0 && Instant::now() < self.heard + SESSION
    }

    fn give_up(&mut self) {
        (self.epoch, self.told) = (0, None);
        self.has.clear();
        self.room.members.borrow_mut().release(self.who);
    }

    async fn beat(&mut self) {
        if let Some(told) = self.told.take_if(|_| self.room.chance(70)) {
            self.come_to(told);
        }
        let floor = self.room.members.borrow().floor(&self.group);
        let asked = Instant::now();
        let answer = self.room.ask(&self.group, Command::ConsumerBeat(self.next_beat())).await;
        let Some(Ok(Reply::ConsumerBeat(told))) = answer else { return };
        match told {
            Ok(told) => {
                // Whoever joins comes to the group's epoch at once, others when they have given up what others are to have.
                let floor = if self.epoch == 0 { floor } else { floor.of_any_epoch() };
                let holds = self.room.members.borrow_mut().seen(&self.group, floor, told.epoch);
                self.room.check(holds);
                self.hear(asked, told);
            }
            Err((error, message)) => {
                if self.is_alive() {
                    let what = format!(
                        "{}: a member is put out within its session: {error:?} {message}",
                        self.group
                    );
                    self.room.fail(what);
                }
                self.give_up();
            }
        }
    }

    fn next_beat(&self) -> ConsumerBeat {
        let is_new = self.epoch == 0;
        let mut owned = Partitions::new();
        for (topic, partition) in &self.has {
            owned.entry(*topic).or_default().insert(*partition);
        }
        ConsumerBeat {
            group: self.group.clone(),
            member_id: self.id.clone(),
            epoch: self.epoch,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: if is_new { REBALANCE_TIMEOUT_MS } else { -1 },
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            topics: is_new.then(|| self.topics.clone()),
            regex: None,
            assignor: None,
            owned: Some(owned),
        }
    }

    fn hear(&mut self, asked: Instant, told: ConsumerBeatReply) {
        if told.epoch < self.epoch {
            let what =
                format!("{}: {} was at epoch {}, and is at {}", self.group, self.id, self.epoch, told.epoch);
            self.room.fail(what);
        }
        self.room.count(|counted| counted.epochs += u64::from(told.epoch > self.epoch));
        (self.epoch, self.heard) = (told.epoch, asked);
        if !self.is_alive() {
            return self.give_up();
        }
        if let Some(parts) = told.assignment {
            let of_topic =
                |(topic, numbers): (Uuid, BTreeSet<i32>)| numbers.into_iter().map(move |of| (topic, of));
            self.told = Some(parts.into_iter().flat_map(of_topic).collect());
        }
        // What it gains it has at once, what it loses it may give up later.
        let gains = self.told.iter().flatten().copied();
        let has = self.has.iter().copied().chain(gains).collect();
        self.come_to(has);
    }

    fn come_to(&mut self, parts: Parts) {
        self.has = parts;
        let named = self.has.iter().map(|(topic, partition)| (topic.to_string().into(), *partition));
        let until = self.heard + SESSION;
        let holds = self.room.members.borrow_mut().own(&self.group, self.who, named, until);
        self.room.check(holds);
    }

    /// Commits of one of its partitions, often without waiting for the answer.
    async fn commit(&mut self) {
        let at = self.room.dice.borrow_mut().index(self.has.len());
        let Some((topic, partition)) = self.has.iter().nth(at).copied() else { return };
        let Some(topic) = self.room.topics.borrow().get(&topic).cloned() else { return };
        let (room, group, id, epoch) = (self.room.clone(), self.group.clone(), self.id.clone(), self.epoch);
        let commit = async move { room.commit(&group, (&id, epoch), (topic, partition)).await };
        if self.room.chance(50) {
            env::spawn_local(commit);
        } else {
            commit.await;
        }
    }

    async fn leave(&mut self) {
        let beat = ConsumerBeat { epoch: -1, owned: None, ..self.next_beat() };
        self.give_up();
        let answer = self.room.ask(&self.group, Command::ConsumerBeat(beat)).await;
        if let Some(Ok(Reply::ConsumerBeat(Ok(_)))) = answer {
            self.room.members.borrow_mut().left(&self.id);
        }
    }
}
