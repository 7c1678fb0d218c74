use bytes::Bytes;
use wire::primitive::Uuid;
use wire::record::{Builder, Codec};

use super::command::*;
use super::desk_test::*;
use super::*;

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
fn a_heartbeat_of_another_generation_is_told_so() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(1);
    assert_eq!(desk.beat(&ids[0], generation - 1), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(desk.beat(&ids[0], generation + 1), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(desk.beat("nobody", generation), ErrorCode::UNKNOWN_MEMBER_ID);
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
fn a_commit_that_no_batch_could_hold_is_refused_whole_and_one_that_barely_fits_is_not() {
    let offsets = |count: usize| {
        let Command::CommitOffsets(mut many) = commit("", -1, "t", 1) else { unreachable!() };
        // As large as they come: newer clients name topics by id.
        many.offsets = vec![NewOffset { topic_id: Uuid([1; 16]), ..many.offsets[0].clone() }; count];
        Command::CommitOffsets(many)
    };
    let mut desk = Desk::new();
    let refused = desk.now_ask(offsets(15_000));
    assert_eq!(refused, Reply::CommitOffsets(Err(ErrorCode::UNKNOWN_SERVER_ERROR)));
    assert_eq!(desk.fetch(), []);
    assert!(matches!(desk.now_ask(offsets(14_900)), Reply::CommitOffsets(Ok(_))));
    let mut batch = Builder::new(Codec::None.into());
    for record in &desk.log {
        let (key, value) = record.encode();
        batch.append(0, Some(&key), value.as_deref(), &[]).unwrap();
    }
    let bytes = batch.finish().unwrap().len();
    assert!((BATCH_BYTES_MAX * 7 / 8..=BATCH_BYTES_MAX).contains(&bytes), "{bytes}");
}

#[test]
fn a_static_member_that_comes_back_with_more_than_a_batch_could_hold_has_the_group_rebalanced() {
    let mut desk = Desk::new();
    let ticket = desk.ask(join("", Some("i"), 1));
    desk.pass(DELAY * 2);
    let first = desk.joined(ticket);
    let synced = desk.ask(sync(&first.member_id, 1, Vec::new()));
    assert_eq!(desk.synced(synced).error, ErrorCode::NONE);
    let written = desk.log.len();
    let mut large = joining("", Some("i"), 2);
    large.protocols[0].metadata = vec![0; 1_100_000].into();
    let ticket = desk.ask(Command::Join(large));
    let again = desk.joined(ticket);
    assert_eq!((again.error, again.generation), (ErrorCode::NONE, 2));
    let refused = desk.ask(sync(&again.member_id, 2, Vec::new()));
    assert_eq!(desk.synced(refused).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(desk.log.len(), written, "nothing that can't be");
}

#[test]
fn a_generation_that_no_batch_could_hold_is_refused_and_its_members_join_again() {
    let mut desk = Desk::new();
    let large = |member: &str, random| {
        let mut join = joining(member, None, random);
        join.protocols[0].metadata = vec![0; 600_000].into();
        Command::Join(join)
    };
    let tickets = [desk.ask(large("", 1)), desk.ask(large("", 2))];
    desk.pass(DELAY * 2);
    let [mut leader, mut follower] = tickets.map(|ticket| desk.joined(ticket));
    if leader.members.is_empty() {
        std::mem::swap(&mut leader, &mut follower);
    }
    let written = desk.log.len();
    let waiting = desk.ask(sync(&follower.member_id, 1, Vec::new()));
    let refused = desk.ask(sync(&leader.member_id, 1, Vec::new()));
    for ticket in [waiting, refused] {
        assert_eq!(desk.synced(ticket).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    assert_eq!(desk.log.len(), written);
    assert_eq!(desk.beat(&leader.member_id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    let tickets = [desk.ask(large(&leader.member_id, 1)), desk.ask(join(&follower.member_id, None, 2))];
    assert_eq!(tickets.map(|ticket| desk.joined(ticket).generation), [2, 2]);
    let fits = desk.ask(sync(&leader.member_id, 2, Vec::new()));
    assert_eq!(desk.synced(fits).error, ErrorCode::NONE);
    assert_eq!(desk.describe().state, "Stable");
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
fn what_is_forgotten_of_many_partitions_is_cut_in_pieces() {
    // Could break: more than a record batch holds at once, so that nothing is ever forgotten.
    let mut desk = Desk::new();
    let topic: Arc<str> = "t".repeat(200).into();
    let Command::CommitOffsets(mut commit) = commit("", -1, &topic, 5) else { panic!("a commit") };
    commit.offsets = (0..50).map(|partition| NewOffset { partition, ..commit.offsets[0].clone() }).collect();
    desk.now_ask(Command::CommitOffsets(commit));
    let mut out = Output::default();
    assert!(desk.groups.forget_topic(&topic, &mut out));
    let sizes: Vec<usize> = out.pieces(1000).into_iter().map(<[Record]>::len).collect();
    assert_eq!((sizes.iter().sum::<usize>(), sizes.iter().max()), (50, Some(&3)), "269 bytes each");
    assert_eq!(out.pieces(1).len(), 50);
    assert_eq!(out.pieces(usize::MAX), [&*out.records]);
    assert!(Output::default().pieces(1).is_empty());
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

#[test]
fn what_is_rewritten_is_all_that_is_needed() {
    let mut desk = Desk::new();
    let (ids, generation) = desk.group_of(2);
    for (topic, offset) in [("t", 1), ("u", 2), ("v", 3)] {
        desk.now_ask(commit(&ids[0], generation, topic, offset));
    }
    let Command::CommitOffsets(other) = commit("", -1, "t", 9) else { unreachable!() };
    desk.now_ask(Command::CommitOffsets(CommitOffsets { group: "h".into(), ..other }));
    assert_eq!(desk.groups.live_records(), 6);
    for bytes_max in (0..2000).step_by(97) {
        let (mut after, mut log) = (None, Vec::new());
        loop {
            let mut out = Output::default();
            let rest = desk.groups.rewrite(after.as_ref(), bytes_max, &mut out);
            log.append(&mut out.records);
            // In between, groups go on.
            let changed = desk.log.len();
            desk.now_ask(commit(&ids[0], generation, "t", 100 + i64::try_from(bytes_max).unwrap()));
            log.extend(desk.log[changed..].iter().cloned());
            if rest.is_none() {
                break;
            }
            after = rest;
        }
        let again = replayed(&desk.settings, &log);
        assert!(
            again.summaries(usize::MAX).eq(desk.groups.summaries(usize::MAX)),
            "{bytes_max} bytes at a time"
        );
    }
    // Members that join are not written down before they are assigned to.
    desk.ask(join("", None, 9));
    let mut out = Output::default();
    assert_eq!(desk.groups.rewrite(None, 1 << 20, &mut out), None);
    let again = replayed(&desk.settings, &out.records);
    assert_eq!(again.counts().members, 2);
}
