//! Fetch: key 1, versions 4–18. Sessions since 7, leader epochs since 9, flexible since 12, topics by id since 13.
//!
//! A fetch is answered at once when it found `min_bytes`, or anything that is not simply "no records yet"; else when enough
//! records have come or its time is over. While it waits, a partition whose high watermark moves wakes it.
//!
//! Only committed records are there to be read, so that nobody can tell read_committed from read_uncommitted while there are no
//! transactions: the last stable offset is the high watermark, no transaction was aborted. zstd goes to clients of every
//! version, as from Kafka 4.3.1.
//!
//! Where it differs from Kafka 4.3.1:
//! - A partition that is named twice in a request without a session is answered twice (Kafka takes the later one).
//! - Whole batches only; Kafka cuts the last one where the limit is, and the client throws the rest away.
//! - A topic that was deleted while a session by ids holds it is UNKNOWN_TOPIC_ID (Kafka: UNKNOWN_TOPIC_OR_PARTITION).
//! - INCONSISTENT_TOPIC_ID does not come: a name that was made again shares nothing with the old id.
//! - Followers of Kafka's are no replicas here: NOT_LEADER_OR_FOLLOWER, as Kafka tells one that it does not know.

use std::rc::Rc;

use env::Instant;
use storage::partition_log::{LogOffsets, LogSlice};
use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::frame::RequestFrame;
use wire::message::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use wire::primitive::{Array, Message, Records, Uuid};

use super::fetch_read::Look;
use super::fetch_session::{NO_SESSION, PartitionKey, Seen, TopicKey, Wanted};
use super::fetch_visit::{Led, Target, Visit};
use crate::connection::answer::Answer;
use crate::dispatch::Caller;
use crate::memory_pool::Share;
use crate::server::Broker;

/// The first version that says where the leader is when it is not who the client thought.
const LEADER_ENDPOINTS_SINCE: i16 = 16;
/// The first version in which the replica id lies in the replica state.
const REPLICA_STATE_SINCE: i16 = 15;
/// The first version whose clients are to know every codec (KIP-110: zstd).
const EVERY_CODEC_SINCE: i16 = 10;
const READ_COMMITTED: i8 = 1;

/// An answer, and the record batches that are sent between its bytes.
#[derive(Default)]
struct Fetched {
    response: FetchResponse<'static>,
    /// Of each partition that has some, in the order of the answer.
    batches: Vec<Vec<LogSlice>>,
    share: Option<Share>,
}

/// Fetches records.
///
/// # Errors
/// Why the connection is closed.
pub(crate) async fn answer(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    mut request: RequestFrame<'_>,
) -> Result<Answer, String> {
    let (version, correlation_id) = (request.version, request.correlation_id);
    let fetch =
        FetchRequest::decode(&mut request.body, version).map_err(|error| format!("Fetch: {error}"))?;
    if version < EVERY_CODEC_SINCE {
        // Names of topics that are not there are not remembered: anybody can send any number of long ones.
        let there = fetch.topics.iter().map(|topic| topic.topic).filter(|name| broker.topic(name).is_some());
        broker.flows.read_in_old_version(caller.client_id, there, version, Instant::now());
    }
    let Fetched { response, batches, share } = handle(broker, caller, fetch).await;
    let key = ApiKey::Fetch;
    Answer::with_batches(key, version, correlation_id, &response, batches, share, &broker.counters)
        .map_err(|error| error.to_string())
}

async fn handle(broker: &Rc<Broker>, caller: &Caller<'_>, request: FetchRequest<'_>) -> Fetched {
    let read_at = caller.connection.last_active.get();
    let opened = broker.fetch_sessions.borrow_mut().open(&request, caller.version, Instant::now());
    let (context, wanted) = match opened {
        Ok(opened) => opened,
        Err(error) => return Fetched { response: refuse(error), ..Fetched::default() },
    };
    if !matches!(request.isolation_level, 0 | READ_COMMITTED) {
        let response = refuse_partitions(&wanted, ErrorCode::UNKNOWN_SERVER_ERROR);
        return Fetched { response, ..Fetched::default() };
    }
    let is_follower = replica_id(caller, &request) >= 0;
    let mut visit = Visit::new(broker, context, wanted);
    let (looks, share) = if is_follower { visit.refuse() } else { visit.read(&request).await };
    visit.count(&looks, Instant::now().since(read_at));
    let mut looks = looks.into_iter().map(Some).collect::<Vec<_>>();
    let answer_of = |(target, wanted): (&Target, &Wanted)| {
        let partition = wanted.key.partition;
        match target {
            Target::Missing(error) => (missing(partition, *error), Vec::new()),
            Target::Led(place) => {
                let look = looks[*place].take().expect("each partition that is led is looked at once");
                describe(broker, caller.version, &request, partition, look, &visit.led[*place])
            }
        }
    };
    let answers: Vec<_> = visit.targets.iter().zip(&visit.wanted).map(answer_of).collect();
    let seen: Vec<_> = answers.iter().map(|(answer, _)| seen(answer)).collect();
    let (session_id, belongs) = broker.fetch_sessions.borrow_mut().settle(
        context,
        &visit.wanted,
        &seen,
        Instant::now(),
        |at, moves, number| visit.watch(at, &seen[at], moves, number),
    );
    let node_endpoints = endpoints(broker, caller, is_follower, &answers);
    let Visit { wanted, targets, .. } = visit;
    let is_missing = targets.iter().map(|target| matches!(target, Target::Missing(_)));
    let all = wanted.into_iter().zip(answers).zip(belongs).zip(is_missing);
    let (mut found, mut not_found, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    for (((wanted, (answer, slices)), _), is_missing) in all.filter(|((_, belongs), _)| *belongs) {
        // As in Kafka, what is not there comes last.
        if is_missing {
            not_found.push((wanted.key, answer))
        } else {
            found.push((wanted.key, answer))
        }
        batches.extend((!slices.is_empty()).then_some(slices));
    }
    found.append(&mut not_found);
    let response =
        FetchResponse { session_id, responses: by_topic(found), node_endpoints, ..FetchResponse::default() };
    Fetched { response, batches, share }
}

/// An answer that says nothing of partitions.
fn refuse(error: ErrorCode) -> FetchResponse<'static> {
    FetchResponse { error_code: error.code(), session_id: NO_SESSION, ..FetchResponse::default() }
}

