//! Groups on their way from one protocol to the other, stepped.

use bytes::Bytes;

use super::command::*;
use super::desk_test::*;
use super::embedded::Assignment;
use super::*;
use crate::record::{MemberState, Partitions};

fn desk() -> Desk {
    with(MigrationPolicy::Bidirectional)
}

fn with(migration: MigrationPolicy) -> Desk {
    let mut desk = Desk::with(GroupSettings { migration, ..GroupSettings::default() });
    desk.topics.set("t", 4);
    desk
}

impl Desk {
    /// A group of the classic protocol, stable, in which members have these partitions; their ids.
    fn classic(&mut self, shares: &[&[i32]]) -> Vec<Arc<str>> {
        let tickets: Vec<Ticket> =
            (0..).take(shares.len()).map(|number| self.ask(join("", None, number))).collect();
        self.pass(DELAY * 2);
        let replies: Vec<JoinReply> = tickets.into_iter().map(|ticket| self.joined(ticket)).collect();
        let ids: Vec<Arc<str>> = replies.iter().map(|reply| reply.member_id.clone()).collect();
        let assignments: Vec<_> =
            ids.iter().zip(shares).map(|(id, share)| (id.clone(), assigned(share))).collect();
        for reply in &replies {
            let of_leader = if reply.leader == reply.member_id { assignments.clone() } else { Vec::new() };
            self.ask(sync(&reply.member_id, reply.generation, of_leader));
        }
        self.answers.clear();
        ids
    }

    /// A member of the classic protocol joins again with what it owns; what it is told.
    fn rejoins(&mut self, id: &str, owned: &[i32]) -> JoinReply {
        let mut join = joining(id, None, 0);
        join.protocols[0].metadata = owning(owned);
        let ticket = self.ask(Command::Join(join));
        self.joined(ticket)
    }

    /// What it gets, or why not.
    fn collects(&mut self, id: &str, generation: i32) -> Result<Partitions, ErrorCode> {
        let ticket = self.ask(sync(id, generation, Vec::new()));
        let reply = self.synced(ticket);
        let read = |bytes: &[u8]| Assignment::read(bytes, &self.topics).unwrap().partitions;
        if reply.error == ErrorCode::NONE { Ok(read(&reply.assignment)) } else { Err(reply.error) }
    }

    /// Who speaks the classic protocol in a group of the other.
    fn classics(&mut self) -> Vec<Arc<str>> {
        let members = self.described().members.into_iter();
        members.filter(|of| of.subscription.classic.is_some()).map(|of| of.member_id).collect()
    }

    fn state(&self) -> (&'static str, usize) {
        let group = self.groups.summaries(0).next().expect("a group");
        (group.state, group.members)
    }
}

