//! Metadata: key 3, versions 0–13. Flexible since 9; topic ids in answers since 10, in questions since 12.
//!
//! A topic that is not there is created when broker and client allow it; as in Kafka the answer does not have it yet, and the
//! client asks again. A node alone leads everything and is the controller; a partition that is just being created has
//! LEADER_NOT_AVAILABLE.
//!
//! Where it differs from Kafka 4.3.1:
//! - A topic with neither name nor id is answered with INVALID_REQUEST (Kafka fails with UNKNOWN_SERVER_ERROR).
//! - All topics come in the order of their names; known ones come before the others.
//! - One request creates at most 10,000 partitions, and names beyond `NAMED_MAX` are not answered.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::{Topic, check_topic_name};
use cluster::node::{CreateTopicError, NewTopic};
use rustc_hash::FxBuildHasher;
use storage::id::{PartitionId, TopicId};
use wire::error::ErrorCode;
use wire::message::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use wire::primitive::{Array, Uuid};

use crate::api::{METADATA_TOPIC, NAMED_MAX, NEW_PARTITIONS_MAX};
use crate::dispatch::Caller;
use crate::groups::OFFSETS_TOPIC;
use crate::server::Broker;
use crate::topics::is_internal;

/// The first version in which a client may ask by id.
const ASK_BY_ID_SINCE: i16 = 12;
/// Bits of Kafka's `AclOperation`s: what anybody may do with a topic (all but cluster things) while nobody is refused.
pub(super) const TOPIC_OPERATIONS: i32 = 3576;
/// Likewise with the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 8096;

/// Describes brokers and topics.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: MetadataRequest<'a>,
) -> MetadataResponse<'a> {
    let asked = match &request.topics {
        // Version 0 has no null: nothing asked for is everything.
        Some(topics) if caller.version == 0 && topics.is_empty() => None,
        asked => asked.as_ref(),
    };
    if let Some(invalid) = asked.and_then(|topics| refuse_question(topics, caller.version)) {
        return invalid;
    }
    let found = match asked {
        None => broker.node().image().topics().map(|topic| Found::Topic(topic.clone())).collect(),
        Some(topics) if topics.iter().any(|topic| topic.topic_id != Uuid::ZERO) => find_ids(broker, topics),
        Some(topics) => find_names(broker, topics, request.allow_auto_topic_creation).await,
    };
    let operations = |asked: bool, all: i32| if asked { all } else { i32::MIN };
    let topic_operations = operations(request.include_topic_authorized_operations, TOPIC_OPERATIONS);
    let topics = found.into_iter().map(|found| MetadataResponseTopic {
        topic_authorized_operations: if matches!(found, Found::Topic(_)) {
            topic_operations
        } else {
            i32::MIN
        },
        ..describe(broker, found)
    });
    let (host, port) = caller.connection.advertised.clone();
    let node_id = broker.node().broker_id();
    let (host, port) = (host.into(), port.into());
    let this = MetadataResponseBroker { node_id, host, port, rack: broker.rack() };
    MetadataResponse {
        throttle_time_ms: 0,
        brokers: vec![this].into(),
        cluster_id: Some(broker.node().cluster_id().to_owned().into()),
        controller_id: node_id,
        topics: topics.collect(),
        cluster_authorized_operations: operations(
            request.include_cluster_authorized_operations,
            CLUSTER_OPERATIONS,
        ),
        error_code: ErrorCode::NONE.code(),
    }
}

/// What there is to say of a topic that was asked for.
enum Found<'a> {
    Topic(Arc<Topic>),
    NoName { name: std::borrow::Cow<'a, str>, error: ErrorCode },
    NoId(Uuid),
}

/// Kafka refuses some questions whole: every topic is in error and no broker is named.
fn refuse_question<'a>(
    topics: &Array<'a, MetadataRequestTopic<'a>>,
    version: i16,
) -> Option<MetadataResponse<'a>> {
    let is_refused = |topic: MetadataRequestTopic<'_>| match (topic.name, topic.topic_id) {
        (None, Uuid::ZERO) => true,
        (None, _) => version < ASK_BY_ID_SINCE,
        (Some(_), id) => id != Uuid::ZERO && version < ASK_BY_ID_SINCE,
    };
    if !topics.iter().any(is_refused) {
        return None;
    }
    let refused = topics.iter().take(NAMED_MAX).map(|topic| MetadataResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST.code(),
        name: Some(topic.name.unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    });
    Some(MetadataResponse { topics: refused.collect(), ..MetadataResponse::default() })
}

