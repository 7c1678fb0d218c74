//! A member of the classic protocol: joins, assigns when it leads, commits, gives everything up whenever the group is in motion.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use coordinator::group::command::{
    Command, Heartbeat, Join, JoinReply, Leave, MemberIdentity, Protocol, Reply, Sync,
};
use env::Instant;
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::members::{Part, Who};
use super::run::{Room, SESSION, TOPICS};

const REBALANCE_TIMEOUT_MS: i32 = 6000;
/// What it reads: nothing that the coordinator would have to understand.
const SUBSCRIPTION: Bytes = Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0]);

/// One process after the other is a member, until the room is over.
pub(super) async fn consume(room: Rc<Room>, group: Arc<str>) {
    while !room.is_over() {
        let who = room.number();
        let member = Member { room: room.clone(), group: group.clone(), who, id: "".into(), joined: None };
        member.live().await;
        room.pause(500).await;
    }
}

struct Member {
    room: Rc<Room>,
    group: Arc<str>,
    who: Who,
    id: Arc<str>,
    joined: Option<Joined>,
}

/// A member of a generation that is written down.
struct Joined {
    generation: i32,
    parts: Vec<Part>,
    /// When it asked for what was answered last: its session lasts from then on at least.
    heard: Instant,
}

impl Joined {
    fn is_alive(&self) -> bool {
        Instant::now() < self.heard + SESSION
    }
}

impl Member {
    async fn live(mut self) {
        for _ in 0..5 + self.room.roll(60) {
            if self.room.is_over() {
                break;
            }
            if self.joined.as_ref().is_some_and(|joined| !joined.is_alive()) {
                self.give_up();
            }
            match &self.joined {
                None => self.join().await,
                Some(_) if self.room.chance(60) => self.commit().await,
                Some(_) => self.beat().await,
            }
            self.room.pause(300).await;
        }
        // Others vanish without a word.
        if self.room.chance(60) && !self.id.is_empty() {
            self.leave().await;
        }
    }

    fn give_up(&mut self) {
        self.joined = None;
        self.room.members.borrow_mut().release(self.who);
    }

    async fn join(&mut self) {
        let floor = self.room.members.borrow().floor(&self.group);
        let join = Join {
            group: self.group.clone(),
            member_id: self.id.clone(),
            instance_id: None,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: i32::try_from(SESSION.as_millis()).expect("seconds"),
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol { name: "range".into(), metadata: SUBSCRIPTION }],
            random_id: Uuid(u128::from(self.room.number()).to_be_bytes()),
            requires_member_id: self.room.chance(50),
            can_skip_assignment: true,
        };
        let Some(Ok(Reply::Join(reply))) = self.room.ask(&self.group, Command::Join(join)).await else {
            return;
        };
        match reply.error {
            ErrorCode::NONE => {
                self.id = reply.member_id.clone();
                let holds = self.room.members.borrow().told(&self.group, floor, reply.generation);
                self.room.check(holds);
                self.sync(reply).await;
            }
            ErrorCode::MEMBER_ID_REQUIRED => self.id = reply.member_id,
            ErrorCode::UNKNOWN_MEMBER_ID => self.id = "".into(),
            ErrorCode::REBALANCE_IN_PROGRESS => {}
            error => self.room.fail(format!("{}: a member can't join: {error:?}", self.group)),
        }
    }

    /// Asks for its assignment in the generation that it has joined; the leader brings everybody's.
    async fn sync(&mut self, joined: JoinReply) {
        self.room.pause(20).await;
        let floor = self.room.members.borrow().floor(&self.group);
        let heard = Instant::now();
        let sync = Sync {
            group: self.group.clone(),
            generation: joined.generation,
            member_id: self.id.clone(),
            instance_id: None,
            protocol_type: joined.protocol_type,
            protocol: joined.protocol,
            assignments: shares(&joined.members.into_iter().map(|of| of.member_id).collect::<Vec<_>>()),
        };
        let Some(Ok(Reply::Sync(reply))) = self.room.ask(&self.group, Command::Sync(sync)).await else {
            return;
        };
        // A generation that was not assigned is not written down: a broker that died knows nothing of it.
        match reply.error {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_MEMBER_ID => return self.id = "".into(),
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => return,
            error => return self.room.fail(format!("{}: a member can't sync: {error:?}", self.group)),
        }
        let joined = Joined { generation: joined.generation, parts: parts_of(&reply.assignment), heard };
        self.room.count(|counted| counted.epochs += 1);
        let holds = self.room.members.borrow_mut().seen(&self.group, floor, joined.generation);
        self.room.check(holds);
        self.claim(joined);
    }

    fn claim(&mut self, joined: Joined) {
        let until = joined.heard + SESSION;
        let parts = joined.parts.clone();
        let holds = self.room.members.borrow_mut().own(&self.group, self.who, parts, until);
        self.room.check(holds);
        self.joined = Some(joined);
    }

    async fn beat(&mut self) {
        let Some(mut joined) = self.joined.take() else { return };
        let asked = Instant::now();
        let beat = Heartbeat {
            group: self.group.clone(),
            generation: joined.generation,
            member_id: self.id.clone(),
            instance_id: None,
        };
        let answer = self.room.ask(&self.group, Command::Heartbeat(beat)).await;
        let Some(Ok(Reply::Heartbeat(error))) = answer else {
            self.joined = Some(joined);
            return;
        };
        match error {
            ErrorCode::NONE => {
                joined.heard = asked;
                if joined.is_alive() {
                    self.claim(joined);
                }
            }
            ErrorCode::REBALANCE_IN_PROGRESS => self.give_up(),
            error => {
                if joined.is_alive() {
                    let what = format!("{}: a member is forgotten within its session: {error:?}", self.group);
                    self.room.fail(what);
                }
                self.give_up();
                self.id = "".into();
            }
        }
    }

    /// Commits of one of its partitions, often without waiting for the answer.
    async fn commit(&mut self) {
        let Some(joined) = &self.joined else { return };
        if joined.parts.is_empty() {
            return self.beat().await;
        }
        let part = joined.parts[self.room.dice.borrow_mut().index(joined.parts.len())].clone();
        let (room, group, id, generation) =
            (self.room.clone(), self.group.clone(), self.id.clone(), joined.generation);
        let commit = async move { room.commit(&group, (&id, generation), part).await };
        if self.room.chance(50) {
            env::spawn_local(commit);
        } else {
            commit.await;
        }
    }

    async fn leave(&mut self) {
        self.give_up();
        let member = MemberIdentity { member_id: self.id.clone(), instance_id: None };
        let leave = Leave { group: self.group.clone(), members: vec![member] };
        let _ = self.room.ask(&self.group, Command::Leave(leave)).await;
    }
}

/// What each member gets; read back by [`parts_of`].
fn shares(members: &[Arc<str>]) -> Vec<(Arc<str>, Bytes)> {
    let mut shares: Vec<(Arc<str>, Vec<u8>)> = members.iter().map(|id| (id.clone(), Vec::new())).collect();
    let parts =
        (0_u8..).zip(TOPICS).flat_map(|(topic, (_, count))| (0..count).map(move |part| (topic, part)));
    for (at, (topic, part)) in parts.enumerate() {
        let Some(count) = at.checked_rem(shares.len()) else { break };
        shares[count].1.extend([topic, part]);
    }
    shares.into_iter().map(|(id, share)| (id, share.into())).collect()
}

fn parts_of(share: &[u8]) -> Vec<Part> {
    let part = |pair: &[u8]| (TOPICS[usize::from(pair[0])].0.into(), i32::from(pair[1]));
    share.chunks_exact(2).map(part).collect()
}
