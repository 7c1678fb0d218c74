//! Facts about fetch sessions.

use wire::message::fetch::{FetchTopic, ForgottenTopic};

use super::*;

const IDLE_MAX: Duration = Duration::from_secs(120);

/// A watch only says that there is one.
type Sessions = FetchSessions<()>;

fn sessions(sessions_max: usize, partitions_max: usize) -> Sessions {
    FetchSessions::new(Limits { sessions_max, partitions_max, idle_max: IDLE_MAX })
}

fn request(id: i32, epoch: i32, partitions: &[(i32, i64)], forget: &[i32]) -> FetchRequest<'static> {
    let fetch = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: 100,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: "t".into(),
        partitions: partitions.iter().map(fetch).collect(),
        ..FetchTopic::default()
    };
    let forgotten =
        ForgottenTopic { topic: "t".into(), partitions: forget.to_vec().into(), ..ForgottenTopic::default() };
    FetchRequest {
        session_id: id,
        session_epoch: epoch,
        topics: vec![topic].into(),
        forgotten_topics_data: vec![forgotten].into(),
        ..FetchRequest::default()
    }
}

fn nothing_new(high_watermark: i64) -> Seen {
    Seen { has_records: false, is_trouble: false, high_watermark, log_start: 0 }
}

fn numbers(wanted: &[Wanted]) -> Vec<i32> {
    wanted.iter().map(|wanted| wanted.key.partition).collect()
}

/// Settles with nothing watched.
fn settle(
    sessions: &mut Sessions,
    context: Context,
    wanted: &[Wanted],
    seen: &[Seen],
    now: Instant,
) -> (i32, Vec<bool>) {
    sessions.settle(context, wanted, seen, now, |_, _, _| None)
}

/// Begins a session over `count` partitions whose high watermark is 0; its id.
fn begin(sessions: &mut Sessions, count: i32, now: Instant) -> i32 {
    let partitions: Vec<_> = (0..count).map(|partition| (partition, 0)).collect();
    let (context, wanted) = sessions.open(&request(0, 0, &partitions, &[]), 12, now).unwrap();
    assert_eq!(context, Context::Full);
    let seen = vec![nothing_new(0); wanted.len()];
    settle(sessions, context, &wanted, &seen, now).0
}

#[test]
fn only_what_changed_is_asked_and_answered() {
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 3, now);
    assert_ne!(id, NO_SESSION);

    let (context, wanted) = sessions.open(&request(id, 1, &[(2, 7)], &[0]), 12, now).unwrap();
    assert_eq!((context, numbers(&wanted)), (Context::Incremental(id), vec![1, 2]));
    assert_eq!((wanted[0].asked.fetch_offset, wanted[1].asked.fetch_offset), (0, 7));
    let moved = [nothing_new(0), nothing_new(8)];
    assert_eq!(settle(&mut sessions, context, &wanted, &moved, now), (id, vec![false, true]));

    // A partition that is new to the session is always answered.
    let (context, wanted) = sessions.open(&request(id, 2, &[(5, 0)], &[]), 12, now).unwrap();
    let moved = [nothing_new(0), nothing_new(8), nothing_new(0)];
    assert_eq!(settle(&mut sessions, context, &wanted, &moved, now), (id, vec![false, false, true]));
}

#[test]
fn trouble_is_said_again_and_its_end_too() {
    // The consumer must not take the silence after an error for the error's end, nor the other way round.
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 1, now);
    let trouble = Seen { is_trouble: true, high_watermark: -1, log_start: -1, has_records: false };
    for (epoch, seen, belongs) in
        [(1, trouble, true), (2, trouble, true), (3, nothing_new(0), true), (4, nothing_new(0), false)]
    {
        let (context, wanted) = sessions.open(&request(id, epoch, &[], &[]), 12, now).unwrap();
        assert_eq!(
            settle(&mut sessions, context, &wanted, &[seen], now),
            (id, vec![belongs]),
            "epoch {epoch}"
        );
    }
}

#[test]
fn a_partition_that_gave_records_waits_for_its_turn() {
    // The answer's bound must not always be used up by the same partition.
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 3, now);
    let (context, wanted) = sessions.open(&request(id, 1, &[], &[]), 12, now).unwrap();
    let gave = Seen { has_records: true, ..nothing_new(9) };
    settle(&mut sessions, context, &wanted, &[gave, nothing_new(0), nothing_new(0)], now);
    let (_, wanted) = sessions.open(&request(id, 2, &[], &[]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), [1, 2, 0]);
}

