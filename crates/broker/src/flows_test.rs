//! Nothing that was sent is lost from the counts, however many clients there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::commit::Commit;
use cluster::metadata::{Image, Record, TopicRecord};
use env::Instant;
use storage::id::{ShardId, TopicId};
use wire::record::{Builder, Codec, Limits, Scratch, validate};

use super::{
    CLIENT_ID_BYTES_MAX, FLOWS_MAX, Flow, FlowCounts, FlowKey, Flows, OLD_READERS_FOR, OLD_READERS_MAX,
    SWEEP_EVERY, SentBatch,
};

const T: TopicId = TopicId([1; 16]);
const U: TopicId = TopicId([2; 16]);

/// Topics `t` and `u`.
fn image() -> Image {
    let mut image = Image::default();
    for (id, name) in [(T, "t"), (U, "u")] {
        let (name, shards, configs) = (name.to_owned(), vec![ShardId(1)], BTreeMap::new());
        image.apply(Record::TopicCreated(TopicRecord { id, name, shards, configs }));
    }
    image
}

/// A batch that is counted as `bytes` long.
fn batch(codec: Codec, records: i32, is_idempotent: bool, bytes: usize) -> SentBatch {
    let mut builder = Builder::new(codec.into());
    if is_idempotent {
        builder = builder.producer(7, 0, 0);
    }
    for _ in 0..records {
        builder.append(0, None, Some(b"value"), &[]).unwrap();
    }
    let info = validate(&builder.finish().unwrap(), &Limits::default(), &mut Scratch::default()).unwrap();
    SentBatch::new(&info, bytes)
}

fn send(flows: &Flows, image: &Image, topic: TopicId, client: &str, now: Instant) {
    acknowledge(&flow(flows, image, topic, client, now));
}

/// A batch of its was in a commit of its own.
fn acknowledge(flow: &Flow) {
    flow.acknowledged(&batch(Codec::None, 1, false, 70), &commit(1));
}

fn commit(entry: u64) -> Commit {
    Commit { number: entry, entry, records: 10, wait: Duration::from_millis(2) }
}

fn flow(flows: &Flows, image: &Image, topic: TopicId, client: &str, now: Instant) -> std::rc::Rc<Flow> {
    flows.find(&FlowKey::new(topic, Some(client), None), image, now)
}

#[test]
fn a_flow_is_what_one_client_sends_to_one_topic() {
    // Could break: clients or topics are mixed up, or a topic's sum is not that of its clients.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    let software: Arc<str> = "librdkafka 2.3.0".into();
    let key = FlowKey::new(T, Some("a"), Some(&software));
    flows.find(&key, &image, now).acknowledged(&batch(Codec::Zstd, 5, true, 200), &commit(1));
    acknowledge(&flows.find(&key, &image, now));
    send(&flows, &image, T, "b", now);
    send(&flows, &image, U, "a", now);
    let topics = flows.topics(&image);
    assert_eq!(topics.iter().map(|of| &*of.topic).collect::<Vec<_>>(), ["t", "u"]);
    let [a, b] = &topics[0].clients[..] else { panic!("two clients") };
    assert_eq!((&*a.client_id, a.software.as_deref()), ("a", Some("librdkafka 2.3.0")));
    assert_eq!((a.counts.batches, a.counts.records, a.counts.bytes), (2, 6, 270));
    assert_eq!(a.counts.idempotent_batches, 1);
    assert_eq!(a.counts.codecs().collect::<Vec<_>>(), [Codec::None, Codec::Zstd]);
    assert_eq!((&*b.client_id, b.software.as_deref(), b.counts.batches), ("b", None, 1));
    assert_eq!((topics[0].counts.batches, topics[0].counts.records, topics[0].counts.bytes), (3, 7, 340));
    assert_eq!(topics[0].others, FlowCounts::default());
    assert_eq!(topics[1].counts.batches, 1);
}

#[test]
fn a_commit_counts_once_however_many_batches_it_held() {
    // Could break: records per fsync come out too small because each batch counts its commit again.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    let (a, b) = (flow(&flows, &image, T, "a", now), flow(&flows, &image, T, "b", now));
    let one = batch(Codec::None, 1, false, 70);
    a.acknowledged(&one, &commit(1));
    b.acknowledged(&one, &commit(1));
    a.acknowledged(&one, &commit(1));
    a.acknowledged(&one, &commit(2));
    let topics = flows.topics(&image);
    let [of_a, of_b] = &topics[0].clients[..] else { panic!("two clients") };
    let counted = |of: &FlowCounts| (of.commits, of.commit_records, of.wait.as_millis());
    assert_eq!(counted(&of_a.counts), (2, 20, 4));
    assert_eq!(counted(&of_b.counts), (1, 10, 2));
    assert_eq!(counted(&topics[0].counts), (2, 20, 4));
}

