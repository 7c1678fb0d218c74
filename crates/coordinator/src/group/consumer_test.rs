//! Groups of the consumer protocol, stepped.

use super::command::*;
use super::desk_test::*;
use super::*;
use crate::record::Partitions;

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.topics.set("t", 4);
    desk
}

#[test]
fn one_member_gets_all_and_gives_half_up_for_a_second_one() {
    let mut desk = desk();
    let first = desk.told("a", 0, &[]);
    assert_eq!((first.epoch, first.assignment), (2, Some(partitions(&[0, 1, 2, 3]))));
    let second = desk.told("b", 0, &[]);
    assert_eq!((second.epoch, second.assignment), (3, Some(Partitions::new())), "a has to give up first");
    assert_eq!(desk.described().state, "Reconciling");
    let asked = desk.told("a", 2, &[0, 1, 2, 3]);
    assert_eq!((asked.epoch, asked.assignment), (2, Some(partitions(&[0, 1]))));
    assert_eq!(desk.told("b", 3, &[]).assignment, None, "not given up yet");
    let gave = desk.told("a", 2, &[0, 1]);
    assert_eq!(gave.epoch, 3);
    assert_eq!(desk.told("b", 3, &[]).assignment, Some(partitions(&[2, 3])));
    assert_eq!(desk.described().state, "Stable");
    // All of it is remembered.
    let before = desk.described();
    desk.restart();
    assert_eq!(desk.described(), before);
    assert_eq!(desk.told("a", 3, &[0, 1]).epoch, 3);
}

#[test]
fn whoever_is_silent_or_leaves_is_replaced() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    desk.told("b", 0, &[]);
    desk.told("a", 2, &[0, 1]);
    for _ in 0..8 {
        desk.pass(Duration::from_secs(5));
        desk.told("a", 3, &[0, 1]);
    }
    desk.pass(Duration::from_secs(5));
    assert_eq!(desk.described().members.len(), 1, "b was not heard of for 45 s");
    assert_eq!(desk.told("a", 3, &[0, 1]).assignment, Some(partitions(&[0, 1, 2, 3])));
    assert_eq!(desk.try_beat(beat("b", 3, &[])), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(desk.told("a", -1, &[]).epoch, -1);
    assert_eq!(desk.described().state, "Empty");
}

#[test]
fn what_a_group_is_set_to_holds_from_a_members_next_heartbeat_on() {
    let mut desk = desk();
    assert_eq!(desk.told("a", 0, &[]).heartbeat_interval, Duration::from_secs(5));
    desk.topics.session_timeout = Some(Duration::from_secs(60));
    desk.topics.heartbeat_interval = Some(Duration::from_secs(7));
    assert_eq!(desk.told("a", 2, &[0, 1, 2, 3]).heartbeat_interval, Duration::from_secs(7));
    desk.pass(Duration::from_secs(59));
    assert_eq!(desk.described().members.len(), 1);
    // Set to less: what the member was last told of its session holds until it is heard of again.
    desk.topics.session_timeout = Some(Duration::from_secs(50));
    desk.told("a", 2, &[0, 1, 2, 3]);
    desk.pass(Duration::from_secs(49));
    assert_eq!(desk.described().members.len(), 1);
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.described().members.len(), 0);
}

#[test]
fn a_member_that_reads_more_than_a_batch_could_hold_is_refused_and_leaves_no_trace() {
    let mut desk = desk();
    let names = |count: usize| (0..count).map(|number| format!("topic-{number:0200}").into()).collect();
    let large = |count| ConsumerBeat { topics: Some(names(count)), ..beat("a", 0, &[]) };
    assert_eq!(desk.try_beat(large(5000)), Err(ErrorCode::UNKNOWN_SERVER_ERROR));
    assert!(desk.log.is_empty());
    assert_eq!(desk.try_beat(large(2000)).unwrap().epoch, 2);
}

