//! DescribeQuorum: key 55, versions 0–2, flexible. Times since 1; texts, directories and nodes since 2.
//!
//! Kafka's own log of its metadata is here the log of the metadata's shard: terms are epochs, indexes are offsets, and the
//! broker is leader and only voter. As in Kafka nothing but that log's one partition may be asked for.
//!
//! Where it differs from Kafka 4.3.1: the broker is its own controller without a listener for that, so the node has none.

use std::rc::Rc;

use env::WallTime;
use wire::error::ErrorCode;
use wire::message::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Node, ReplicaState, RequestTopicData,
    ResponsePartitionData, ResponseTopicData,
};

use crate::api::{METADATA_TOPIC, NAMED_MAX};
use crate::dispatch::Caller;
use crate::server::Broker;

/// The only partition of Kafka's metadata log.
const METADATA_PARTITION: i32 = 0;

/// Describes the metadata's voters.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeQuorumRequest<'a>,
) -> DescribeQuorumResponse<'a> {
    let is_metadata = is_metadata(&request);
    let (mut topics, mut left) = (Vec::new(), NAMED_MAX);
    for asked in request.topics.iter().take(NAMED_MAX) {
        let answer = |partition| match is_metadata {
            true => describe(broker),
            false => unknown(partition),
        };
        let numbers = asked.partitions.iter().take(left).map(|partition| partition.partition_index);
        let partitions: Vec<_> = numbers.map(answer).collect();
        left -= partitions.len();
        topics.push(ResponseTopicData { topic_name: asked.topic_name, partitions: partitions.into() });
    }
    let nodes = match is_metadata {
        true => vec![Node { node_id: broker.node().broker_id(), ..Node::default() }],
        false => Vec::new(),
    };
    DescribeQuorumResponse {
        error_code: ErrorCode::NONE.code(),
        // Not null, as in Kafka.
        error_message: Some("".into()),
        topics: topics.into(),
        nodes: nodes.into(),
    }
}

/// Whether the metadata's log is asked for, and nothing else.
fn is_metadata(request: &DescribeQuorumRequest<'_>) -> bool {
    let is_partition = |topic: RequestTopicData<'_>| {
        let mut partitions = topic.partitions.iter();
        topic.topic_name == METADATA_TOPIC
            && partitions.len() == 1
            && partitions.all(|partition| partition.partition_index == METADATA_PARTITION)
    };
    request.topics.len() == 1 && request.topics.iter().all(is_partition)
}

fn describe(broker: &Broker) -> ResponsePartitionData<'static> {
    let log = broker.node().metadata_log();
    let offset = |index: u64| i64::try_from(index).unwrap_or(i64::MAX);
    // The leader is never behind itself.
    let now = WallTime::now().0;
    let this = ReplicaState {
        replica_id: broker.node().broker_id(),
        log_end_offset: offset(log.end),
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
        ..ReplicaState::default()
    };
    ResponsePartitionData {
        partition_index: METADATA_PARTITION,
        error_code: ErrorCode::NONE.code(),
        error_message: Some("".into()),
        leader_id: broker.node().broker_id(),
        leader_epoch: i32::try_from(log.term).unwrap_or(i32::MAX),
        high_watermark: offset(log.applied_end),
        current_voters: vec![this].into(),
        ..ResponsePartitionData::default()
    }
}

fn unknown(partition_index: i32) -> ResponsePartitionData<'static> {
    ResponsePartitionData {
        partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.code(),
        error_message: Some("This server does not host this topic-partition.".into()),
        ..ResponsePartitionData::default()
    }
}

#[cfg(test)]
mod tests {
    use wire::message::describe_quorum::RequestPartitionData;

    use super::*;

    #[test]
    fn only_the_metadatas_log_may_be_asked_for() {
        // Tried against a running Kafka 4.3.1.
        let asks = |topics: &[(&'static str, &[i32])]| {
            let topic = |(name, partitions): &(&'static str, &[i32])| RequestTopicData {
                topic_name: (*name).into(),
                partitions: partitions
                    .iter()
                    .map(|index| RequestPartitionData { partition_index: *index })
                    .collect(),
            };
            is_metadata(&DescribeQuorumRequest { topics: topics.iter().map(topic).collect() })
        };
        assert!(asks(&[(METADATA_TOPIC, &[0])]));
        let others: [&[(&str, &[i32])]; 6] = [
            &[],
            &[(METADATA_TOPIC, &[])],
            &[(METADATA_TOPIC, &[1])],
            &[(METADATA_TOPIC, &[0, 0])],
            &[("t", &[0])],
            &[(METADATA_TOPIC, &[0]), (METADATA_TOPIC, &[0])],
        ];
        for other in others {
            assert!(!asks(other), "{other:?}");
        }
    }
}
