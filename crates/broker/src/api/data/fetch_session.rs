//! Fetch sessions (KIP-227): a consumer names its partitions once, then only what changed, and is answered likewise.
//!
//! A session belongs to no connection: whoever knows its id and epoch goes on with it. Each request raises the epoch, so that
//! one which was lost or came twice is noticed and the client begins anew.
//!
//! Bounds: Kafka's 1,000 sessions; a new one takes the place of one unused for two minutes, else of the smallest if that has
//! fewer partitions. Besides, unlike Kafka, all sessions together hold at most a million partitions. A consumer that gets no
//! session works without.
//!
//! A fetch visits the partitions that are *due*: whatever of them may have to be said. One whose reader is at its end, with
//! nothing left to say, is watched instead until it moves, so that thousands of silent partitions cost a fetch nothing.
//!
//! Invariant: each partition of a session is either due or watched.
//! Invariant: partitions are visited in turn: one that gave records goes to the end, so that none starves (KIP-227).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use cluster::watch::{Moves, Watch};
use env::Instant;
use rustc_hash::FxBuildHasher;
use wire::error::ErrorCode;
use wire::message::fetch::{FetchPartition, FetchRequest};
use wire::primitive::Uuid;

use crate::api::NAMED_MAX;

/// The first version that names topics by id.
pub(super) const TOPIC_IDS_SINCE: i16 = 13;
/// "No session".
pub(super) const NO_SESSION: i32 = 0;
/// A request with this epoch wants a session.
const EPOCH_INITIAL: i32 = 0;
/// A request with this epoch wants none, and ends the one that it names.
const EPOCH_FINAL: i32 = -1;
/// What is known of a partition before its first answer.
const NOTHING_KNOWN: i64 = -1;

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TopicKey {
    Name(Rc<str>),
    Id(Uuid),
}

/// A partition as requests name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PartitionKey {
    pub(super) topic: TopicKey,
    pub(super) partition: i32,
}

/// What a consumer wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) fetch_offset: i64,
    pub(super) current_leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
    pub(super) bytes_max: i32,
}

impl Asked {
    fn of(partition: &FetchPartition) -> Self {
        Self {
            fetch_offset: partition.fetch_offset,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
            bytes_max: partition.partition_max_bytes,
        }
    }
}

/// A partition to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) key: PartitionKey,
    pub(super) asked: Asked,
}

/// What the answer will say of a partition, as far as sessions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) has_records: bool,
    /// An error or a diverging epoch: said again until it is over.
    pub(super) is_trouble: bool,
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
}

impl Seen {
    /// True when there is no more to say before the partition moves.
    fn is_quiet(&self, asked: &Asked) -> bool {
        !self.has_records && !self.is_trouble && asked.fetch_offset == self.high_watermark
    }
}

/// How a request stands to sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Sessionless,
    /// All partitions are named; the answer may begin a session.
    Full,
    /// What changed in this session.
    Incremental(i32),
}

struct Limits {
    sessions_max: usize,
    partitions_max: usize,
    idle_max: Duration,
}

/// See the module's head. `W` stands for a watch of a partition.
pub(crate) struct FetchSessions<W = Watch> {
    sessions: HashMap<i32, Session<W>, FxBuildHasher>,
    by_last_use: BTreeSet<(Instant, i32)>,
    by_size: BTreeSet<(usize, i32)>,
    /// Partitions of all sessions.
    partitions: usize,
    limits: Limits,
}

struct Cached {
    asked: Asked,
    high_watermark: i64,
    log_start: i64,
}

impl Cached {
    fn new(asked: Asked) -> Self {
        Self { asked, high_watermark: NOTHING_KNOWN, log_start: NOTHING_KNOWN }
    }