#[test]
fn lost_and_repeated_requests_are_noticed() {
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 1, now);
    let mut open =
        |id, epoch, version| sessions.open(&request(id, epoch, &[], &[]), version, now).map(|_| ());
    assert_eq!(open(id, 2, 12), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert_eq!(open(id, 1, 13), Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    assert_eq!(open(id, 1, 12), Ok(()));
    assert_eq!(open(id, 1, 12), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert_eq!(open(id ^ 1, 1, 12), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert_eq!(open(0, -7, 12), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn a_session_ends_by_request_or_when_it_is_empty() {
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 2, now);
    let (context, wanted) = sessions.open(&request(id, 1, &[], &[0, 1]), 12, now).unwrap();
    assert_eq!((context, wanted), (Context::Sessionless, Vec::new()));
    for epoch in [-1, 0] {
        let id = begin(&mut sessions, 2, now);
        sessions.open(&request(id, epoch, &[], &[]), 12, now).unwrap();
        assert!(sessions.open(&request(id, 1, &[], &[]), 12, now).is_err());
    }
    assert_eq!((sessions.partitions, sessions.by_size.len(), sessions.by_last_use.len()), (0, 0, 0));
}

#[test]
fn a_full_cache_gives_way_to_larger_sessions_and_forgets_unused_ones() {
    let (mut sessions, now) = (sessions(2, 99), Instant::now());
    let (small, large) = (begin(&mut sessions, 1, now), begin(&mut sessions, 5, now));
    assert_eq!(begin(&mut sessions, 1, now), NO_SESSION, "not larger than the smallest");
    let middle = begin(&mut sessions, 3, now);
    assert!(middle != NO_SESSION && !sessions.sessions.contains_key(&small));

    let later = now + IDLE_MAX + Duration::from_secs(1);
    sessions.open(&request(large, 1, &[], &[]), 12, later).unwrap();
    assert_ne!(begin(&mut sessions, 1, later), NO_SESSION);
    assert!(sessions.sessions.contains_key(&large) && !sessions.sessions.contains_key(&middle));
}

#[test]
fn all_sessions_together_are_bounded() {
    // A client must not fill the memory with partitions that nobody has.
    let (mut sessions, now) = (sessions(9, 10), Instant::now());
    let id = begin(&mut sessions, 6, now);
    assert_eq!(begin(&mut sessions, 5, now), NO_SESSION);
    let more: Vec<_> = (6..11).map(|partition| (partition, 0)).collect();
    let grown = sessions.open(&request(id, 1, &more, &[]), 12, now);
    assert_eq!(grown, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert_eq!(sessions.partitions, 0);
}

/// Watches everything that is quiet, and remembers what tells of its moves.
fn settle_watching(
    sessions: &mut Sessions,
    context: Context,
    wanted: &[Wanted],
    seen: &[Seen],
    now: Instant,
) -> Vec<(i32, Rc<Moves>, u64)> {
    let mut watches = Vec::new();
    sessions.settle(context, wanted, seen, now, |at, moves, number| {
        watches.push((wanted[at].key.partition, moves.clone(), number));
        Some(())
    });
    watches
}

#[test]
fn a_silent_partition_is_visited_when_it_moves_and_in_its_turn() {
    // Thousands of silent partitions must cost a fetch nothing, and none of them may be forgotten.
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 4, now);
    let (context, wanted) = sessions.open(&request(id, 1, &[], &[]), 12, now).unwrap();
    assert!(sessions.moves(context).is_none(), "all are visited");
    let mut watches = settle_watching(&mut sessions, context, &wanted, &[nothing_new(0); 4], now);
    assert_eq!(watches.len(), 4);

    let (context, wanted) = sessions.open(&request(id, 2, &[], &[]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), []);
    assert!(sessions.moves(context).is_some());
    for (_, moves, number) in [watches.remove(2), watches.remove(1)] {
        moves.note(number);
    }
    assert_eq!(numbers(&sessions.moved(context)), [2, 1]);
    assert_eq!(numbers(&sessions.moved(context)), []);
    let (context, wanted) = sessions.open(&request(id, 3, &[], &[]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), [1, 2]);

    // One that has more to say stays due, and so does one that can't be watched.
    let unread = Seen { high_watermark: 5, ..nothing_new(0) };
    assert_eq!(settle_watching(&mut sessions, context, &wanted, &[unread, nothing_new(0)], now).len(), 1);
    let (_, wanted) = sessions.open(&request(id, 4, &[(3, 7)], &[0]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), [1, 3]);
}

#[test]
fn a_watch_from_before_a_change_ends_without_harm() {
    // The partition may have been forgotten, or be named again, when the news of its move is read.
    let (mut sessions, now) = (sessions(9, 99), Instant::now());
    let id = begin(&mut sessions, 2, now);
    let (context, wanted) = sessions.open(&request(id, 1, &[], &[]), 12, now).unwrap();
    let watches = settle_watching(&mut sessions, context, &wanted, &[nothing_new(0); 2], now);
    let (context, wanted) = sessions.open(&request(id, 2, &[(1, 3)], &[0]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), [1]);
    watches.iter().for_each(|(_, moves, number)| moves.note(*number));
    assert_eq!(numbers(&sessions.moved(context)), []);
    assert_eq!(settle_watching(&mut sessions, context, &wanted, &[nothing_new(3)], now).len(), 1);
    let (_, wanted) = sessions.open(&request(id, 3, &[], &[]), 12, now).unwrap();
    assert_eq!(numbers(&wanted), []);
}
