//! CreateTopics: key 19, versions 2–7. Flexible since 5, which also answers with the topic's configs; 7 with its id.
//!
//! Topics are created one after the other; each is answered once its partitions take records, so `timeout_ms` is not
//! looked at.
//!
//! Checks are Kafka's, in Kafka's order, in Kafka's words: the whole request (10,000 partitions), duplicates, then per
//! topic its name, its configs, and its replicas. Where it differs from Kafka 4.3.1:
//! - Two names of one request that differ by `.` and `_` only collide (Kafka creates both).
//! - The topic id of a topic that is only validated is zero (Kafka makes one up).
//! - Of more than `NAMED_MAX` topics the rest is not answered; such a request creates nothing.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::metadata::check_topic_name;
use cluster::node::{CreateTopicError, NewTopic};
use wire::error::ErrorCode;
use wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use wire::primitive::{Array, Uuid};

use super::new_partitions::{Names, Refusal, check_replicas, check_total, duplicate_name, refuse};
use crate::api::{METADATA_TOPIC, NAMED_MAX};
use crate::configs::{self, Origins, topic};
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// Creates topics.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: CreateTopicsRequest<'a>,
) -> CreateTopicsResponse<'a> {
    let names = Names::of(request.topics.iter().map(|topic| topic.name));
    let once = |topic: &CreatableTopic<'a>| names.is_once(&topic.name);
    let partitions = request.topics.iter().filter(once).map(|topic| partitions_wanted(&topic, broker)).sum();
    let mut results = Vec::new();
    for topic in request.topics.iter().take(NAMED_MAX).filter(once) {
        let result = match check_total(partitions).and_then(|()| plan(broker, &topic)) {
            Err(refusal) => Err(refusal),
            Ok(new) if request.validate_only => Ok(created(broker, &new, Uuid::ZERO)),
            Ok(new) => create(broker, new).await,
        };
        results.push(CreatableTopicResult { name: topic.name, ..result.unwrap_or_else(refused) });
    }
    for name in names.duplicates() {
        results.push(CreatableTopicResult { name, ..refused(duplicate_name()) });
    }
    CreateTopicsResponse { throttle_time_ms: 0, topics: results.into() }
}

fn partitions_wanted(topic: &CreatableTopic<'_>, broker: &Broker) -> usize {
    let default = usize::try_from(broker.options.num_partitions).unwrap_or(usize::MAX);
    if !topic.assignments.is_empty() {
        return topic.assignments.len();
    }
    // Kafka takes every number that is not one for the default here; it is refused in its own words later.
    usize::try_from(topic.num_partitions).ok().filter(|partitions| *partitions > 0).unwrap_or(default)
}

/// Checks one topic of the request; what is to be created.
fn plan(broker: &Broker, topic: &CreatableTopic<'_>) -> Result<NewTopic, Refusal> {
    check_name(broker, &topic.name)?;
    let configs = checked_configs(&topic.configs)?;
    let partitions = match topic.assignments.is_empty() {
        true => checked_partitions(topic, broker.options.num_partitions)?,
        false => checked_assignments(topic, broker.node().broker_id())?,
    };
    Ok(NewTopic { name: topic.name.clone().into_owned(), partitions, configs })
}

fn check_name(broker: &Broker, name: &str) -> Result<(), Refusal> {
    if name == METADATA_TOPIC {
        let message = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        return refuse(ErrorCode::INVALID_REQUEST, message);
    }
    if let Err(error) = check_topic_name(name) {
        return refuse(ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string());
    }
    let image = broker.node().image();
    if image.topic(name).is_some() {
        return Err(not_created(&CreateTopicError::Exists(name.to_owned())));
    }
    if let Some(other) = image.colliding_topic(name) {
        let (name, other) = (name.to_owned(), other.to_string());
        return Err(not_created(&CreateTopicError::Collides { name, other }));
    }
    Ok(())
}

/// Of a config that is named twice the last value counts.
fn checked_configs(
    configs: &Array<'_, CreatableTopicConfig<'_>>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let invalid =
        |error: topic::ConfigError| Refusal { error: ErrorCode::INVALID_CONFIG, message: error.to_string() };
    let mut checked = BTreeMap::new();
    for config in configs {
        let Some(value) = config.value else {
            let message = format!("Null value not supported for topic configs: {}", config.name);
            return refuse(ErrorCode::INVALID_CONFIG, message);
        };
        topic::check(&config.name, &value).map_err(invalid)?;
        checked.insert(config.name.into_owned(), value.into_owned());
    }
    topic::check_together(&checked).map_err(invalid)?;
    Ok(checked)
}

