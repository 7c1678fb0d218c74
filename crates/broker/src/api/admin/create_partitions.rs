//! CreatePartitions: key 37, versions 0–3. Flexible since 2.
//!
//! Topics grow one after the other; each is answered once its new partitions take records, so `timeout_ms` is not looked at.
//! Checks are Kafka's, in Kafka's order, in Kafka's words: names that are there twice, then per topic whether it is there,
//! whether it would grow, and its new replicas.
//!
//! Where it differs from Kafka 4.3.1: topics are answered in the order of the request, those that are there twice last; a topic
//! that would take the request beyond 10,000 new partitions gets none and POLICY_VIOLATION, as in CreateTopics (Kafka:
//! UNKNOWN_SERVER_ERROR, and what fits); of more than `NAMED_MAX` topics the rest is not answered.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::Topic;
use wire::error::ErrorCode;
use wire::message::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::new_partitions::{NO_TEXT, Names, Refusal, check_replicas, check_total, duplicate_name, refuse};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// Has topics grow.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: CreatePartitionsRequest<'a>,
) -> CreatePartitionsResponse<'a> {
    let names = Names::of(request.topics.iter().map(|topic| topic.name));
    let (mut results, mut partitions) = (Vec::new(), 0);
    for topic in request.topics.iter().take(NAMED_MAX).filter(|topic| names.is_once(&topic.name)) {
        let result = match plan(broker, &topic, &mut partitions) {
            Ok(_) if request.validate_only => Ok(()),
            Ok((there, count)) => create(broker, &there, count).await,
            Err(refusal) => Err(refusal),
        };
        results.push(answer(topic.name, result));
    }
    results.extend(names.duplicates().into_iter().map(|name| answer(name, Err(duplicate_name()))));
    CreatePartitionsResponse { throttle_time_ms: 0, results: results.into() }
}

/// Checks one topic of the request: what is there, and how many partitions it is to have. `partitions` counts what the whole
/// request adds.
fn plan(
    broker: &Broker,
    topic: &CreatePartitionsTopic<'_>,
    partitions: &mut usize,
) -> Result<(Arc<Topic>, u32), Refusal> {
    let Some(there) = broker.node().image().topic(&topic.name).cloned() else {
        return refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, NO_TEXT);
    };
    let added = added(topic, there.shards.len(), broker.node().broker_id())?;
    let all = partitions.saturating_add(added);
    check_total(all)?;
    *partitions = all;
    Ok((there, u32::try_from(topic.count).expect("more than there are")))
}

/// How many partitions a topic gets that has `there`.
fn added(topic: &CreatePartitionsTopic<'_>, there: usize, broker_id: i32) -> Result<usize, Refusal> {
    let invalid = |message| refuse(ErrorCode::INVALID_PARTITIONS, message);
    let added = match usize::try_from(topic.count).ok().and_then(|count| count.checked_sub(there)) {
        Some(0) => return invalid(format!("Topic already has {there} partition(s).")),
        Some(added) => added,
        None => {
            let (name, count) = (&topic.name, topic.count);
            return invalid(format!(
                "The topic {name} currently has {there} partition(s); {count} would not be an increase."
            ));
        }
    };
    let Some(assignments) = &topic.assignments else { return Ok(added) };
    if assignments.len() != added {
        let assigned = assignments.len();
        let message = format!(
            "Attempted to add {added} additional partition(s), but only {assigned} assignment(s) were specified."
        );
        return refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    }
    assignments.iter().try_for_each(|assignment| check_replicas(&assignment.broker_ids, broker_id))?;
    Ok(added)
}

async fn create(broker: &Broker, topic: &Topic, count: u32) -> Result<(), Refusal> {
    let created = broker.node().create_partitions(topic.id, count).await;
    created
        .map_err(|error| Refusal { error: error_map::create_partitions(&error), message: error.to_string() })
}

fn answer(name: Cow<'_, str>, result: Result<(), Refusal>) -> CreatePartitionsTopicResult<'_> {
    match result {
        Ok(()) => CreatePartitionsTopicResult { name, ..CreatePartitionsTopicResult::default() },
        Err(refusal) => CreatePartitionsTopicResult {
            name,
            error_code: refusal.error.code(),
            error_message: (refusal.message != NO_TEXT).then(|| refusal.message.into()),
        },
    }
}

#[cfg(test)]
#[path = "create_partitions_test.rs"]
mod create_partitions_test;
