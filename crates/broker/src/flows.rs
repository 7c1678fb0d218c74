//! Who produces to what, counted: what the metrics of batching and `takhin batch explain` tell.
//!
//! A *flow* is what the clients of one id send to one topic. A connection keeps the flow that it used last, so that a batch costs
//! a comparison of names and some additions to plain cells.
//!
//! Invariant: at most [`FLOWS_MAX`] flows have counts of their own. Beyond that the batches of new ones are counted for their
//! topic and its *others*; once a minute flows that have been silent since make room.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::commit::Commit;
use cluster::metadata::Image;
use env::Instant;
use rustc_hash::FxBuildHasher;
use storage::id::TopicId;
use wire::record::{BatchInfo, Codec};

/// Flows with counts of their own.
const FLOWS_MAX: usize = 1024;
/// How often silent ones make room.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Bytes of a client's id that are remembered.
const CLIENT_ID_BYTES_MAX: usize = 128;
/// Clients that read in old versions, and topics of each, that are remembered ...
const OLD_READERS_MAX: usize = 64;
/// ... for so long after their last Fetch: one that was upgraded is forgotten.
const OLD_READERS_FOR: Duration = Duration::from_hours(1);

/// What was counted of a flow, or of all flows of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Record batches acknowledged.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of the batches, as they were sent.
    pub bytes: u64,
    /// How many of the batches were an idempotent producer's.
    pub idempotent_batches: u64,
    /// Commits that held some of them, each one durable write.
    pub commits: u64,
    /// Records, whosesoever, in those commits.
    pub commit_records: u64,
    /// How long the first batches of those commits waited, in sum.
    pub wait: Duration,
    /// The codecs that came, a bit for each by its number.
    codecs: u8,
}

impl FlowCounts {
    /// The codecs of the batches.
    pub fn codecs(&self) -> impl Iterator<Item = Codec> {
        let codecs = self.codecs;
        Codec::ALL.into_iter().filter(move |codec| codecs & bit(*codec) != 0)
    }
}

impl AddAssign for FlowCounts {
    fn add_assign(&mut self, more: Self) {
        self.batches += more.batches;
        self.records += more.records;
        self.bytes += more.bytes;
        self.idempotent_batches += more.idempotent_batches;
        self.commits += more.commits;
        self.commit_records += more.commit_records;
        self.wait += more.wait;
        self.codecs |= more.codecs;
    }
}

fn bit(codec: Codec) -> u8 {
    1 << codec as u8
}

/// What the clients of one id sent to a topic.
#[derive(Clone, Debug)]
pub struct ClientFlow {
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Name and version of the library that it used last, if it said so (KIP-511).
    pub software: Option<Arc<str>>,
    /// What it sent.
    pub counts: FlowCounts,
}

/// What was sent to a topic.
#[derive(Clone, Debug)]
pub struct TopicFlows {
    /// The topic's name.
    pub topic: Arc<str>,
    /// By all.
    pub counts: FlowCounts,
    /// By each client that has counts of its own, most batches first.
    pub clients: Vec<ClientFlow>,
    /// By the others.
    pub others: FlowCounts,
}

/// A client that reads a topic in a version of Fetch that is older than a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldReader {
    /// What it calls itself.
    pub client_id: Arc<str>,
    /// What it reads.
    pub topic: Arc<str>,
    /// The version of its last Fetch that named the topic.
    pub fetch_version: i16,
}

#[derive(Default)]
struct Counts {
    counts: Cell<FlowCounts>,
    /// The last entry that was counted.
    entry: Cell<u64>,
}

