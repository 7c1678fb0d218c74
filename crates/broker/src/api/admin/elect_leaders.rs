//! ElectLeaders: key 43, versions 0–2. Flexible since 2; the type of election, and an error of the whole answer, since 1.
//!
//! A partition's only replica leads it, so that no election is ever needed. Asked for all topics Kafka leaves out partitions of
//! which that is so, and names the topics. An unknown type of election is an error of the answer and of each partition in it,
//! unless none is named.
//!
//! Where it differs from Kafka 4.3.1: all topics come in the order of their names; of more than `NAMED_MAX` topics or partitions
//! the rest is not answered.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult, TopicPartitions,
};
use wire::primitive::Array;

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Types of election, by Kafka's numbers.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// What is said of a partition, and its text.
type Said = (ErrorCode, String);

/// Holds elections.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: ElectLeadersRequest<'a>,
) -> ElectLeadersResponse<'a> {
    let refused = match request.election_type {
        PREFERRED | UNCLEAN => None,
        other => Some((ErrorCode::INVALID_REQUEST, format!("Unknown election type {other}"))),
    };
    let (error, results) = match (&request.topic_partitions, refused) {
        (None, None) => (ErrorCode::NONE, all(broker)),
        (None, Some((error, _))) => (error, Array::new()),
        (Some(named), None) => (ErrorCode::NONE, answers(named, |topic| count_of(broker, topic), elect)),
        (Some(named), Some(_)) if named.is_empty() => (ErrorCode::NONE, Array::new()),
        (Some(named), Some((error, why))) => (error, answers(named, |_| (), |(), _, _| (error, why.clone()))),
    };
    ElectLeadersResponse { throttle_time_ms: 0, error_code: error.code(), replica_election_results: results }
}

fn all(broker: &Broker) -> Array<'static, ReplicaElectionResult<'static>> {
    let named = |name: &str| ReplicaElectionResult {
        topic: name.to_owned().into(),
        ..ReplicaElectionResult::default()
    };
    broker.node().image().topics().map(|topic| named(&topic.name)).collect()
}

fn count_of(broker: &Broker, topic: &str) -> Option<usize> {
    broker.node().image().topic(topic).map(|topic| topic.shards.len())
}

/// What `say` says of each partition, given what `find` found of its topic.
fn answers<'a, F: Copy>(
    named: &Array<'a, TopicPartitions<'a>>,
    find: impl Fn(&str) -> F,
    say: impl Fn(F, &str, i32) -> Said,
) -> Array<'a, ReplicaElectionResult<'a>> {
    let (mut results, mut left) = (Vec::new(), NAMED_MAX);
    for asked in named.iter().take(NAMED_MAX) {
        let found = find(&asked.topic);
        let result = |partition_id| {
            let (error, message) = say(found, &asked.topic, partition_id);
            PartitionResult { partition_id, error_code: error.code(), error_message: Some(message.into()) }
        };
        let partitions: Vec<_> = asked.partitions.iter().take(left).map(result).collect();
        left -= partitions.len();
        results.push(ReplicaElectionResult { topic: asked.topic, partition_result: partitions.into() });
    }
    results.into()
}

/// `count`: how many partitions the topic has, if it is there.
fn elect(count: Option<usize>, topic: &str, partition: i32) -> Said {
    let is_there = |count: usize| usize::try_from(partition).is_ok_and(|partition| partition < count);
    match count {
        None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such topic as {topic}")),
        Some(count) if !is_there(count) => {
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such partition as {topic}-{partition}"))
        }
        Some(_) => {
            (ErrorCode::ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_there_needs_no_election() {
        // The texts were taken from a running Kafka 4.3.1.
        for (count, partition, code, message) in [
            (Some(2), 1, 84, "Leader election not needed for topic partition."),
            (Some(2), 2, 3, "No such partition as t-2"),
            (Some(2), -1, 3, "No such partition as t--1"),
            (None, 0, 3, "No such topic as t"),
        ] {
            let (error, said) = elect(count, "t", partition);
            assert_eq!((error.code(), said.as_str()), (code, message));
        }
    }

    #[test]
    fn partitions_beyond_the_bound_are_not_answered() {
        // A request of a few hundred kilobytes must not be answered by many megabytes.
        let topic = || TopicPartitions { topic: "t".into(), partitions: vec![0; NAMED_MAX / 2 + 1].into() };
        let said = (ErrorCode::NONE, String::new());
        let answered = answers(&vec![topic(), topic()].into(), |_| (), |(), _, _| said.clone());
        let counts: Vec<_> = answered.iter().map(|result| result.partition_result.len()).collect();
        assert_eq!(counts, [NAMED_MAX / 2 + 1, NAMED_MAX / 2 - 1]);
    }
}