fn refuse_partitions(wanted: &[Wanted], error: ErrorCode) -> FetchResponse<'static> {
    let refused = |wanted: &Wanted| (wanted.key.clone(), missing(wanted.key.partition, error));
    FetchResponse { responses: by_topic(wanted.iter().map(refused).collect()), ..refuse(error) }
}

fn replica_id(caller: &Caller<'_>, request: &FetchRequest<'_>) -> i32 {
    if caller.version >= REPLICA_STATE_SINCE { request.replica_state.replica_id } else { request.replica_id }
}

fn describe(
    broker: &Broker,
    version: i16,
    request: &FetchRequest<'_>,
    partition_index: i32,
    look: Look,
    led: &Led,
) -> (PartitionData<'static>, Vec<LogSlice>) {
    let offsets_of = |offsets: LogOffsets| PartitionData {
        partition_index,
        high_watermark: offsets.high_watermark,
        last_stable_offset: offsets.high_watermark,
        log_start_offset: offsets.log_start,
        aborted_transactions: (request.isolation_level == READ_COMMITTED).then(Array::new),
        records: Records::Slice(&[]),
        ..PartitionData::default()
    };
    let without_records = match look {
        Look::Batches { slices, offsets, .. } if slices.is_empty() => offsets_of(offsets),
        Look::Batches { slices, bytes, offsets, .. } => {
            return (PartitionData { records: Records::Spliced(bytes), ..offsets_of(offsets) }, slices);
        }
        Look::Diverging { end, offsets } => PartitionData { diverging_epoch: end, ..offsets_of(offsets) },
        Look::Refused(error) => PartitionData {
            aborted_transactions: None,
            current_leader: match version {
                LEADER_ENDPOINTS_SINCE.. if names_leader(error.code()) => {
                    LeaderIdAndEpoch { leader_id: broker.node().broker_id(), leader_epoch: led.leader_epoch }
                }
                _ => LeaderIdAndEpoch::default(),
            },
            ..missing(partition_index, error)
        },
    };
    (without_records, Vec::new())
}

fn missing(partition_index: i32, error: ErrorCode) -> PartitionData<'static> {
    PartitionData {
        partition_index,
        error_code: error.code(),
        high_watermark: -1,
        records: Records::Slice(&[]),
        ..PartitionData::default()
    }
}

/// Errors with which the client is told who leads (KIP-951).
fn names_leader(error_code: i16) -> bool {
    error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.code()
        || error_code == ErrorCode::FENCED_LEADER_EPOCH.code()
}

fn endpoints(
    broker: &Broker,
    caller: &Caller<'_>,
    is_follower: bool,
    answers: &[(PartitionData<'_>, Vec<LogSlice>)],
) -> Array<'static, NodeEndpoint<'static>> {
    let is_named = || answers.iter().any(|(answer, _)| names_leader(answer.error_code));
    if caller.version < LEADER_ENDPOINTS_SINCE || is_follower || !is_named() {
        return Array::new();
    }
    let (host, port) = caller.connection.advertised.clone();
    vec![NodeEndpoint {
        node_id: broker.node().broker_id(),
        host: host.into(),
        port: port.into(),
        rack: broker.rack(),
    }]
    .into()
}

fn seen(answer: &PartitionData<'_>) -> Seen {
    let is_diverging = answer.diverging_epoch != EpochEndOffset::default();
    Seen {
        has_records: !answer.records.is_empty(),
        is_trouble: answer.error_code != ErrorCode::NONE.code() || is_diverging,
        high_watermark: answer.high_watermark,
        log_start: answer.log_start_offset,
    }
}

/// Groups neighbours of the same topic.
fn by_topic(
    answers: Vec<(PartitionKey, PartitionData<'static>)>,
) -> Array<'static, FetchableTopicResponse<'static>> {
    let mut topics: Vec<(TopicKey, Vec<PartitionData<'static>>)> = Vec::new();
    for (key, answer) in answers {
        match topics.last_mut() {
            Some((topic, partitions)) if *topic == key.topic => partitions.push(answer),
            _ => topics.push((key.topic, vec![answer])),
        }
    }
    let response = |(topic, partitions): (TopicKey, Vec<PartitionData<'static>>)| {
        let (topic, topic_id) = match topic {
            TopicKey::Name(name) => (name.to_string(), Uuid::ZERO),
            TopicKey::Id(id) => (String::new(), id),
        };
        FetchableTopicResponse { topic: topic.into(), topic_id, partitions: partitions.into() }
    };
    topics.into_iter().map(response).collect()
}