    /// Notes what the answer says; whether it has to be said.
    fn note(&mut self, seen: &Seen) -> bool {
        let is_news = seen.has_records
            || seen.is_trouble
            || self.high_watermark != seen.high_watermark
            || self.log_start != seen.log_start;
        // After trouble anything is news.
        self.high_watermark = if seen.is_trouble { NOTHING_KNOWN } else { seen.high_watermark };
        self.log_start = seen.log_start;
        is_news
    }
}

/// A partition of a session.
struct Member<W> {
    key: PartitionKey,
    /// Its turn.
    place: u64,
    cached: Cached,
    /// `None` while it is due.
    watch: Option<W>,
}

struct Session<W> {
    /// What the next request must have.
    epoch: i32,
    uses_topic_ids: bool,
    last_use: Instant,
    /// Partitions by number, which is also their watch's.
    members: HashMap<u64, Member<W>, FxBuildHasher>,
    numbers: HashMap<PartitionKey, u64, FxBuildHasher>,
    /// Numbers of the partitions that are visited, by place.
    due: BTreeMap<u64, u64>,
    moves: Rc<Moves>,
    /// The last number or place that was given out.
    last: u64,
}

impl<W> Session<W> {
    fn new(uses_topic_ids: bool, now: Instant) -> Self {
        Self {
            epoch: next_epoch(EPOCH_INITIAL),
            uses_topic_ids,
            last_use: now,
            members: HashMap::default(),
            numbers: HashMap::default(),
            due: BTreeMap::new(),
            moves: Rc::default(),
            last: 0,
        }
    }

    fn take_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a partition, or changes what is wanted of it; it is due then.
    fn want(&mut self, wanted: Wanted) {
        let number = match self.numbers.get(&wanted.key) {
            Some(number) => *number,
            None => self.take_number(),
        };
        if let Some(member) = self.members.get_mut(&number) {
            member.cached.asked = wanted.asked;
            self.make_due(number);
            return;
        }
        let (place, cached) = (self.take_number(), Cached::new(wanted.asked));
        self.numbers.insert(wanted.key.clone(), number);
        self.members.insert(number, Member { key: wanted.key, place, cached, watch: None });
        self.due.insert(place, number);
    }

    fn forget(&mut self, key: &PartitionKey) {
        if let Some(member) = self.numbers.remove(key).and_then(|number| self.members.remove(&number)) {
            self.due.remove(&member.place);
        }
    }

    /// Has a partition visited; `None` when it was to be visited anyway, or is not of this session any more.
    fn make_due(&mut self, number: u64) -> Option<Wanted> {
        let member = self.members.get_mut(&number)?;
        member.watch.take()?;
        self.due.insert(member.place, number);
        Some(member.wanted())
    }

    /// Has what moved visited; returns it.
    fn note_moves(&mut self) -> Vec<Wanted> {
        self.moves.take().into_iter().filter_map(|number| self.make_due(number)).collect()
    }

    fn wanted(&self) -> Vec<Wanted> {
        self.due.values().map(|number| self.members[number].wanted()).collect()
    }

    /// Notes an answer; whether the partition has to be in it. `watch` is asked for one where nothing is left to say.
    fn note(
        &mut self,
        wanted: &Wanted,
        seen: &Seen,
        watch: impl FnOnce(&Rc<Moves>, u64) -> Option<W>,
    ) -> bool {
        let last = self.take_number();
        // One that was forgotten meanwhile was asked for all the same.
        let Some(number) = self.numbers.get(&wanted.key) else { return true };
        let Some(member) = self.members.get_mut(number) else { return true };
        let is_news = member.cached.note(seen);
        if seen.has_records && self.due.remove(&member.place).is_some() {
            member.place = last;
            self.due.insert(last, *number);
        }
        // Another request may have changed meanwhile what is wanted.
        if member.cached.asked == wanted.asked && member.watch.is_none() && seen.is_quiet(&wanted.asked) {
            member.watch = watch(&self.moves, *number);
            if member.watch.is_some() {
                self.due.remove(&member.place);
            }
        }
        is_news
    }
}

