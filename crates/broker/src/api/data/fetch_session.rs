//! Fetch sessions (KIP-227): a consumer names its partitions once, then only what changed, and is answered likewise.
//!
//! A session belongs to no connection: whoever knows its id and epoch goes on with it. Each request raises the epoch, so that
//! one which was lost or came twice is noticed and the client begins anew.
//!
//! Bounds: Kafka's 1,000 sessions; a new one takes the place of one unused for two minutes, else of the smallest if that has
//! fewer partitions. Besides, unlike Kafka, all sessions together hold at most a million partitions. A consumer that gets no
//! session works without.
//!
//! Invariant: partitions are visited in turn: one that gave records goes to the end, so that none starves (KIP-227).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

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

/// See the module's head.
pub(crate) struct FetchSessions {
    sessions: HashMap<i32, Session, FxBuildHasher>,
    by_last_use: BTreeSet<(Instant, i32)>,
    by_size: BTreeSet<(usize, i32)>,
    /// Partitions of all sessions.
    partitions: usize,
    limits: Limits,
}

impl Default for FetchSessions {
    fn default() -> Self {
        let limits =
            Limits { sessions_max: 1000, partitions_max: 1_000_000, idle_max: Duration::from_secs(120) };
        Self::new(limits)
    }
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

struct Session {
    /// What the next request must have.
    epoch: i32,
    uses_topic_ids: bool,
    last_use: Instant,
    /// Partitions in the order in which they are visited.
    order: BTreeMap<u64, PartitionKey>,
    partitions: HashMap<PartitionKey, (u64, Cached), FxBuildHasher>,
    next_place: u64,
}

impl Session {
    fn new(uses_topic_ids: bool, now: Instant) -> Self {
        Self {
            epoch: next_epoch(EPOCH_INITIAL),
            uses_topic_ids,
            last_use: now,
            order: BTreeMap::new(),
            partitions: HashMap::default(),
            next_place: 0,
        }
    }

    fn take_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    /// Adds a partition, or changes what is wanted of it.
    fn want(&mut self, wanted: Wanted) {
        if let Some((_, cached)) = self.partitions.get_mut(&wanted.key) {
            cached.asked = wanted.asked;
            return;
        }
        let place = self.take_place();
        self.order.insert(place, wanted.key.clone());
        self.partitions.insert(wanted.key, (place, Cached::new(wanted.asked)));
    }

    fn forget(&mut self, key: &PartitionKey) {
        if let Some((place, _)) = self.partitions.remove(key) {
            self.order.remove(&place);
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |key: &PartitionKey| Wanted { key: key.clone(), asked: self.partitions[key].1.asked };
        self.order.values().map(wanted).collect()
    }

    /// Notes an answer; whether the partition has to be in it.
    fn note(&mut self, key: &PartitionKey, seen: &Seen) -> bool {
        let place = self.take_place();
        // One that was forgotten meanwhile was asked for all the same.
        let Some((old_place, cached)) = self.partitions.get_mut(key) else { return true };
        let is_news = cached.note(seen);
        if seen.has_records {
            self.order.remove(old_place);
            *old_place = place;
            self.order.insert(place, key.clone());
        }
        is_news
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl FetchSessions {
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
        for wanted in named(request, uses_topic_ids) {
            session.want(wanted);
        }
        forgotten(request, uses_topic_ids).for_each(|key| session.forget(&key));
        if session.order.is_empty() {
            return Ok((Context::Sessionless, Vec::new()));
        }
        if self.partitions + session.order.len() > self.limits.partitions_max {
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.epoch = next_epoch(session.epoch);
        session.last_use = now;
        let wanted = session.wanted();
        self.insert(id, session);
        Ok((Context::Incremental(id), wanted))
    }

    /// Notes what the partitions' answers say, in the order of `wanted`.
    ///
    /// Returns the session id of the answer and which partitions belong into it.
    pub(super) fn settle(
        &mut self,
        context: Context,
        wanted: &[Wanted],
        seen: &[Seen],
        now: Instant,
    ) -> (i32, Vec<bool>) {
        let everything = vec![true; wanted.len()];
        match context {
            Context::Sessionless => (NO_SESSION, everything),
            Context::Full => (self.begin(wanted, seen, now), everything),
            Context::Incremental(id) => match self.sessions.get_mut(&id) {
                Some(session) => {
                    let both = wanted.iter().zip(seen);
                    (id, both.map(|(wanted, seen)| session.note(&wanted.key, seen)).collect())
                }
                // Its place was taken meanwhile; the client learns it by its next request.
                None => (id, everything),
            },
        }
    }

    /// Begins a session if there is room; its id.
    fn begin(&mut self, wanted: &[Wanted], seen: &[Seen], now: Instant) -> i32 {
        if self.partitions + wanted.len() > self.limits.partitions_max || !self.make_room(wanted.len(), now) {
            return NO_SESSION;
        }
        let Some(id) = self.free_id() else { return NO_SESSION };
        let uses_topic_ids =
            matches!(wanted.first(), Some(Wanted { key: PartitionKey { topic: TopicKey::Id(_), .. }, .. }));
        let mut session = Session::new(uses_topic_ids, now);
        wanted.iter().for_each(|wanted| session.want(wanted.clone()));
        for (wanted, seen) in wanted.iter().zip(seen) {
            session.note(&wanted.key, seen);
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

    fn insert(&mut self, id: i32, session: Session) {
        self.by_last_use.insert((session.last_use, id));
        self.by_size.insert((session.order.len(), id));
        self.partitions += session.order.len();
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: i32) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.by_last_use.remove(&(session.last_use, id));
        self.by_size.remove(&(session.order.len(), id));
        self.partitions -= session.order.len();
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
