//! AlterPartitionReassignments: key 45, versions 0–1, flexible. Whether the number of replicas may change since 1.
//!
//! There is one broker, so a partition can only be moved to where it is, which is done at once, and no move is ever under way that
//! could be cancelled. Checks and texts are Kafka's.
//!
//! Where it differs from Kafka 4.3.1: of more than `NAMED_MAX` topics or partitions the rest is not answered.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::new_partitions::{NO_TEXT, Refusal, check_replicas, refuse};
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Moves partitions.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: AlterPartitionReassignmentsRequest<'a>,
) -> AlterPartitionReassignmentsResponse<'a> {
    if request.topics.is_empty() {
        // As in Kafka: with an empty text, and whatever was asked for.
        return AlterPartitionReassignmentsResponse::default();
    }
    let (mut responses, mut left) = (Vec::new(), NAMED_MAX);
    for topic in request.topics.iter().take(NAMED_MAX) {
        let count = broker.node().image().topic(&topic.name).map(|topic| topic.shards.len());
        let answer = |partition: ReassignablePartition<'_>| {
            let result = reassign(&topic.name, count, &partition, broker.node().broker_id());
            answer(partition.partition_index, result)
        };
        let partitions: Vec<_> = topic.partitions.iter().take(left).map(answer).collect();
        left -= partitions.len();
        responses.push(ReassignableTopicResponse { name: topic.name, partitions: partitions.into() });
    }
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        error_message: None,
        responses: responses.into(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

/// `count`: how many partitions the topic has, if it is there.
fn reassign(
    topic: &str,
    count: Option<usize>,
    partition: &ReassignablePartition<'_>,
    broker_id: i32,
) -> Result<(), Refusal> {
    let index = partition.partition_index;
    let unknown = |message: String| refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
    let Some(count) = count else {
        return unknown(format!("Unable to find a topic named {topic}."));
    };
    if !usize::try_from(index).is_ok_and(|index| index < count) {
        return unknown(format!("Unable to find partition {topic}:{index}."));
    }
    match &partition.replicas {
        None => refuse(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, NO_TEXT),
        Some(replicas) => check_replicas(replicas, broker_id),
    }
}

fn answer(partition_index: i32, result: Result<(), Refusal>) -> ReassignablePartitionResponse<'static> {
    let (error, message) = match result {
        Ok(()) => (ErrorCode::NONE, String::new()),
        Err(refusal) => (refusal.error, refusal.message),
    };
    ReassignablePartitionResponse {
        partition_index,
        error_code: error.code(),
        error_message: (message != NO_TEXT).then(|| message.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_moves_to_where_it_is_and_nowhere_else() {
        // The texts were taken from a running Kafka 4.3.1.
        let reassign = |count, partition_index, replicas: Option<&[i32]>| {
            let replicas = replicas.map(|replicas| replicas.to_vec().into());
            let partition = ReassignablePartition { partition_index, replicas };
            reassign("t", count, &partition, 9).map_err(|refusal| (refusal.error.code(), refusal.message))
        };
        let there = Some(2);
        assert_eq!(reassign(there, 1, Some(&[9])), Ok(()));
        for (count, partition, replicas, code, message) in [
            (None, 0, None, 3, "Unable to find a topic named t."),
            (there, 2, None, 3, "Unable to find partition t:2."),
            (there, -1, Some(&[9][..]), 3, "Unable to find partition t:-1."),
            (there, 1, None, 85, NO_TEXT),
            (there, 1, Some(&[]), 39, "The manual partition assignment includes an empty replica list."),
            (
                there,
                1,
                Some(&[9, 2]),
                39,
                "The manual partition assignment includes broker 2, but no such broker is registered.",
            ),
        ] {
            assert_eq!(reassign(count, partition, replicas), Err((code, message.to_owned())));
        }
    }
}
