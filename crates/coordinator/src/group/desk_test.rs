//! What tests of groups share: a coordinator, whoever asks it, and the log that it writes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use wire::primitive::Uuid;

use super::command::*;
use super::*;
use crate::record::Partitions;

/// A coordinator with whoever asks it, and the log that it writes.
pub(super) struct Desk {
    pub(super) groups: Groups,
    pub(super) settings: Arc<GroupSettings>,
    pub(super) now: Now,
    pub(super) topics: FewTopics,
    pub(super) log: Vec<Record>,
    pub(super) tickets: Ticket,
    pub(super) answers: HashMap<Ticket, Reply>,
    /// Commits take time: steps wait here for [`Desk::commit_steps`].
    pub(super) is_slow: bool,
    /// Steps that are decided and not committed, oldest first.
    pub(super) in_flight: VecDeque<Output>,
}

/// Topics as a test makes them, and what all groups are set to.
#[derive(Default)]
pub(super) struct FewTopics {
    pub(super) counts: BTreeMap<Arc<str>, i32>,
    /// Where each partition's one replica stands, if anywhere.
    pub(super) rack: Option<Arc<str>>,
    pub(super) version: u64,
    pub(super) session_timeout: Option<Duration>,
    pub(super) heartbeat_interval: Option<Duration>,
}

impl FewTopics {
    pub(super) fn at(&self, now: Now) -> At<'_> {
        At { now, topics: self, configs: self }
    }

    pub(super) fn set(&mut self, name: &str, count: i32) {
        self.counts.insert(name.into(), count);
        self.version += 1;
    }

    /// The broker stands in another rack.
    pub(super) fn move_to(&mut self, rack: Option<&str>) {
        self.rack = rack.map(Into::into);
        self.version += 1;
    }

    /// Made of its name.
    pub(super) fn id(name: &str) -> Uuid {
        let mut id = [0; 16];
        name.bytes().zip(&mut id).for_each(|(byte, place)| *place = byte);
        Uuid(id)
    }
}

impl Topics for FewTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn by_name(&self, name: &str) -> Option<(Uuid, i32)> {
        self.counts.get(name).map(|count| (Self::id(name), *count))
    }

    fn racks(&self, _: Uuid, _: i32) -> Vec<Arc<str>> {
        self.rack.iter().cloned().collect()
    }

    fn name_of(&self, id: Uuid) -> Option<Arc<str>> {
        self.counts.keys().find(|name| Self::id(name) == id).cloned()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.counts.keys().cloned().collect()
    }
}

impl GroupConfigs for FewTopics {
    fn session_timeout(&self, _: &str) -> Option<Duration> {
        self.session_timeout
    }

    fn heartbeat_interval(&self, _: &str) -> Option<Duration> {
        self.heartbeat_interval
    }
}

pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;
pub(super) const DELAY: Duration = Duration::from_secs(3);

impl Desk {
    pub(super) fn new() -> Self {
        Self::with(GroupSettings::default())
    }

    pub(super) fn with(settings: GroupSettings) -> Self {
        let settings = Arc::new(settings);
        Self {
            groups: Groups::new(settings.clone()),
            settings,
            now: Now { monotonic: Duration::ZERO, wall_ms: 1_000_000 },
            topics: FewTopics::default(),
            log: Vec::new(),
            tickets: 0,
            answers: HashMap::new(),
            is_slow: false,
            in_flight: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self, mut out: Output) {
        // As the host does: a step that wrote nothing waits for what is in flight, and for nothing else. One that may be cut is.
        if self.is_slow && !(out.records.is_empty() && self.in_flight.is_empty()) {
            let mut pieces: Vec<Vec<Record>> = out.pieces(1).into_iter().map(<[Record]>::to_vec).collect();
            out.records = pieces.pop().unwrap_or_default();
            let alone = |records| Output { records, ..Output::default() };
            self.in_flight.extend(pieces.into_iter().map(alone));
            self.in_flight.push_back(out);
        } else {
            self.committed(out);
        }
    }

    /// So many of the steps in flight are committed.
    pub(super) fn commit_steps(&mut self, count: usize) {
        for _ in 0..count {
            let Some(out) = self.in_flight.pop_front() else { return };
            self.committed(out);
        }
    }

    fn committed(&mut self, out: Output) {
        // Records go through their bytes, as through the log.
        for record in out.records {
            let (key, value) = record.encode();
            self.log.push(Record::decode(Some(&key), value.as_deref()).unwrap().unwrap());
        }
        for (ticket, reply) in out.replies {
            assert!(self.answers.insert(ticket, reply).is_none(), "ticket {ticket} was answered twice");
        }
    }

    pub(super) fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let mut out = Output::default();
        self.groups.decide(self.topics.at(self.now), self.tickets, command, &mut out);
        self.take(out);
        self.tickets
    }