/// As in Kafka, one id makes the whole question one by ids.
fn find_ids<'a>(broker: &Broker, topics: &Array<'a, MetadataRequestTopic<'a>>) -> Vec<Found<'a>> {
    let mut seen = HashSet::with_hasher(FxBuildHasher);
    let image = broker.node().image();
    let ids = topics.iter().take(NAMED_MAX).map(|topic| topic.topic_id);
    ids.filter(|id| *id != Uuid::ZERO && seen.insert(*id))
        .map(|id| {
            image.topic_by_id(TopicId(id.0)).map_or(Found::NoId(id), |topic| Found::Topic(topic.clone()))
        })
        .collect()
}

async fn find_names<'a>(
    broker: &Rc<Broker>,
    topics: &Array<'a, MetadataRequestTopic<'a>>,
    client_allows_creation: bool,
) -> Vec<Found<'a>> {
    let (mut seen, mut known, mut others) = (HashSet::with_hasher(FxBuildHasher), Vec::new(), Vec::new());
    let mut may_create =
        if client_allows_creation && broker.options.auto_create_topics { NEW_PARTITIONS_MAX } else { 0 };
    for name in topics.iter().take(NAMED_MAX).filter_map(|topic| topic.name) {
        if !seen.insert(name.clone()) {
            continue;
        }
        match find_name(broker, &name, &mut may_create).await {
            Ok(topic) => known.push(Found::Topic(topic)),
            Err(error) => others.push(Found::NoName { name, error }),
        }
    }
    known.append(&mut others);
    known
}

/// Finds a topic. One that is not there is created while partitions may be, which whoever asked hears when it asks again: clients
/// know that from Kafka, which answers before it creates.
async fn find_name(broker: &Rc<Broker>, name: &str, may_create: &mut usize) -> Result<Arc<Topic>, ErrorCode> {
    if let Some(topic) = broker.node().image().topic(name) {
        return Ok(topic.clone());
    }
    check_topic_name(name).map_err(|_| ErrorCode::INVALID_TOPIC_EXCEPTION)?;
    let options = &broker.options;
    let partitions = if name == OFFSETS_TOPIC { options.groups.partitions } else { options.num_partitions };
    let left = may_create.checked_sub(usize::try_from(partitions).unwrap_or(usize::MAX));
    let may_be_created = name == OFFSETS_TOPIC || !is_internal(name) && name != METADATA_TOPIC;
    if let (Some(left), true) = (left, may_be_created) {
        *may_create = left;
        create(broker, name).await;
    }
    Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// Creates a topic with everything as the broker has it. Why there is none is told to whoever creates it by name.
async fn create(broker: &Rc<Broker>, name: &str) {
    let failed = if name == OFFSETS_TOPIC {
        broker.groups.found(broker).await.err().map(|error| error.to_string())
    } else {
        let partitions = broker.options.num_partitions;
        let new = NewTopic { name: name.to_owned(), partitions, configs: BTreeMap::new() };
        match broker.node().create_topic(new).await {
            Ok(_) | Err(CreateTopicError::Exists(_)) => None,
            Err(error) => Some(error.to_string()),
        }
    };
    if let Some(error) = failed {
        tracing::debug!(topic = name, error, "a topic was not created by asking for it");
    }
}

fn describe<'a>(broker: &Broker, found: Found<'a>) -> MetadataResponseTopic<'a> {
    match found {
        Found::Topic(topic) => MetadataResponseTopic {
            error_code: ErrorCode::NONE.code(),
            topic_id: Uuid(topic.id.0),
            is_internal: is_internal(&topic.name),
            partitions: describe_partitions(broker, &topic),
            name: Some(topic.name.to_string().into()),
            ..MetadataResponseTopic::default()
        },
        Found::NoName { name, error } => MetadataResponseTopic {
            error_code: error.code(),
            is_internal: is_internal(&name),
            name: Some(name),
            ..MetadataResponseTopic::default()
        },
        Found::NoId(id) => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID.code(),
            name: None,
            topic_id: id,
            ..MetadataResponseTopic::default()
        },
    }
}

fn describe_partitions(broker: &Broker, topic: &Topic) -> Array<'static, MetadataResponsePartition<'static>> {
    let node = broker.node();
    let describe = |(partition, shard)| {
        let led = node.partitions().find(&PartitionId { topic_id: topic.id, partition });
        let replicas = || Array::from(vec![node.broker_id()]);
        let known = MetadataResponsePartition {
            partition_index: partition,
            replica_nodes: replicas(),
            isr_nodes: replicas(),
            ..MetadataResponsePartition::default()
        };
        match led {
            Some(led) => MetadataResponsePartition {
                leader_id: node.broker_id(),
                leader_epoch: node.leader_epoch(shard, led.epoch_base),
                ..known
            },
            None => MetadataResponsePartition {
                error_code: ErrorCode::LEADER_NOT_AVAILABLE.code(),
                leader_id: -1,
                ..known
            },
        }
    };
    (0..).zip(topic.shards.iter().copied()).map(describe).collect()
}