impl Counts {
    fn change(&self, change: impl FnOnce(&mut FlowCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    fn acknowledged(&self, batch: &SentBatch, commit: &Commit) {
        let is_first_of_entry = self.entry.replace(commit.entry) != commit.entry;
        self.change(|counts| {
            counts.batches += 1;
            counts.records += u64::from(batch.records);
            counts.bytes += u64::from(batch.bytes);
            counts.idempotent_batches += u64::from(batch.is_idempotent);
            counts.codecs |= bit(batch.codec);
            if is_first_of_entry {
                counts.commits += 1;
                counts.commit_records += commit.records;
                counts.wait += commit.wait;
            }
        });
    }
}

/// A flow, for whoever counts.
pub(crate) struct Flow {
    topic_id: TopicId,
    /// `None`: the others of the topic.
    client_id: Option<Arc<str>>,
    /// Of the connection that came to it last.
    software: RefCell<Option<Arc<str>>>,
    own: Counts,
    of_topic: Rc<Counts>,
    /// What it had sent when silent ones were looked for last.
    batches_before: Cell<u64>,
    is_listed: Cell<bool>,
}

impl Flow {
    fn of_client(key: &FlowKey<'_>, of_topic: Rc<Counts>) -> Rc<Self> {
        Self::new(key.topic_id, Some(key.client_id.into()), of_topic)
    }

    fn of_others(topic_id: TopicId, of_topic: Rc<Counts>) -> Rc<Self> {
        Self::new(topic_id, None, of_topic)
    }

    fn new(topic_id: TopicId, client_id: Option<Arc<str>>, of_topic: Rc<Counts>) -> Rc<Self> {
        Rc::new(Self {
            topic_id,
            client_id,
            software: RefCell::default(),
            own: Counts::default(),
            of_topic,
            batches_before: Cell::default(),
            is_listed: Cell::new(true),
        })
    }

    fn note_software(&self, software: Option<&Arc<str>>) {
        if software.is_some() {
            *self.software.borrow_mut() = software.cloned();
        }
    }

    /// True when this is still where `key` is counted.
    pub(crate) fn is_of(&self, key: &FlowKey<'_>) -> bool {
        self.topic_id == key.topic_id
            && self.client_id.as_deref() == Some(key.client_id)
            && self.is_listed.get()
    }

    /// One of its batches is acknowledged; it was in this commit.
    pub(crate) fn acknowledged(&self, batch: &SentBatch, commit: &Commit) {
        self.own.acknowledged(batch, commit);
        self.of_topic.acknowledged(batch, commit);
    }
}

/// What is counted of a record batch once it is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentBatch {
    records: u32,
    bytes: u32,
    codec: Codec,
    is_idempotent: bool,
}

impl SentBatch {
    /// Of a batch that was checked, and is `bytes` bytes long.
    pub(crate) fn new(info: &BatchInfo, bytes: usize) -> Self {
        Self {
            records: info.header.record_count.unsigned_abs(),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            codec: info.codec,
            is_idempotent: info.header.has_producer_id(),
        }
    }
}

/// Which flow is asked for.
pub(crate) struct FlowKey<'a> {
    topic_id: TopicId,
    client_id: &'a str,
    software: Option<&'a Arc<str>>,
}

impl<'a> FlowKey<'a> {
    /// Of a client that calls itself so, if anything, and whose library is known or not.
    pub(crate) fn new(topic_id: TopicId, client_id: Option<&'a str>, software: Option<&'a Arc<str>>) -> Self {
        Self { topic_id, client_id: name_of(client_id), software }
    }
}

/// What is remembered of a client's id, which may be 32 KiB long; nothing said is an empty one.
fn name_of(client_id: Option<&str>) -> &str {
    let client_id = client_id.unwrap_or_default();
    &client_id[..client_id.floor_char_boundary(CLIENT_ID_BYTES_MAX)]
}

struct OfTopic {
    all: Rc<Counts>,
    clients: HashMap<Arc<str>, Rc<Flow>, FxBuildHasher>,
    others: Rc<Flow>,
}

impl OfTopic {
    fn new(topic_id: TopicId) -> Self {
        let all = Rc::new(Counts::default());
        Self { others: Flow::of_others(topic_id, all.clone()), clients: HashMap::default(), all }
    }

    /// Has those that sent nothing since the last time join the others.
    fn sweep(&mut self) {
        let others = &self.others.own;
        self.clients.retain(|_, flow| {
            let counts = flow.own.counts.get();
            let is_silent = flow.batches_before.replace(counts.batches) == counts.batches;
            if is_silent {
                flow.is_listed.set(false);
                others.change(|others| *others += counts);
            }
            !is_silent
        });
    }
}

/// A client that reads in old versions.
struct OldClient {
    fetched_at: Instant,
    /// Versions of Fetch, by topic.
    versions: BTreeMap<Arc<str>, i16>,
}