fn checked_partitions(topic: &CreatableTopic<'_>, default: u32) -> Result<u32, Refusal> {
    match topic.replication_factor {
        -1 | 1 => {}
        ..=0 => {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return refuse(ErrorCode::INVALID_REPLICATION_FACTOR, message);
        }
        factor => {
            let message = format!(
                "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot \
                 be reached because only 1 broker(s) are registered or some brokers have all their log directories \
                 cordoned."
            );
            return refuse(ErrorCode::INVALID_REPLICATION_FACTOR, message);
        }
    }
    match u32::try_from(topic.num_partitions) {
        Ok(partitions) if partitions > 0 => Ok(partitions),
        Err(_) if topic.num_partitions == -1 => Ok(default),
        _ => {
            let message = "Number of partitions was set to an invalid non-positive value.";
            refuse(ErrorCode::INVALID_PARTITIONS, message)
        }
    }
}

fn checked_assignments(topic: &CreatableTopic<'_>, broker_id: i32) -> Result<u32, Refusal> {
    if topic.replication_factor != -1 {
        let message =
            "A manual partition assignment was specified, but replication factor was not set to -1.";
        return refuse(ErrorCode::INVALID_REQUEST, message);
    }
    if topic.num_partitions != -1 {
        let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
        return refuse(ErrorCode::INVALID_REQUEST, message);
    }
    let mut is_assigned = vec![false; topic.assignments.len()];
    let mut has_gap = false;
    for assignment in &topic.assignments {
        let place =
            usize::try_from(assignment.partition_index).ok().and_then(|place| is_assigned.get_mut(place));
        match place {
            // A number that is too large leaves another one unassigned.
            None => has_gap = true,
            Some(true) => {
                let partition = assignment.partition_index;
                let message =
                    format!("Found multiple manual partition assignments for partition {partition}");
                return refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
            }
            Some(assigned) => *assigned = true,
        }
        check_replicas(&assignment.broker_ids, broker_id)?;
    }
    if has_gap {
        let message = "partitions should be a consecutive 0-based integer sequence";
        return refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    }
    Ok(u32::try_from(is_assigned.len()).expect("at most NEW_PARTITIONS_MAX"))
}

async fn create(broker: &Broker, new: NewTopic) -> Result<CreatableTopicResult<'static>, Refusal> {
    let answer = created(broker, &new, Uuid::ZERO);
    let topic = broker.node().create_topic(new).await.map_err(|error| not_created(&error))?;
    Ok(CreatableTopicResult { topic_id: Uuid(topic.id.0), ..answer })
}

fn not_created(error: &CreateTopicError) -> Refusal {
    let message = match error {
        CreateTopicError::Exists(name) => format!("Topic '{name}' already exists."),
        CreateTopicError::Collides { name, other } => {
            format!("Topic '{name}' collides with existing topic: {other}")
        }
        _ => error.to_string(),
    };
    Refusal { error: error_map::create_topic(error), message }
}

/// The answer for a topic that is there, but for its name.
fn created(broker: &Broker, new: &NewTopic, topic_id: Uuid) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        topic_id,
        error_message: None,
        num_partitions: i32::try_from(new.partitions).unwrap_or(i32::MAX),
        replication_factor: 1,
        configs: Some(described(broker, &new.configs)),
        ..CreatableTopicResult::default()
    }
}

fn described(
    broker: &Broker,
    configs: &BTreeMap<String, String>,
) -> Array<'static, CreatableTopicConfigs<'static>> {
    let describe = |config: configs::Described| CreatableTopicConfigs {
        name: config.name,
        value: config.value,
        read_only: config.is_read_only,
        config_source: config.source as i8,
        is_sensitive: config.is_sensitive,
    };
    let image = broker.node().image();
    let origins = Origins::new(&image, broker.node().broker_id(), &broker.options.started_with);
    topic::describe(&broker.options.topic_defaults, &origins, configs).into_iter().map(describe).collect()
}

fn refused(refusal: Refusal) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        error_code: refusal.error.code(),
        error_message: Some(refusal.message.into()),
        configs: Some(Array::new()),
        ..CreatableTopicResult::default()
    }
}

#[cfg(test)]
#[path = "create_topics_test.rs"]
mod create_topics_test;