    pub(super) fn answer(&mut self, ticket: Ticket) -> Option<Reply> {
        self.answers.remove(&ticket)
    }

    pub(super) fn now_ask(&mut self, command: Command) -> Reply {
        let ticket = self.ask(command);
        self.answer(ticket).expect("answered at once")
    }

    /// Lets time go by, stopping wherever something is due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(at) = self.groups.next_deadline().filter(|at| *at <= end) {
            self.set(at.max(self.now.monotonic));
            let mut out = Output::default();
            self.groups.expire(self.topics.at(self.now), &mut out);
            self.take(out);
        }
        self.set(end);
    }

    pub(super) fn set(&mut self, at: Duration) {
        self.now.wall_ms += i64::try_from((at - self.now.monotonic).as_millis()).unwrap();
        self.now.monotonic = at;
    }

    /// Another coordinator over the same log; what was in flight is in none.
    pub(super) fn restart(&mut self) {
        self.in_flight.clear();
        self.groups = replayed(&self.settings, &self.log);
        let mut out = Output::default();
        self.groups.begin(self.topics.at(self.now), &mut out);
        self.take(out);
        self.answers.clear();
    }

    pub(super) fn joined(&mut self, ticket: Ticket) -> JoinReply {
        match self.answer(ticket) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    pub(super) fn synced(&mut self, ticket: Ticket) -> SyncReply {
        match self.answer(ticket) {
            Some(Reply::Sync(reply)) => reply,
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    pub(super) fn beat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let beat = Heartbeat { group: "g".into(), generation, member_id: member.into(), instance_id: None };
        match self.now_ask(Command::Heartbeat(beat)) {
            Reply::Heartbeat(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// A group of `count` members, stable; their ids, the leader first.
    pub(super) fn group_of(&mut self, count: u8) -> (Vec<Arc<str>>, i32) {
        let tickets: Vec<Ticket> = (0..count).map(|number| self.ask(join("", None, number))).collect();
        self.pass(DELAY * 2);
        let replies: Vec<JoinReply> = tickets.into_iter().map(|ticket| self.joined(ticket)).collect();
        let generation = replies[0].generation;
        let mut ids: Vec<Arc<str>> = replies.iter().map(|reply| reply.member_id.clone()).collect();
        ids.sort_by_key(|id| *id != replies[0].leader);
        let assignments: Vec<_> =
            ids.iter().map(|id| (id.clone(), Bytes::copy_from_slice(id.as_bytes()))).collect();
        for id in ids.iter().rev() {
            let of_leader = if *id == ids[0] { assignments.clone() } else { Vec::new() };
            self.ask(sync(id, generation, of_leader));
        }
        self.answers.clear();
        (ids, generation)
    }

    pub(super) fn describe(&mut self) -> DescribedGroup {
        match self.now_ask(Command::Describe("g".into())) {
            Reply::Describe(Some(group)) => group,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn commit(
        &mut self,
        member: &str,
        generation: i32,
        offset: i64,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        match self.now_ask(commit(member, generation, "t", offset)) {
            Reply::CommitOffsets(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn fetch(&mut self) -> Vec<(String, i32, i64)> {
        let fetch = FetchOffsets { group: "g".into(), member: None, partitions: None };
        let Reply::FetchOffsets(fetched) = self.now_ask(Command::FetchOffsets(fetch)) else {
            panic!("a fetch")
        };
        fetched.offsets.iter().map(|of| (of.topic.to_string(), of.partition, of.offset)).collect()
    }

    pub(super) fn try_beat(&mut self, beat: ConsumerBeat) -> Result<ConsumerBeatReply, ErrorCode> {
        match self.now_ask(Command::ConsumerBeat(beat)) {
            Reply::ConsumerBeat(told) => told.map_err(|(error, _)| error),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn told(&mut self, member: &str, epoch: i32, owned: &[i32]) -> ConsumerBeatReply {
        self.try_beat(beat(member, epoch, owned)).unwrap()
    }

    pub(super) fn described(&mut self) -> DescribedConsumerGroup {
        match self.now_ask(Command::DescribeConsumer("g".into())) {
            Reply::DescribeConsumer(Some(group)) => group,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn replayed(settings: &Arc<GroupSettings>, log: &[Record]) -> Groups {
    let mut groups = Groups::new(settings.clone());
    log.iter().for_each(|record| groups.apply(record.clone()));
    groups
}

/// The metadata of a consumer that reads topic `t`.
pub(super) fn subscription() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0])
}

pub(super) fn joining(member: &str, instance: Option<&str>, random: u8) -> Join {
    Join {
        group: "g".into(),
        member_id: member.into(),
        instance_id: instance.map(Into::into),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: subscription() }],
        random_id: Uuid([random; 16]),
        requires_member_id: false,
        can_skip_assignment: true,
    }
}

pub(super) fn join(member: &str, instance: Option<&str>, random: u8) -> Command {
    Command::Join(joining(member, instance, random))
}

pub(super) fn sync(member: &str, generation: i32, assignments: Vec<(Arc<str>, Bytes)>) -> Command {
    Command::Sync(Sync {
        group: "g".into(),
        generation,
        member_id: member.into(),
        instance_id: None,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        assignments,
    })
}

pub(super) fn leave(members: &[&str]) -> Command {
    let identity = |id: &&str| MemberIdentity { member_id: (*id).into(), instance_id: None };
    Command::Leave(Leave { group: "g".into(), members: members.iter().map(identity).collect() })
}

pub(super) fn commit(member: &str, generation: i32, topic: &str, offset: i64) -> Command {
    let new = NewOffset {
        topic: topic.into(),
        topic_id: Uuid::ZERO,
        partition: 0,
        offset,
        leader_epoch: -1,
        metadata: "".into(),
    };
    Command::CommitOffsets(CommitOffsets {
        group: "g".into(),
        generation,
        member_id: member.into(),
        instance_id: None,
        retention_ms: None,
        knows_missing_groups: true,
        offsets: vec![new],
    })
}

/// A heartbeat of the consumer protocol.
pub(super) fn beat(member: &str, epoch: i32, owned: &[i32]) -> ConsumerBeat {
    let is_new = epoch == 0;
    ConsumerBeat {
        group: "g".into(),
        member_id: member.into(),
        epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: if is_new { 60_000 } else { -1 },
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        topics: is_new.then(|| ["t".into()].into()),
        regex: None,
        assignor: None,
        owned: Some(partitions(owned)),
    }
}

pub(super) fn partitions(numbers: &[i32]) -> Partitions {
    if numbers.is_empty() {
        return Partitions::new();
    }
    Partitions::from([(FewTopics::id("t"), numbers.iter().copied().collect())])
}

/// An assignment of partitions of `t`, as a leader writes it.
pub(super) fn assigned(numbers: &[i32]) -> Bytes {
    let mut topics = FewTopics::default();
    topics.set("t", 4);
    embedded::assignment(&partitions(numbers), &owning(&[]), &topics)
}

/// The metadata of a consumer that reads topic `t` and has not given these partitions up.
pub(super) fn owning(numbers: &[i32]) -> Bytes {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0];
    bytes.push(u8::try_from(numbers.len()).unwrap());
    numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    bytes.into()
}