impl OldClient {
    fn is_old_at(&self, now: Instant) -> bool {
        now < self.fetched_at + OLD_READERS_FOR
    }
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Flows {
    by_topic: RefCell<HashMap<TopicId, OfTopic, FxBuildHasher>>,
    listed: Cell<usize>,
    swept_at: Cell<Option<Instant>>,
    /// By client.
    old_readers: RefCell<BTreeMap<Arc<str>, OldClient>>,
}

impl Flows {
    /// Where batches of `key` are counted. `image` says which topics there are.
    pub(crate) fn find(&self, key: &FlowKey<'_>, image: &Image, now: Instant) -> Rc<Flow> {
        let mut by_topic = self.by_topic.borrow_mut();
        let known = by_topic.get(&key.topic_id).and_then(|of_topic| of_topic.clients.get(key.client_id));
        if let Some(flow) = known {
            flow.note_software(key.software);
            return flow.clone();
        }
        if self.listed.get() >= FLOWS_MAX && self.is_sweep_due(now) {
            by_topic.retain(|topic_id, _| image.topic_by_id(*topic_id).is_some());
            by_topic.values_mut().for_each(OfTopic::sweep);
            self.listed.set(by_topic.values().map(|of_topic| of_topic.clients.len()).sum());
        }
        let of_topic = by_topic.entry(key.topic_id).or_insert_with(|| OfTopic::new(key.topic_id));
        if self.listed.get() >= FLOWS_MAX {
            return of_topic.others.clone();
        }
        let flow = Flow::of_client(key, of_topic.all.clone());
        flow.note_software(key.software);
        of_topic.clients.insert(key.client_id.into(), flow.clone());
        self.listed.set(self.listed.get() + 1);
        flow
    }

    fn is_sweep_due(&self, now: Instant) -> bool {
        let is_due = self.swept_at.get().is_none_or(|swept_at| now >= swept_at + SWEEP_EVERY);
        if is_due {
            self.swept_at.set(Some(now));
        }
        is_due
    }

    /// A client asked for records in a version of Fetch that does not know every codec. `topics` are those of its request that
    /// there are: an incremental request names none, and is of those that were named before.
    pub(crate) fn read_in_old_version(
        &self,
        client_id: Option<&str>,
        topics: impl Iterator<Item = impl AsRef<str>>,
        fetch_version: i16,
        now: Instant,
    ) {
        let client_id = name_of(client_id);
        let mut old_readers = self.old_readers.borrow_mut();
        let mut topics = topics.peekable();
        if !old_readers.contains_key(client_id) {
            if topics.peek().is_none() {
                return;
            }
            if old_readers.len() >= OLD_READERS_MAX {
                old_readers.retain(|_, client| client.is_old_at(now));
            }
            if old_readers.len() >= OLD_READERS_MAX {
                return;
            }
            old_readers.insert(client_id.into(), OldClient { fetched_at: now, versions: BTreeMap::new() });
        }
        let Some(client) = old_readers.get_mut(client_id) else { return };
        client.fetched_at = now;
        for topic in topics {
            let topic = topic.as_ref();
            if let Some(version) = client.versions.get_mut(topic) {
                *version = fetch_version;
            } else if client.versions.len() < OLD_READERS_MAX {
                client.versions.insert(topic.into(), fetch_version);
            }
        }
    }

    /// What was counted of the topics that there are, most batches first.
    pub(crate) fn topics(&self, image: &Image) -> Vec<TopicFlows> {
        let by_topic = self.by_topic.borrow();
        let there = by_topic.iter().filter_map(|(topic_id, of)| Some((image.topic_by_id(*topic_id)?, of)));
        let mut topics: Vec<_> = there
            .map(|(topic, of_topic)| TopicFlows {
                topic: topic.name.clone(),
                counts: of_topic.all.counts.get(),
                clients: clients(of_topic),
                others: of_topic.others.own.counts.get(),
            })
            .collect();
        topics.sort_unstable_by(|a, b| (b.counts.batches, &a.topic).cmp(&(a.counts.batches, &b.topic)));
        topics
    }

    /// Clients that read in old versions, as far as they are remembered.
    pub(crate) fn old_readers(&self, now: Instant) -> Vec<OldReader> {
        let old_readers = self.old_readers.borrow();
        let still_old = old_readers.iter().filter(|(_, client)| client.is_old_at(now));
        let each = still_old.flat_map(|(client_id, client)| {
            client.versions.iter().map(|(topic, fetch_version)| OldReader {
                client_id: client_id.clone(),
                topic: topic.clone(),
                fetch_version: *fetch_version,
            })
        });
        each.collect()
    }
}

fn clients(of_topic: &OfTopic) -> Vec<ClientFlow> {
    let mut clients: Vec<_> = of_topic
        .clients
        .iter()
        .map(|(client_id, flow)| ClientFlow {
            client_id: client_id.clone(),
            software: flow.software.borrow().clone(),
            counts: flow.own.counts.get(),
        })
        .collect();
    clients.sort_unstable_by(|a, b| (b.counts.batches, &a.client_id).cmp(&(a.counts.batches, &b.client_id)));
    clients
}

#[cfg(test)]
#[path = "flows_test.rs"]
mod flows_test;