#[test]
fn too_many_clients_are_counted_together() {
    // Could break: memory grows with the ids that clients make up, or their batches are not counted.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    for number in 0..FLOWS_MAX + 10 {
        send(&flows, &image, T, &format!("client-{number}"), now);
    }
    let topics = flows.topics(&image);
    assert_eq!(topics[0].clients.len(), FLOWS_MAX);
    assert_eq!(topics[0].others.batches, 10);
    assert_eq!(topics[0].counts.batches, FLOWS_MAX as u64 + 10);
}

#[test]
fn silent_clients_make_room() {
    // Could break: the first thousand clients keep their places for ever, or what they sent is lost with them.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    for number in 0..FLOWS_MAX {
        send(&flows, &image, T, &format!("client-{number}"), now);
    }
    let busy = flow(&flows, &image, T, "client-0", now);
    // The first look at them only notes how far they are.
    send(&flows, &image, U, "new", now);
    acknowledge(&busy);
    let silent = flow(&flows, &image, T, "client-1", now);
    send(&flows, &image, U, "new", now + SWEEP_EVERY);
    assert!(busy.is_of(&FlowKey::new(T, Some("client-0"), None)));
    assert!(!silent.is_of(&FlowKey::new(T, Some("client-1"), None)), "a connection must ask again");
    let topics = flows.topics(&image);
    assert_eq!((&*topics[0].topic, topics[0].clients.len()), ("t", 1));
    assert_eq!(topics[0].clients[0].counts.batches, 2);
    assert_eq!(topics[0].others.batches, FLOWS_MAX as u64 - 1);
    assert_eq!((topics[1].clients.len(), topics[1].counts.batches), (1, 2));
    assert_eq!(topics[1].others.batches, 1, "before there was room");
}

#[test]
fn a_topic_that_is_gone_is_not_told_of() {
    // Could break: a topic that was deleted haunts the metrics.
    let (flows, mut image, now) = (Flows::default(), image(), Instant::now());
    send(&flows, &image, T, "a", now);
    image.apply(Record::TopicDeleted(T));
    assert!(flows.topics(&image).is_empty());
}

#[test]
fn names_are_bounded() {
    // Could break: 32 KiB of name a client, or a cut within a character.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    let long = "ä".repeat(CLIENT_ID_BYTES_MAX);
    send(&flows, &image, T, &long, now);
    let topics = flows.topics(&image);
    assert_eq!(&*topics[0].clients[0].client_id, "ä".repeat(CLIENT_ID_BYTES_MAX / 2));
    assert!(flow(&flows, &image, T, &long, now).is_of(&FlowKey::new(T, Some(&long), None)));
    for number in 0..2 * OLD_READERS_MAX {
        read(&flows, &format!("client-{number}"), &["t"], 4, now);
        read(&flows, "client-0", &[&format!("topic-{number}")], 9, now);
    }
    assert_eq!(flows.old_readers(now).len(), 2 * OLD_READERS_MAX - 1);
}

fn read(flows: &Flows, client: &str, topics: &[&str], version: i16, now: Instant) {
    flows.read_in_old_version(Some(client), topics.iter().copied(), version, now);
}

#[test]
fn an_old_reader_is_told_of_for_an_hour() {
    // Could break: who was upgraded stays in the list for ever, or who reads on in a session drops out of it.
    let (flows, now) = (Flows::default(), Instant::now());
    for number in 0..OLD_READERS_MAX {
        read(&flows, &format!("client-{number}"), &["t", "u"], 4, now);
    }
    read(&flows, "client-0", &[], 7, now + OLD_READERS_FOR / 2);
    read(&flows, "nobody", &[], 7, now);
    let later = now + OLD_READERS_FOR;
    let clients: Vec<_> = flows.old_readers(later).into_iter().map(|reader| reader.client_id).collect();
    assert_eq!(clients, ["client-0".into(), Arc::<str>::from("client-0")]);
    read(&flows, "new", &["t"], 4, later);
    assert_eq!(flows.old_readers(later).len(), 3, "the others made room");
}

#[test]
fn the_library_is_that_of_the_last_connection() {
    // Could break: an upgraded client is shown with the library that it began with.
    let (flows, image, now) = (Flows::default(), image(), Instant::now());
    for version in ["librdkafka 1.9", "librdkafka 2.3"] {
        acknowledge(&flows.find(&FlowKey::new(T, Some("a"), Some(&version.into())), &image, now));
    }
    send(&flows, &image, T, "a", now);
    assert_eq!(flows.topics(&image)[0].clients[0].software.as_deref(), Some("librdkafka 2.3"));
}