impl<W> Member<W> {
    fn wanted(&self) -> Wanted {
        Wanted { key: self.key.clone(), asked: self.cached.asked }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl<W> FetchSessions<W> {
    /// At most so many sessions at a time.
    pub(crate) fn of(sessions_max: usize) -> Self {
        Self::new(Limits { sessions_max, partitions_max: 1_000_000, idle_max: Duration::from_secs(120) })
    }

    fn new(limits: Limits) -> Self {
        Self {
            sessions: HashMap::default(),
            by_last_use: BTreeSet::new(),
            by_size: BTreeSet::new(),
            partitions: 0,
            limits,
        }
    }

    /// What a request wants, and how it stands to sessions.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR: the client begins anew.
    pub(super) fn open(
        &mut self,
        request: &FetchRequest<'_>,
        version: i16,
        now: Instant,
    ) -> Result<(Context, Vec<Wanted>), ErrorCode> {
        let uses_topic_ids = version >= TOPIC_IDS_SINCE;
        match request.session_epoch {
            EPOCH_INITIAL | EPOCH_FINAL => {
                self.remove(request.session_id);
                let is_full = request.session_epoch == EPOCH_INITIAL;
                let context = if is_full { Context::Full } else { Context::Sessionless };
                Ok((context, named(request, uses_topic_ids).collect()))
            }
            _ => self.go_on(request, uses_topic_ids, now),
        }
    }

    fn go_on(
        &mut self,
        request: &FetchRequest<'_>,
        uses_topic_ids: bool,
        now: Instant,
    ) -> Result<(Context, Vec<Wanted>), ErrorCode> {
        let id = request.session_id;
        let session = self.sessions.get(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        // Out and in again: its places by use and size change.
        let Some(mut session) = self.remove(id) else { return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND) };
        session.note_moves();
        for wanted in named(request, uses_topic_ids) {
            session.want(wanted);
        }
        forgotten(request, uses_topic_ids).for_each(|key| session.forget(&key));
        if session.members.is_empty() {
            return Ok((Context::Sessionless, Vec::new()));
        }
        if self.partitions + session.members.len() > self.limits.partitions_max {
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.epoch = next_epoch(session.epoch);
        session.last_use = now;
        let wanted = session.wanted();
        self.insert(id, session);
        Ok((Context::Incremental(id), wanted))
    }

    /// What tells that a partition moved which this request need not visit otherwise; `None` when there is no such one.
    pub(super) fn moves(&self, context: Context) -> Option<Rc<Moves>> {
        let Context::Incremental(id) = context else { return None };
        let session = self.sessions.get(&id)?;
        (session.due.len() < session.members.len()).then(|| session.moves.clone())
    }

    /// The partitions that moved since they were last asked for: they are to be visited too.
    pub(super) fn moved(&mut self, context: Context) -> Vec<Wanted> {
        let Context::Incremental(id) = context else { return Vec::new() };
        self.sessions.get_mut(&id).map(Session::note_moves).unwrap_or_default()
    }

    /// Notes what the partitions' answers say, in the order of `wanted`. `watch` watches one of them, given its place there,
    /// unless it has moved since it was seen.
    ///
    /// Returns the session id of the answer and which partitions belong into it.
    pub(super) fn settle(
        &mut self,
        context: Context,
        wanted: &[Wanted],
        seen: &[Seen],
        now: Instant,
        mut watch: impl FnMut(usize, &Rc<Moves>, u64) -> Option<W>,
    ) -> (i32, Vec<bool>) {
        let everything = vec![true; wanted.len()];
        match context {
            Context::Sessionless => (NO_SESSION, everything),
            Context::Full => (self.begin(wanted, seen, now, watch), everything),
            Context::Incremental(id) => match self.sessions.get_mut(&id) {
                Some(session) => {
                    let both = wanted.iter().zip(seen).enumerate();
                    let note = |(at, (wanted, seen)): (usize, (&Wanted, &Seen))| {
                        session.note(wanted, seen, |moves, number| watch(at, moves, number))
                    };
                    (id, both.map(note).collect())
                }
                // Its place was taken meanwhile; the client learns it by its next request.
                None => (id, everything),
            },
        }
    }

    /// Begins a session if there is room; its id.
    fn begin(
        &mut self,
        wanted: &[Wanted],
        seen: &[Seen],
        now: Instant,
        mut watch: impl FnMut(usize, &Rc<Moves>, u64) -> Option<W>,
    ) -> i32 {
        if self.partitions + wanted.len() > self.limits.partitions_max || !self.make_room(wanted.len(), now) {
            return NO_SESSION;
        }
        let Some(id) = self.free_id() else { return NO_SESSION };
        let uses_topic_ids =
            matches!(wanted.first(), Some(Wanted { key: PartitionKey { topic: TopicKey::Id(_), .. }, .. }));
        let mut session = Session::new(uses_topic_ids, now);
        wanted.iter().for_each(|wanted| session.want(wanted.clone()));
        for (at, (wanted, seen)) in wanted.iter().zip(seen).enumerate() {
            session.note(wanted, seen, |moves, number| watch(at, moves, number));
        }
        self.insert(id, session);
        id
    }

    fn make_room(&mut self, size: usize, now: Instant) -> bool {
        if self.sessions.len() < self.limits.sessions_max {
            return true;
        }
        let stale =
            self.by_last_use.first().filter(|(last_use, _)| now.since(*last_use) > self.limits.idle_max);
        let smaller = self.by_size.first().filter(|(smallest, _)| *smallest < size);
        let place = stale.map(|(_, id)| *id).or(smaller.map(|(_, id)| *id));
        place.is_some_and(|id| self.remove(id).is_some())
    }

    /// A random id, so that no client meets another's session by counting; `None` without a random source.
    fn free_id(&self) -> Option<i32> {
        loop {
            let mut bytes = [0; 4];
            env::random::fill(&mut bytes).ok()?;
            let id = i32::from_be_bytes(bytes) & i32::MAX;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                return Some(id);
            }
        }
    }

    fn insert(&mut self, id: i32, session: Session<W>) {
        self.by_last_use.insert((session.last_use, id));
        self.by_size.insert((session.members.len(), id));
        self.partitions += session.members.len();
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: i32) -> Option<Session<W>> {
        let session = self.sessions.remove(&id)?;
        self.by_last_use.remove(&(session.last_use, id));
        self.by_size.remove(&(session.members.len(), id));
        self.partitions -= session.members.len();
        Some(session)
    }
}

fn named<'r>(request: &'r FetchRequest<'_>, uses_topic_ids: bool) -> impl Iterator<Item = Wanted> + 'r {
    let topics = request.topics.iter().flat_map(move |topic| {
        let key = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        let partitions: Vec<_> = topic.partitions.iter().take(NAMED_MAX).collect();
        partitions.into_iter().map(move |partition| Wanted {
            key: PartitionKey { topic: key.clone(), partition: partition.partition },
            asked: Asked::of(&partition),
        })
    });
    topics.take(NAMED_MAX)
}

fn forgotten<'r>(
    request: &'r FetchRequest<'_>,
    uses_topic_ids: bool,
) -> impl Iterator<Item = PartitionKey> + 'r {
    request.forgotten_topics_data.iter().flat_map(move |topic| {
        let key = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        let partitions: Vec<_> = topic.partitions.iter().take(NAMED_MAX).collect();
        partitions.into_iter().map(move |partition| PartitionKey { topic: key.clone(), partition })
    })
}

fn topic_key(name: &str, id: Uuid, uses_topic_ids: bool) -> TopicKey {
    if uses_topic_ids { TopicKey::Id(id) } else { TopicKey::Name(name.into()) }
}

#[cfg(test)]
#[path = "fetch_session_test.rs"]
mod fetch_session_test;
