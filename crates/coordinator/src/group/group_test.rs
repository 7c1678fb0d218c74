use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use wire::primitive::Uuid;

use super::command::*;
use super::*;

/// A coordinator with whoever asks it, and the log that it writes.
struct Desk {
    groups: Groups,
    settings: Arc<GroupSettings>,
    now: Now,
    log: Vec<Record>,
    tickets: Ticket,
    answers: HashMap<Ticket, Reply>,
}

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;
const DELAY: Duration = Duration::from_secs(3);

impl Desk {
    fn new() -> Self {
        Self::with(GroupSettings::default())
    }

    fn with(settings: GroupSettings) -> Self {
        let settings = Arc::new(settings);
        Self {
            groups: Groups::new(settings.clone()),
            settings,
            now: Now { monotonic: Duration::ZERO, wall_ms: 1_000_000 },
            log: Vec::new(),
            tickets: 0,
            answers: HashMap::new(),
        }
    }

    fn take(&mut self, out: Output) {
        // Records go through their bytes, as through the log.
        for record in out.records {
            let (key, value) = record.encode();
            self.log.push(Record::decode(Some(&key), value.as_deref()).unwrap().unwrap());
        }
        for (ticket, reply) in out.replies {
            assert!(self.answers.insert(ticket, reply).is_none(), "ticket {ticket} was answered twice");
        }
    }

    fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let mut out = Output::default();
        self.groups.decide(self.now, self.tickets, command, &mut out);
        self.take(out);
        self.tickets
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Reply> {
        self.answers.remove(&ticket)
    }

    fn now_ask(&mut self, command: Command) -> Reply {
        let ticket = self.ask(command);
        self.answer(ticket).expect("answered at once")
    }