/// Could break: each of thousands that join costs a look at all the others, or what is not computed at once never is.
#[test]
fn targets_of_a_large_group_are_computed_less_often_and_everybody_has_a_share_in_the_end() {
    let mut desk = desk();
    desk.topics.set("t", 1000);
    let mut epochs: Vec<i32> = (0..400).map(|who| desk.told(&format!("m{who}"), 0, &[]).epoch).collect();
    let group = desk.described();
    assert_eq!((group.epoch, group.state), (401, "Assigning"));
    assert!(group.target_epoch < 150, "computed {} times at one moment", group.target_epoch);
    desk.pass(Duration::from_secs(1));
    let mut owned = vec![Vec::new(); epochs.len()];
    for _ in 0..4 {
        for (who, epoch) in epochs.iter_mut().enumerate() {
            let told = desk.told(&format!("m{who}"), *epoch, &owned[who]);
            *epoch = told.epoch;
            if let Some(assigned) = told.assignment {
                owned[who] = assigned.values().flatten().copied().collect();
            }
        }
    }
    assert_eq!(desk.described().state, "Stable");
    assert!(owned.iter().all(|numbers| (2..=3).contains(&numbers.len())));
    let mut all: Vec<i32> = owned.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

/// Could break: it first gives up the partitions that it was asked for, while nobody may have those that it no longer reads.
#[test]
fn what_a_member_no_longer_reads_it_gives_up_at_once_beside_what_it_gives_up_already() {
    let mut desk = desk();
    desk.topics.set("u", 1);
    let reading = |topics: &[&str], epoch| {
        let mut beat = beat("a", epoch, &[0, 1, 2, 3]);
        beat.topics = Some(topics.iter().map(|topic| Arc::from(*topic)).collect());
        beat.owned.as_mut().unwrap().insert(FewTopics::id("u"), [0].into());
        beat
    };
    let first = desk.try_beat(ConsumerBeat { owned: Some(Partitions::new()), ..reading(&["t", "u"], 0) });
    assert_eq!(first.unwrap().assignment.unwrap().len(), 2);
    desk.told("b", 0, &[]);
    let kept = desk.try_beat(reading(&["t", "u"], 2)).unwrap().assignment.unwrap();
    assert_eq!(kept.len(), 2, "of one topic it gives something up: {kept:?}");
    let told = desk.try_beat(reading(&["t"], 2)).unwrap();
    let rest = Partitions::from([(FewTopics::id("t"), kept[&FewTopics::id("t")].clone())]);
    assert_eq!((told.epoch, told.assignment.as_ref()), (2, Some(&rest)));
    let of_a = desk.described().members.remove(0);
    assert_eq!(of_a.assigned.values().flatten().count(), 5, "its own until it has given up");
    // All of it is remembered, and given up together.
    desk.restart();
    assert_eq!(desk.described().members.remove(0), of_a);
    let mut keeps_u = ConsumerBeat { owned: Some(rest.clone()), ..beat("a", 2, &[]) };
    keeps_u.owned.as_mut().unwrap().insert(FewTopics::id("u"), [0].into());
    assert_eq!(desk.try_beat(keeps_u).unwrap().epoch, 2);
    assert_eq!(desk.try_beat(ConsumerBeat { owned: Some(rest), ..beat("a", 2, &[]) }).unwrap().epoch, 4);
}

#[test]
fn who_does_not_give_up_in_time_is_put_out() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    desk.told("b", 0, &[]);
    for _ in 0..13 {
        if desk.try_beat(beat("a", 2, &[0, 1, 2, 3])).is_err() {
            break;
        }
        desk.told("b", 3, &[]);
        desk.pass(Duration::from_secs(5));
    }
    assert_eq!(desk.try_beat(beat("a", 2, &[0, 1, 2, 3])), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let epoch = desk.told("b", 3, &[]);
    assert_eq!(epoch.assignment, Some(partitions(&[0, 1, 2, 3])));
}

#[test]
fn a_replica_in_another_rack_is_another_epoch() {
    // As in a running Kafka 4.3.1, whose assignors ask for no rack either.
    let mut desk = desk();
    desk.told("a", 0, &[]);
    let (mut epoch, mut epochs) = (2, Vec::new());
    for rack in [None, Some("r1"), Some("r1"), Some("r2"), None] {
        desk.topics.move_to(rack);
        epoch = desk.told("a", epoch, &[0, 1, 2, 3]).epoch;
        epochs.push(epoch);
    }
    assert_eq!(epochs, [2, 3, 3, 4, 5]);
}

#[test]
fn epochs_fence_and_a_lost_answer_does_not() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    assert_eq!(desk.try_beat(beat("a", 7, &[])), Err(ErrorCode::FENCED_MEMBER_EPOCH));
    desk.topics.set("t", 5);
    assert_eq!(desk.told("a", 2, &[0, 1, 2, 3]).epoch, 3, "topics have grown");
    assert_eq!(desk.told("a", 2, &[0, 1, 2, 3]).epoch, 3, "its answer was lost");
    assert_eq!(desk.try_beat(beat("a", 2, &[7])), Err(ErrorCode::FENCED_MEMBER_EPOCH));
}

#[test]
fn a_static_member_takes_over_what_it_had() {
    let mut desk = desk();
    let of = |member: &str, epoch| ConsumerBeat { instance_id: Some("i".into()), ..beat(member, epoch, &[]) };
    desk.try_beat(of("a", 0)).unwrap();
    assert_eq!(desk.try_beat(of("b", 0)), Err(ErrorCode::UNRELEASED_INSTANCE_ID));
    assert_eq!(desk.try_beat(of("b", 2)), Err(ErrorCode::FENCED_INSTANCE_ID));
    desk.try_beat(of("a", -2)).unwrap();
    desk.restart();
    let back = desk.try_beat(of("b", 0)).unwrap();
    assert_eq!((back.epoch, back.assignment), (2, Some(partitions(&[0, 1, 2, 3]))), "no other epoch");
    assert_eq!(desk.try_beat(of("a", 2)), Err(ErrorCode::FENCED_INSTANCE_ID));
}