#[test]
fn a_member_of_the_consumer_protocol_converts_its_group_and_gets_its_share() {
    let mut desk = desk();
    let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    desk.commit(&id, 1, 5).unwrap();
    let first = desk.told("c", 0, &[]);
    assert_eq!((first.epoch, first.assignment), (2, Some(Partitions::new())), "everything is taken");
    assert_eq!(desk.classics(), std::slice::from_ref(&id));
    let of_classic = desk.described().members.remove(1);
    assert_eq!((of_classic.epoch, of_classic.assigned), (1, partitions(&[0, 1, 2, 3])));
    assert_eq!(desk.beat(&id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.collects(&id, 1), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    // It has given all up before it joins.
    let joined = desk.rejoins(&id, &[]);
    assert_eq!((joined.error, joined.generation, &*joined.leader), (ErrorCode::NONE, 2, ""));
    let share = desk.collects(&id, 2).unwrap();
    assert_eq!(share.values().next().unwrap().len(), 2);
    assert_eq!(desk.beat(&id, 2), ErrorCode::NONE);
    let rest = desk.told("c", 2, &[]).assignment.unwrap();
    assert_eq!(rest.values().next().unwrap().len(), 2);
    assert_eq!(desk.state(), ("Stable", 2));
    assert_eq!(desk.fetch(), [("t".to_owned(), 0, 5)]);
}

#[test]
fn what_a_member_has_not_heard_that_it_is_to_give_up_is_nobody_elses_on_the_way_back_and_forth() {
    let mut desk = desk();
    desk.classic(&[&[0, 1, 2, 3]]);
    desk.told("c", 0, &[]);
    // It is to have a half, and is gone before the other member has heard of it.
    desk.told("c", -1, &[]);
    assert_eq!(desk.state(), ("PreparingRebalance", 1));
    let next = desk.told("d", 0, &[]);
    assert_eq!(next.assignment, Some(Partitions::new()), "everything is taken");
}

#[test]
fn what_is_written_is_kafkas_and_a_restart_changes_nothing() {
    let mut desk = desk();
    let ids = desk.classic(&[&[0, 1], &[2, 3]]);
    let from = desk.log.len();
    desk.told("c", 0, &[]);
    let kinds: Vec<&str> = desk.log[from..]
        .iter()
        .map(|record| match record {
            Record::Group { value: None, .. } => "no classic group",
            Record::Consumer { change, .. } => match change {
                ConsumerRecord::Member { .. } => "member",
                ConsumerRecord::Epoch(_) => "epoch",
                ConsumerRecord::Target { .. } => "target",
                ConsumerRecord::TargetEpoch(_) => "target epoch",
                ConsumerRecord::Current { .. } => "current",
                ConsumerRecord::Regex { .. } => "regex",
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let upgrade = "no classic group,member,member,epoch,target,target,target epoch,current,current";
    assert!(kinds.join(",").starts_with(&format!("{upgrade},member,epoch,target")), "{kinds:?}");
    let before = desk.described();
    desk.restart();
    assert_eq!(desk.described(), before);
    assert_eq!(desk.beat(&ids[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_member_that_keeps_what_it_has_gives_up_one_by_one() {
    let mut desk = desk();
    let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    desk.told("c", 0, &[]);
    let joined = desk.rejoins(&id, &[0, 1, 2, 3]);
    assert_eq!(joined.generation, 1, "it has to give up before it comes to the next epoch");
    let kept = desk.collects(&id, 1).unwrap();
    assert_eq!(kept.values().next().unwrap().len(), 2);
    assert_eq!(
        desk.described().members[1].assigned,
        partitions(&[0, 1, 2, 3]),
        "its own until it has given up"
    );
    assert_eq!(desk.beat(&id, 1), ErrorCode::REBALANCE_IN_PROGRESS, "it is to say that it has");
    assert_eq!(desk.told("c", 2, &[]).assignment, None);
    let kept: Vec<i32> = kept.into_values().flatten().collect();
    assert_eq!(desk.rejoins(&id, &kept).generation, 2);
    assert_eq!(desk.collects(&id, 2), Ok(partitions(&kept)));
    assert_eq!(desk.told("c", 2, &[]).assignment.unwrap().len(), 1);
}

#[test]
fn a_member_hears_when_what_it_waits_for_is_free() {
    let mut desk = desk();
    desk.told("c", 0, &[]);
    let joined = desk.rejoins("k", &[]);
    assert_eq!(desk.collects("k", joined.generation), Ok(Partitions::new()));
    assert_eq!(desk.beat("k", joined.generation), ErrorCode::NONE, "others have it still");
    desk.told("c", 2, &[0, 1, 2, 3]);
    let kept: Vec<i32> = desk.described().members[0].target.values().flatten().copied().collect();
    desk.told("c", 2, &kept);
    assert_eq!(desk.beat("k", joined.generation), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.rejoins("k", &[]).generation, joined.generation);
    assert_eq!(desk.collects("k", joined.generation).unwrap().len(), 1);
    assert_eq!(desk.state(), ("Stable", 2));
}

#[test]
fn the_last_one_of_the_consumer_protocol_leaves_a_classic_group_behind() {
    let mut desk = desk();
    let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    desk.told("c", 0, &[]);
    let generation = desk.rejoins(&id, &[]).generation;
    desk.collects(&id, generation).unwrap();
    desk.commit(&id, generation, 7).unwrap();
    desk.told("c", -1, &[]);
    assert_eq!(desk.state(), ("PreparingRebalance", 1));
    assert_eq!(desk.beat(&id, generation), ErrorCode::REBALANCE_IN_PROGRESS, "it keeps its generation");
    let joined = desk.rejoins(&id, &[]);
    assert_eq!((joined.generation, &joined.leader), (generation + 1, &id), "and one assigns again");
    desk.restart();
    // In the generation written last, in which nobody was assigned what the other one had.
    assert_eq!(desk.state(), ("PreparingRebalance", 1));
    assert_eq!(desk.beat(&id, generation), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.rejoins(&id, &[]).generation, generation + 1);
    assert_eq!(desk.fetch(), [("t".to_owned(), 0, 7)]);
    let consumers = desk.log.iter().filter(|record| matches!(record, Record::Consumer { .. }));
    assert!(consumers.count() > 0, "a story without migration");
}

#[test]
fn whoever_is_not_heard_of_in_time_is_put_out() {
    for what in ["session", "rejoin", "collection", "consumer"] {
        let mut desk = desk();
        let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
        desk.told("c", 0, &[]);
        let mut generation = 1;
        if what == "collection" {
            generation = desk.rejoins(&id, &[]).generation;
        } else if what == "consumer" {
            generation = desk.rejoins(&id, &[]).generation;
            desk.collects(&id, generation).unwrap();
        }
        for second in 0..62_i32 {
            if what != "session" && second % 5 == 0 {
                desk.beat(&id, generation);
            }
            if what != "consumer" && second % 5 == 0 {
                desk.told("c", 2, &[]);
            }
            if what == "session" && second == 9 {
                assert_eq!(desk.state().1, 2, "its own session counts: 10 s");
            }
            desk.pass(Duration::from_secs(1));
        }
        match what {
            "consumer" => assert_eq!(desk.describe().members.len(), 1),
            _ => assert_eq!(desk.described().members.len(), 1, "{what}"),
        }
    }
}

#[test]
fn whoever_waits_when_the_group_is_converted_joins_again() {
    let mut desk = desk();
    let ids = desk.classic(&[&[0, 1], &[2, 3]]);
    let waits = desk.ask(join("", None, 9));
    let joins = desk.ask(join(&ids[0], None, 0));
    desk.told("c", 0, &[]);
    for ticket in [waits, joins] {
        assert_eq!(desk.joined(ticket).error, ErrorCode::REBALANCE_IN_PROGRESS);
    }
    assert_eq!(desk.described().members.len(), 4, "the one that was new is a member");
    // Likewise before the first generation, and while one is assigned.
    let mut desk = self::desk();
    let first = desk.ask(join("", None, 1));
    assert_eq!(desk.told("c", 0, &[]).epoch, 2, "the first epoch is the group's own");
    let id = desk.joined(first).member_id;
    assert_eq!(desk.rejoins(&id, &[]).generation, 2);
    let mut desk = self::desk();
    let tickets = [desk.ask(join("", None, 1)), desk.ask(join("", None, 2))];
    desk.pass(DELAY * 2);
    let follower =
        tickets.map(|ticket| desk.joined(ticket)).into_iter().find(|of| of.members.is_empty()).unwrap();
    let syncs = desk.ask(sync(&follower.member_id, 1, Vec::new()));
    desk.told("c", 0, &[]);
    assert_eq!(desk.synced(syncs).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn the_policy_says_which_way_groups_may_go() {
    use MigrationPolicy::{Bidirectional, Disabled, Downgrade, Upgrade};
    for (policy, up, down, mixes) in [
        (Bidirectional, true, true, true),
        (Upgrade, true, false, true),
        (Downgrade, false, true, true),
        (Disabled, false, false, false),
    ] {
        let mut desk = with(policy);
        desk.classic(&[&[0, 1, 2, 3]]);
        let told = desk.try_beat(beat("c", 0, &[]));
        assert_eq!(told.err(), (!up).then_some(ErrorCode::GROUP_ID_NOT_FOUND), "{policy:?}");
        let mut desk = with(policy);
        desk.told("c", 0, &[]);
        let refused = (!mixes).then_some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        assert_eq!(desk.rejoins("k", &[]).error, refused.unwrap_or(ErrorCode::NONE), "{policy:?}");
        if mixes {
            desk.told("c", -1, &[]);
            assert_eq!(desk.state().0 == "PreparingRebalance", down, "{policy:?}");
        }
    }
}

#[test]
fn a_group_that_cant_be_converted_is_what_it_was() {
    let settings = GroupSettings { consumer_size_max: 1, ..GroupSettings::default() };
    let bad_bytes = |bytes: &'static [u8]| [Bytes::from_static(bytes), assigned(&[])];
    // Version, no topics, user data of one byte.
    let user_data = bad_bytes(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
    for (settings, assignments) in [
        (settings, [assigned(&[0, 1]), assigned(&[2, 3])]),
        (GroupSettings::default(), user_data),
        (GroupSettings::default(), bad_bytes(b"all")),
    ] {
        let mut desk = Desk::with(settings);
        desk.topics.set("t", 4);
        let ids = desk.classic(&[&[], &[]]);
        let tickets = [0, 1].map(|who| desk.ask(join(&ids[who], None, 0)));
        let replies = tickets.map(|ticket| desk.joined(ticket));
        let of_leader: Vec<_> = ids.iter().cloned().zip(assignments).collect();
        for reply in &replies {
            let brings = if reply.members.is_empty() { Vec::new() } else { of_leader.clone() };
            desk.ask(sync(&reply.member_id, reply.generation, brings));
        }
        desk.answers.clear();
        let waits = desk.ask(join(&replies[0].leader, None, 0));
        let (log, before) = (desk.log.len(), desk.describe());
        assert_eq!(desk.try_beat(beat("c", 0, &[])), Err(ErrorCode::GROUP_ID_NOT_FOUND));
        assert_eq!((desk.log.len(), desk.describe()), (log, before));
        assert_eq!(desk.answer(waits), None, "it waits still");
    }
    // Nor where the heartbeat itself is not one.
    let mut desk = desk();
    desk.classic(&[&[0, 1, 2, 3]]);
    let (log, before) = (desk.log.len(), desk.describe());
    let no_expression = ConsumerBeat { regex: Some("(".into()), ..beat("c", 0, &[]) };
    assert_eq!(desk.try_beat(no_expression), Err(ErrorCode::INVALID_REGULAR_EXPRESSION));
    assert_eq!(desk.try_beat(beat("c", 1, &[])), Err(ErrorCode::GROUP_ID_NOT_FOUND));
    assert_eq!((desk.log.len(), desk.describe()), (log, before));
}

#[test]
fn whoever_joins_needs_a_protocol_in_common_an_id_and_bytes_that_say_what_it_reads() {
    let mut desk = desk();
    desk.told("c", 0, &[]);
    let try_join = |desk: &mut Desk, change: &dyn Fn(&mut Join)| {
        let mut join = joining("", None, 7);
        change(&mut join);
        let ticket = desk.ask(Command::Join(join));
        desk.joined(ticket)
    };
    let first = try_join(&mut desk, &|join| join.requires_member_id = true);
    assert_eq!(first.error, ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!(desk.rejoins(&first.member_id, &[]).error, ErrorCode::NONE);
    for (error, change) in [
        (
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            (|join| join.protocol_type = "connect".into()) as fn(&mut Join),
        ),
        (ErrorCode::INCONSISTENT_GROUP_PROTOCOL, |join| join.protocols.clear()),
        (ErrorCode::INCONSISTENT_GROUP_PROTOCOL, |join| join.protocols[0].name = "roundrobin".into()),
        (ErrorCode::UNKNOWN_SERVER_ERROR, |join| join.protocols[0].metadata = Bytes::from_static(b"?")),
        (ErrorCode::UNKNOWN_MEMBER_ID, |join| {
            (join.member_id, join.instance_id) = ("nobody".into(), Some("nobody".into()));
        }),
    ] {
        let refused = try_join(&mut desk, &change);
        assert_eq!((refused.error, &*refused.member_id), (error, ""));
    }
    assert_eq!(desk.described().members.len(), 2);
}

#[test]
fn a_static_member_changes_its_protocol_as_another_process() {
    let mut desk = desk();
    let of = |member: &str| ConsumerBeat { instance_id: Some("i".into()), ..beat(member, 0, &[]) };
    desk.try_beat(of("a")).unwrap();
    let generation = desk.rejoins("k", &[]).generation;
    desk.told("a", 2, &[0, 1, 2, 3]);
    let kept: Vec<i32> = desk.described().members[0].target.values().flatten().copied().collect();
    desk.told("a", 2, &kept);
    desk.rejoins("k", &[]);
    desk.collects("k", generation).unwrap();
    // The classic one does not wait until the other has left; and is the last to make the group classic.
    let ticket = desk.ask(join("", Some("i"), 5));
    let joined = desk.joined(ticket);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, generation));
    assert_eq!(desk.state(), ("Stable", 2), "nothing is to be assigned anew");
    let id = joined.member_id;
    assert_eq!(desk.collects(&id, generation), Ok(partitions(&kept)), "it has what its instance had");
    // And back: a classic one is replaced as it is.
    let back = desk.try_beat(of("b")).unwrap();
    assert_eq!(back.assignment, Some(partitions(&kept)));
    assert_eq!(desk.classics(), ["k".into()]);
    desk.restart();
    assert_eq!(desk.beat(&id, generation), ErrorCode::UNKNOWN_MEMBER_ID);
}

/// Could break: nothing that it says asks for targets, which nobody has computed.
#[test]
fn a_static_member_that_converts_a_group_between_two_generations_has_it_assigned() {
    for syncs in [false, true] {
        let mut desk = desk();
        let tickets = [desk.ask(join("", Some("i"), 1)), desk.ask(join("", None, 2))];
        desk.pass(DELAY * 2);
        let [holder, other] = tickets.map(|ticket| desk.joined(ticket));
        if syncs {
            let leader = if holder.members.is_empty() { &other } else { &holder };
            let assignments = vec![(holder.member_id.clone(), assigned(&[0, 1, 2, 3]))];
            desk.ask(sync(&leader.member_id, 1, assignments));
        }
        let told =
            desk.try_beat(ConsumerBeat { instance_id: Some("i".into()), ..beat("c", 0, &[]) }).unwrap();
        if syncs {
            assert_eq!((told.epoch, told.assignment), (1, Some(partitions(&[0, 1, 2, 3]))), "as it is");
            assert_eq!(desk.beat(&other.member_id, 1), ErrorCode::NONE);
            continue;
        }
        assert_eq!(told.epoch, 2);
        assert_eq!(desk.beat(&other.member_id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
        assert_eq!(desk.rejoins(&other.member_id, &[]).generation, 2);
        let theirs = desk.collects(&other.member_id, 2).unwrap();
        assert_eq!(theirs.into_values().chain(told.assignment.unwrap().into_values()).flatten().count(), 4);
        assert_eq!(desk.state(), ("Stable", 2));
    }
}

/// Could break: a generation that was not assigned leaves nothing assigned, but a member that joined with what it owns has it still.
#[test]
fn what_a_member_has_kept_when_nobody_has_assigned_is_nobody_elses() {
    let mut desk = desk();
    let keeper = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    let second = desk.ask(join("", None, 8));
    assert_eq!(desk.rejoins(&keeper, &[0, 1, 2, 3]).generation, 2);
    desk.joined(second);
    desk.ask(join("", None, 9));
    assert!(desk.describe().members.iter().all(|of| of.assignment.is_empty()), "a story without the danger");
    let told = desk.told("c", 0, &[]);
    assert_eq!((told.epoch, told.assignment), (3, Some(Partitions::new())));
    let of_keeper = desk.described().members.into_iter().find(|of| of.member_id == keeper).unwrap();
    assert_eq!(of_keeper.assigned, partitions(&[0, 1, 2, 3]));
    // It is told in its turn what it may keep, and gives up the rest.
    assert_eq!(desk.rejoins(&keeper, &[0, 1, 2, 3]).generation, 2);
    let kept: Vec<i32> = desk.collects(&keeper, 2).unwrap().into_values().flatten().collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(desk.rejoins(&keeper, &kept).generation, 3);
    assert_eq!(desk.told("c", 3, &[]).assignment.unwrap().values().flatten().count(), 1);
}

/// Could break: a member of a stable group hears neither what it has to give up nor what it may have now.
#[test]
fn a_group_goes_back_as_a_stable_one_only_when_everybody_has_what_is_theirs() {
    let of = |member: &str| ConsumerBeat { instance_id: Some("i".into()), ..beat(member, 0, &[]) };
    let mut desk = desk();
    let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    desk.try_beat(of("a")).unwrap();
    let back = desk.ask(join("", Some("i"), 5));
    let back = desk.joined(back);
    assert_eq!(desk.state(), ("PreparingRebalance", 2), "the other one has not heard what it is to give up");
    let ticket = desk.ask(sync(&back.member_id, back.generation, Vec::new()));
    assert_eq!(desk.synced(ticket).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(desk.beat(&id, 1), ErrorCode::ILLEGAL_GENERATION, "then it gives everything up");
    let mut desk = self::desk();
    desk.try_beat(of("a")).unwrap();
    let generation = desk.rejoins("k", &[]).generation;
    assert_eq!(desk.collects("k", generation), Ok(Partitions::new()), "everything is taken");
    desk.told("a", 2, &[0, 1, 2, 3]);
    let back = desk.ask(join("", Some("i"), 5));
    desk.joined(back);
    assert_eq!(desk.state().0, "PreparingRebalance");
    assert_eq!(desk.beat("k", generation), ErrorCode::REBALANCE_IN_PROGRESS, "there is something for it now");
}

#[test]
fn commits_of_classic_members_are_of_their_generation() {
    let mut desk = desk();
    let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
    desk.told("c", 0, &[]);
    assert_eq!(desk.commit(&id, 1, 5), Ok(vec![ErrorCode::NONE]), "until it joins again");
    assert_eq!(desk.commit(&id, 2, 6), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(desk.commit("c", 1, 6), Err(ErrorCode::STALE_MEMBER_EPOCH));
    let Command::CommitOffsets(older) = commit(&id, 1, "t", 7) else { panic!("a commit") };
    let older = CommitOffsets { knows_missing_groups: false, ..older };
    assert_eq!(desk.now_ask(Command::CommitOffsets(older)), Reply::CommitOffsets(Ok(vec![ErrorCode::NONE])));
}

#[test]
fn members_of_either_protocol_leave_by_the_classic_request() {
    let mut desk = desk();
    let ids = desk.classic(&[&[0, 1], &[2, 3]]);
    desk.told("c", 0, &[]);
    desk.told("d", 0, &[]);
    let Reply::Leave(Ok(left)) = desk.now_ask(leave(&[&ids[0], "nobody", "d", &ids[0]])) else {
        panic!("left")
    };
    let errors: Vec<ErrorCode> = left.iter().map(|left| left.error).collect();
    assert_eq!(errors, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::NONE, ErrorCode::NONE]);
    assert_eq!(desk.classics(), [ids[1].clone()]);
    assert_eq!(desk.described().epoch, 4, "one epoch for all of them");
    desk.now_ask(leave(&["c"]));
    assert_eq!(desk.state(), ("PreparingRebalance", 1));
}

#[test]
fn a_mixed_group_is_rewritten_whole_whatever_becomes_of_it_meanwhile() {
    for turn in 0..3 {
        for bytes_max in (0..4000).step_by(271) {
            let mut desk = desk();
            let id = desk.classic(&[&[0, 1, 2, 3]]).remove(0);
            if turn > 0 {
                desk.told("c", 0, &[]);
            }
            let (mut after, from) = (None, desk.log.len());
            for piece in 0.. {
                let mut out = Output::default();
                after = desk.groups.rewrite(after.as_ref(), bytes_max, &mut out);
                desk.take(out);
                match (piece, turn) {
                    (0, 0) => drop(desk.told("c", 0, &[])),
                    (0, 1) => drop(desk.told("c", -1, &[])),
                    _ => {}
                }
                if after.is_none() {
                    break;
                }
            }
            let before = (desk.state().1, desk.now_ask(Command::DescribeConsumer("g".into())));
            desk.log.drain(..from);
            desk.restart();
            let again = (desk.state().1, desk.now_ask(Command::DescribeConsumer("g".into())));
            assert_eq!(again, before, "turn {turn}, {bytes_max} bytes at a time");
            let is_classic = turn == 1;
            let error =
                if is_classic { ErrorCode::ILLEGAL_GENERATION } else { ErrorCode::REBALANCE_IN_PROGRESS };
            assert_eq!(desk.beat(&id, 1), error, "turn {turn}: the generation is 2");
        }
    }
}

/// Could break: what is taken over must not look as if the next epoch had been reached.
#[test]
fn a_member_is_stable_only_in_the_epoch_of_the_group() {
    let mut desk = desk();
    desk.classic(&[&[0, 1, 2, 3]]);
    desk.told("c", 0, &[]);
    assert_eq!(desk.state().0, "Reconciling");
    let Some(Record::Consumer { change: ConsumerRecord::Current { value: Some(current), .. }, .. }) = desk
        .log
        .iter()
        .find(|of| matches!(of, Record::Consumer { change: ConsumerRecord::Current { .. }, .. }))
    else {
        panic!("a current assignment")
    };
    assert_eq!((current.epoch, current.previous_epoch, current.state), (1, 1, MemberState::Stable));
}