    /// Lets time go by, stopping wherever something is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(at) = self.groups.next_deadline().filter(|at| *at <= end) {
            self.set(at.max(self.now.monotonic));
            let mut out = Output::default();
            self.groups.expire(self.now, &mut out);
            self.take(out);
        }
        self.set(end);
    }

    fn set(&mut self, at: Duration) {
        self.now.wall_ms += i64::try_from((at - self.now.monotonic).as_millis()).unwrap();
        self.now.monotonic = at;
    }

    /// Another coordinator over the same log.
    fn restart(&mut self) {
        self.groups = replayed(&self.settings, &self.log);
        let mut out = Output::default();
        self.groups.begin(self.now, &mut out);
        self.take(out);
        self.answers.clear();
    }

    fn joined(&mut self, ticket: Ticket) -> JoinReply {
        match self.answer(ticket) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    fn synced(&mut self, ticket: Ticket) -> SyncReply {
        match self.answer(ticket) {
            Some(Reply::Sync(reply)) => reply,
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    fn beat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let beat = Heartbeat { group: "g".into(), generation, member_id: member.into(), instance_id: None };
        match self.now_ask(Command::Heartbeat(beat)) {
            Reply::Heartbeat(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// A group of `count` members, stable; their ids, the leader first.
    fn group_of(&mut self, count: u8) -> (Vec<Arc<str>>, i32) {
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

    fn describe(&mut self) -> DescribedGroup {
        match self.now_ask(Command::Describe("g".into())) {
            Reply::Describe(Some(group)) => group,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &str, generation: i32, offset: i64) -> Result<Vec<ErrorCode>, ErrorCode> {
        match self.now_ask(commit(member, generation, "t", offset)) {
            Reply::CommitOffsets(result) => result,
            other => panic!("{other:?}"),
        }
    }

    fn fetch(&mut self) -> Vec<(String, i32, i64)> {
        let fetch = FetchOffsets { group: "g".into(), member: None, partitions: None };
        let Reply::FetchOffsets(fetched) = self.now_ask(Command::FetchOffsets(fetch)) else {
            panic!("a fetch")
        };
        fetched.offsets.iter().map(|of| (of.topic.to_string(), of.partition, of.offset)).collect()
    }
}

fn replayed(settings: &Arc<GroupSettings>, log: &[Record]) -> Groups {
    let mut groups = Groups::new(settings.clone());
    log.iter().for_each(|record| groups.apply(record.clone()));
    groups
}

/// The metadata of a consumer that reads topic `t`.
fn subscription() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0])
}

fn joining(member: &str, instance: Option<&str>, random: u8) -> Join {
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

fn join(member: &str, instance: Option<&str>, random: u8) -> Command {
    Command::Join(joining(member, instance, random))
}

fn sync(member: &str, generation: i32, assignments: Vec<(Arc<str>, Bytes)>) -> Command {
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

fn leave(members: &[&str]) -> Command {
    let identity = |id: &&str| MemberIdentity { member_id: (*id).into(), instance_id: None };
    Command::Leave(Leave { group: "g".into(), members: members.iter().map(identity).collect() })
}

fn commit(member: &str, generation: i32, topic: &str, offset: i64) -> Command {
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

#[test]
fn the_first_members_wait_for_each_other_and_then_one_assigns() {
    let mut desk = Desk::new();
    let first = desk.ask(join("", None, 1));
    desk.pass(DELAY / 2);
    let second = desk.ask(join("", None, 2));
    desk.pass(DELAY / 2);
    assert!(desk.answers.is_empty(), "somebody has come: the delay begins again");
    desk.pass(DELAY);
    let (first, second) = (desk.joined(first), desk.joined(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.leader, first.member_id);
    assert_eq!((first.members.len(), second.members.len()), (2, 0), "who assigns knows everybody");

    let waiting = desk.ask(sync(&second.member_id, 1, Vec::new()));
    assert!(desk.answers.is_empty());
    let assignments = vec![(second.member_id.clone(), Bytes::from_static(b"all"))];
    let leader = desk.ask(sync(&first.member_id, 1, assignments));
    assert_eq!(desk.synced(waiting).assignment, "all");
    assert_eq!(desk.synced(leader).assignment, "", "who is left out gets nothing");
    assert_eq!(desk.describe().state, "Stable");
}

#[test]
fn a_client_is_told_its_id_and_has_to_come_back_with_it() {
    let mut desk = Desk::new();
    let with_id = Join { requires_member_id: true, ..joining("", None, 1) };
    let Reply::Join(told) = desk.now_ask(Command::Join(with_id.clone())) else { panic!("a join") };
    assert_eq!(told.error, ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!(&*told.member_id, "client-01010101-0101-4101-8101-010101010101");
    let ticket = desk.ask(Command::Join(Join { member_id: told.member_id.clone(), ..with_id.clone() }));
    desk.pass(DELAY);
    assert_eq!(desk.joined(ticket).member_id, told.member_id);

    // An id that is not used in time is forgotten.
    let Reply::Join(told) = desk.now_ask(Command::Join(Join { random_id: Uuid([9; 16]), ..with_id.clone() }))
    else {
        panic!("a join")
    };
    desk.pass(Duration::from_secs(11));
    let late = desk.now_ask(Command::Join(Join { member_id: told.member_id, ..with_id }));
    assert!(matches!(late, Reply::Join(JoinReply { error: ErrorCode::UNKNOWN_MEMBER_ID, .. })));
}

#[test]
fn a_member_that_is_silent_is_gone_and_the_others_join_again() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(2);
    for _ in 0..5 {
        desk.pass(Duration::from_secs(4));
        assert_eq!(desk.beat(&ids[0], generation), ErrorCode::NONE);
        if desk.beat(&ids[1], generation) == ErrorCode::UNKNOWN_MEMBER_ID {
            unreachable!("it was heard of");
        }
    }
    desk.pass(Duration::from_secs(6));
    assert_eq!(desk.beat(&ids[0], generation), ErrorCode::NONE);
    desk.pass(Duration::from_secs(6));
    assert_eq!(desk.beat(&ids[0], generation), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.beat(&ids[1], generation), ErrorCode::UNKNOWN_MEMBER_ID);
    let again = desk.ask(join(&ids[0], None, 0));
    assert_eq!(desk.joined(again).generation, generation + 1, "nobody else is waited for");
}

#[test]
fn whoever_leaves_is_not_waited_for() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(3);
    let Reply::Leave(Ok(left)) = desk.now_ask(leave(&[&ids[1], "nobody"])) else { panic!("a leave") };
    let errors: Vec<ErrorCode> = left.iter().map(|left| left.error).collect();
    assert_eq!(errors, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    let first = desk.ask(join(&ids[0], None, 0));
    assert!(desk.answers.is_empty());
    let second = desk.ask(join(&ids[2], None, 0));
    assert_eq!(desk.joined(first).generation, generation + 1);
    assert_eq!(desk.joined(second).generation, generation + 1);
    // The last ones leave: the group is empty, and written down so.
    desk.ask(leave(&[&ids[0], &ids[2]]));
    assert_eq!(desk.describe().state, "Empty");
    desk.restart();
    assert_eq!(desk.describe().state, "Empty");
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_its_ghost_is_fenced() {
    let mut desk = Desk::new();
    let first = desk.ask(join("", Some("one"), 1));
    desk.pass(DELAY);
    let joined = desk.joined(first);
    let mine = vec![(joined.member_id.clone(), Bytes::from_static(b"mine"))];
    desk.ask(sync(&joined.member_id, 1, mine));
    desk.answers.clear();

    let Reply::Join(back) = desk.now_ask(join("", Some("one"), 2)) else { panic!("a join") };
    assert_eq!((back.generation, back.error), (1, ErrorCode::NONE));
    assert_ne!(back.member_id, joined.member_id);
    assert!(back.skips_assignment, "it leads, and nothing has changed");
    let Reply::Sync(synced) = desk.now_ask(sync(&back.member_id, 1, Vec::new())) else { panic!("a sync") };
    assert_eq!(synced.assignment, "mine");

    let ghost = Heartbeat {
        group: "g".into(),
        generation: 1,
        member_id: joined.member_id.clone(),
        instance_id: Some("one".into()),
    };
    assert_eq!(desk.now_ask(Command::Heartbeat(ghost)), Reply::Heartbeat(ErrorCode::FENCED_INSTANCE_ID));
    desk.restart();
    assert_eq!(desk.beat(&back.member_id, 1), ErrorCode::NONE, "the new id was written down");
}

#[test]
fn a_generation_outlives_its_coordinator() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(3);
    desk.commit(&ids[1], generation, 17).unwrap();
    let before = desk.describe();
    desk.restart();
    assert_eq!(desk.describe(), before);
    assert_eq!(desk.fetch(), [("t".to_owned(), 0, 17)]);
    assert_eq!(desk.beat(&ids[2], generation), ErrorCode::NONE);
    // Who does not come back is gone.
    desk.pass(Duration::from_secs(11));
    assert_eq!(desk.describe().state, "Empty");
}

#[test]
fn commits_are_of_members_of_this_generation_or_of_nobody_in_an_empty_group() {
    let mut desk = Desk::new();
    assert_eq!(desk.commit("", -1, 5), Ok(vec![ErrorCode::NONE]), "a group without members");
    assert_eq!(desk.commit("m", 3, 5), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let (ids, generation) = desk.group_of(1);
    assert_eq!(desk.commit("", -1, 6), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(desk.commit(&ids[0], generation - 1, 6), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(desk.commit("nobody", generation, 6), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(desk.commit(&ids[0], generation, 7), Ok(vec![ErrorCode::NONE]));
    assert_eq!(desk.fetch(), [("t".to_owned(), 0, 7)]);

    let mut other = Desk::new();
    assert_eq!(other.commit("m", 3, 5), Err(ErrorCode::GROUP_ID_NOT_FOUND));
    let Command::CommitOffsets(mut large) = commit("", -1, "t", 1) else { unreachable!() };
    large.offsets[0].metadata = "x".repeat(4097).into();
    let refused = other.now_ask(Command::CommitOffsets(large));
    assert_eq!(refused, Reply::CommitOffsets(Ok(vec![ErrorCode::OFFSET_METADATA_TOO_LARGE])));
    assert!(other.log.is_empty());
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(1);
    desk.commit(&ids[0], generation, 7).unwrap();
    desk.now_ask(commit(&ids[0], generation, "other", 8));
    let partitions = vec![("t".into(), 0), ("other".into(), 0), ("none".into(), 3)];
    let delete = DeleteOffsets { group: "g".into(), partitions };
    let deleted = desk.now_ask(Command::DeleteOffsets(delete));
    let errors = vec![ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE, ErrorCode::NONE];
    assert_eq!(deleted, Reply::DeleteOffsets(Ok(errors)));
    desk.restart();
    assert_eq!(desk.fetch(), [("t".to_owned(), 0, 7)]);
    assert_eq!(
        desk.now_ask(Command::DeleteGroup("g".into())),
        Reply::DeleteGroup(ErrorCode::NON_EMPTY_GROUP)
    );
}

#[test]
fn what_nobody_needs_expires_and_the_group_with_it() {
    let week = Duration::from_hours(7 * 24);
    let mut desk = Desk::new();
    desk.commit("", -1, 5).unwrap();
    let expire = |desk: &mut Desk| {
        let mut out = Output::default();
        desk.groups.expire_offsets(desk.now, None, &mut out);
        desk.take(out);
    };
    desk.pass(week - Duration::from_secs(1));
    expire(&mut desk);
    assert_eq!(desk.fetch().len(), 1);
    desk.pass(Duration::from_secs(1));
    expire(&mut desk);
    assert_eq!(desk.fetch(), []);
    assert_eq!(desk.now_ask(Command::Describe("g".into())), Reply::Describe(None));
    assert!(replayed(&desk.settings, &desk.log).groups.is_empty());

    // While somebody reads the topic its offsets stay, and a week after that.
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(1);
    desk.commit(&ids[0], generation, 7).unwrap();
    for _ in 0..10 * 24 * 3600 / 9 {
        desk.pass(Duration::from_secs(9));
        assert_eq!(desk.beat(&ids[0], generation), ErrorCode::NONE);
    }
    expire(&mut desk);
    assert_eq!(desk.fetch().len(), 1);
    desk.now_ask(leave(&[&ids[0]]));
    desk.pass(week - Duration::from_secs(1));
    expire(&mut desk);
    assert_eq!(desk.fetch().len(), 1);
    desk.pass(Duration::from_secs(1));
    expire(&mut desk);
    assert_eq!(desk.fetch(), []);
}

#[test]
fn a_deleted_topic_is_forgotten() {
    let mut desk = Desk::new();
    desk.commit("", -1, 5).unwrap();
    desk.now_ask(commit("", -1, "other", 6));
    let mut out = Output::default();
    assert!(desk.groups.forget_topic("t", &mut out));
    desk.take(out);
    desk.restart();
    assert_eq!(desk.fetch(), [("other".to_owned(), 0, 6)]);
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut desk = Desk::with(GroupSettings { size_max: 2, ..GroupSettings::default() });
    let (ids, generation) = desk.group_of(2);
    let Reply::Join(refused) = desk.now_ask(join("", None, 7)) else { panic!("a join") };
    assert_eq!(refused.error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(desk.beat(&ids[0], generation), ErrorCode::NONE);
    // One of three places is gone after a restart: who joins again first has one.
    desk.settings = Arc::new(GroupSettings { size_max: 1, ..GroupSettings::default() });
    desk.restart();
    let first = desk.ask(join(&ids[0], None, 0));
    let second = desk.ask(join(&ids[1], None, 0));
    assert_eq!(desk.joined(second).error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    desk.pass(Duration::from_secs(60));
    assert_eq!(desk.joined(first).error, ErrorCode::NONE);
}

#[test]
fn members_without_a_protocol_in_common_are_kept_apart() {
    let mut desk = Desk::new();
    desk.group_of(1);
    let alien = Join {
        protocols: vec![Protocol { name: "sticky".into(), metadata: subscription() }],
        ..joining("", None, 8)
    };
    let Reply::Join(refused) = desk.now_ask(Command::Join(alien)) else { panic!("a join") };
    assert_eq!(refused.error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let connect = Join { protocol_type: "connect".into(), ..joining("", None, 8) };
    let Reply::Join(refused) = desk.now_ask(Command::Join(connect)) else { panic!("a join") };
    assert_eq!(refused.error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn members_that_never_sync_are_taken_for_gone() {
    let mut desk = Desk::new();
    let tickets: Vec<Ticket> = (0..2).map(|number| desk.ask(join("", None, number))).collect();
    desk.pass(DELAY * 2);
    let joined: Vec<JoinReply> = tickets.into_iter().map(|ticket| desk.joined(ticket)).collect();
    let leader = joined.iter().find(|reply| reply.leader == reply.member_id).unwrap();
    desk.ask(sync(&leader.member_id, 1, Vec::new()));
    let other = joined.iter().find(|reply| reply.leader != reply.member_id).unwrap();
    for _ in 0..7 {
        desk.pass(Duration::from_secs(9));
        desk.beat(&leader.member_id, 1);
        desk.beat(&other.member_id, 1);
    }
    assert_eq!(desk.beat(&leader.member_id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.beat(&other.member_id, 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut desk = Desk::new();
    desk.group_of(1);
    let mut list = |states: &[&str], types: &[&str]| {
        let boxed = |list: &[&str]| list.iter().map(|name| (*name).into()).collect();
        let filter = ListFilter { states: boxed(states), types: boxed(types) };
        let Reply::List(groups) = desk.now_ask(Command::List(filter)) else { panic!("a list") };
        groups.len()
    };
    assert_eq!(list(&[], &[]), 1);
    assert_eq!(list(&["stable "], &["Classic"]), 1);
    assert_eq!(list(&["Empty"], &[]), 0);
    assert_eq!(list(&[], &["consumer"]), 0);
}

mod random {
    use proptest::prelude::*;

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
                if let Some(Reply::Join(reply)) = consumer.joining.and_then(|ticket| self.desk.answer(ticket))
                {
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
                if let Some(Reply::Sync(reply)) = consumer.syncing.and_then(|ticket| self.desk.answer(ticket))
                {
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
                let part = |place: usize| {
                    (0..PARTITIONS).filter(move |number| usize::from(*number) % count == place)
                };
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
}