#[test]
fn an_expression_follows_the_topics() {
    let mut desk = desk();
    let by_regex = ConsumerBeat { topics: Some([].into()), regex: Some("t.*".into()), ..beat("a", 0, &[]) };
    let told = desk.try_beat(by_regex).unwrap();
    assert_eq!(told.assignment, Some(partitions(&[0, 1, 2, 3])));
    desk.topics.set("other", 2);
    assert_eq!(desk.told("a", 2, &[0, 1, 2, 3]).epoch, 2, "it does not match");
    desk.topics.set("t2", 2);
    let more = desk.told("a", 2, &[0, 1, 2, 3]);
    assert_eq!((more.epoch, more.assignment.unwrap().len()), (3, 2));
    let wrong = ConsumerBeat { regex: Some("(".into()), ..beat("b", 0, &[]) };
    assert_eq!(desk.try_beat(wrong), Err(ErrorCode::INVALID_REGULAR_EXPRESSION));
    assert_eq!(desk.described().members.len(), 1);
}

/// Could break: a member that has come to another epoch since it sent a commit; what it has had all the time is still its own.
#[test]
fn a_commit_of_an_older_epoch_is_for_what_was_had_since_then() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    desk.told("b", 0, &[]);
    // Partitions 0 and 1 stay with `a`; 2 and 3 are to go.
    let shrunk = desk.told("a", 2, &[0, 1, 2, 3]);
    assert_eq!((shrunk.epoch, shrunk.assignment), (2, Some(partitions(&[0, 1]))));
    assert_eq!(desk.told("a", 2, &[0, 1]).epoch, 3);
    desk.told("b", 3, &[]);
    for restarts in [false, true] {
        if restarts {
            desk.restart();
        }
        assert_eq!(desk.commit("a", 2, 5), Ok(vec![ErrorCode::NONE]));
        assert_eq!(desk.commit("a", 1, 5), Err(ErrorCode::STALE_MEMBER_EPOCH));
        assert_eq!(desk.commit("a", 4, 5), Err(ErrorCode::STALE_MEMBER_EPOCH));
        assert_eq!(desk.commit("b", 2, 5), Err(ErrorCode::STALE_MEMBER_EPOCH), "it never had it");
        let mut both = commit("a", 2, "t", 5);
        let Command::CommitOffsets(commit) = &mut both else { panic!("a commit") };
        commit.offsets.push(NewOffset { partition: 2, ..commit.offsets[0].clone() });
        let refused = Reply::CommitOffsets(Err(ErrorCode::STALE_MEMBER_EPOCH));
        assert_eq!(desk.now_ask(both), refused, "one that is not its own: none is taken");
    }
}

#[test]
fn commits_are_of_members_in_their_epoch() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    assert_eq!(desk.commit("a", 2, 5), Ok(vec![ErrorCode::NONE]));
    assert_eq!(desk.commit("a", 0, 5), Err(ErrorCode::STALE_MEMBER_EPOCH));
    assert_eq!(desk.commit("b", 2, 5), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(
        desk.now_ask(Command::DeleteGroup("g".into())),
        Reply::DeleteGroup(ErrorCode::NON_EMPTY_GROUP)
    );
    desk.told("a", -1, &[]);
    assert_eq!(desk.commit("", -1, 6), Ok(vec![ErrorCode::NONE]));
    assert_eq!(desk.now_ask(Command::DeleteGroup("g".into())), Reply::DeleteGroup(ErrorCode::NONE));
    let again = replayed(&desk.settings, &desk.log);
    assert_eq!(again.summaries(usize::MAX).count(), 0);
}

#[test]
fn an_empty_group_changes_its_protocol_and_one_with_members_does_not_where_that_is_forbidden() {
    let settings = GroupSettings { migration: MigrationPolicy::Disabled, ..GroupSettings::default() };
    let mut desk = Desk::with(settings);
    desk.topics.set("t", 4);
    desk.told("a", 0, &[]);
    let Reply::Join(refused) = desk.now_ask(join("", None, 1)) else { panic!("a join") };
    assert_eq!(refused.error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    desk.told("a", -1, &[]);
    let ticket = desk.ask(join("", None, 1));
    desk.pass(DELAY);
    let joined = desk.joined(ticket);
    assert_eq!(joined.error, ErrorCode::NONE);
    assert_eq!(desk.try_beat(beat("a", 0, &[])), Err(ErrorCode::GROUP_ID_NOT_FOUND));
    desk.now_ask(leave(&[&joined.member_id]));
    desk.told("a", 0, &[]);
    desk.restart();
    assert_eq!(desk.described().members.len(), 1);
}

#[test]
fn what_is_rewritten_is_all_of_it() {
    let mut desk = desk();
    desk.told("a", 0, &[]);
    desk.told("b", 0, &[]);
    desk.commit("a", 2, 5).unwrap();
    for bytes_max in (0..3000).step_by(211) {
        let (mut after, mut log) = (None, Vec::new());
        loop {
            let mut out = Output::default();
            after = desk.groups.rewrite(after.as_ref(), bytes_max, &mut out);
            log.append(&mut out.records);
            if after.is_none() {
                break;
            }
        }
        let (before, log_before) = (desk.described(), std::mem::replace(&mut desk.log, log));
        desk.restart();
        assert_eq!(desk.described(), before, "{bytes_max} bytes at a time");
        desk.log = log_before;
    }
}
