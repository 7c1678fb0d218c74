//! DescribeProducers: key 61, version 0, flexible. The idempotent producers that partitions remember.
//!
//! Producers come in the order of their ids. No transaction is open, as none is accepted.
//!
//! Where it differs from Kafka 4.3.1: of more than `NAMED_MAX` partitions, or once an answer has `PRODUCERS_MAX` producers, the
//! rest is not answered.

use std::rc::Rc;

use cluster::metadata::check_topic_name;
use storage::partition_log::producers::ProducerEntry;
use wire::error::ErrorCode;
use wire::message::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;
use crate::topics::TopicHandle;

/// Producers in one answer: a partition may be named twice, and remembers tens of thousands.
const PRODUCERS_MAX: usize = 1_000_000;

/// Describes producers.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeProducersRequest<'a>,
) -> DescribeProducersResponse<'a> {
    let (mut topics, mut left, mut producers) = (Vec::new(), NAMED_MAX, 0);
    for asked in request.topics.iter().take(NAMED_MAX) {
        let topic = find(broker, &asked.name);
        let mut partitions = Vec::new();
        for number in asked.partition_indexes.iter().take(left) {
            if producers >= PRODUCERS_MAX {
                break;
            }
            let answer = describe(broker, &topic, number);
            producers += answer.active_producers.len();
            partitions.push(answer);
        }
        left -= partitions.len();
        topics.push(TopicResponse { name: asked.name, partitions: partitions.into() });
    }
    DescribeProducersResponse { throttle_time_ms: 0, topics: topics.into() }
}

/// An error, and what it says where the code does not.
type Refusal = (ErrorCode, Option<String>);

fn find(broker: &Broker, name: &str) -> Result<Rc<TopicHandle>, Refusal> {
    if let Err(error) = check_topic_name(name) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, Some(error.to_string())));
    }
    let message = "This server does not host this topic-partition.".to_owned();
    broker.topic(name).ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(message)))
}

fn describe(
    broker: &Broker,
    topic: &Result<Rc<TopicHandle>, Refusal>,
    partition_index: i32,
) -> PartitionResponse<'static> {
    let producers = topic.as_ref().map_err(Clone::clone).and_then(|topic| {
        let producers = broker.node().producers(&topic.partition_id(partition_index), describe_producer);
        producers.ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None))
    });
    match producers {
        Ok(producers) => PartitionResponse {
            partition_index,
            active_producers: producers.into(),
            ..PartitionResponse::default()
        },
        Err((error, message)) => PartitionResponse {
            partition_index,
            error_code: error.code(),
            error_message: message.map(Into::into),
            ..PartitionResponse::default()
        },
    }
}

fn describe_producer(id: i64, entry: &ProducerEntry) -> ProducerState {
    let last = entry.batches().last();
    ProducerState {
        producer_id: id,
        producer_epoch: entry.epoch().into(),
        last_sequence: last.map_or(-1, |batch| batch.last_sequence()),
        last_timestamp: last.map_or(-1, |batch| batch.timestamp),
        coordinator_epoch: entry.coordinator_epoch(),
        current_txn_start_offset: -1,
    }
}

#[cfg(test)]
mod tests {
    use storage::partition_log::producers::ProducerBatch;

    use super::*;

    #[test]
    fn a_producer_is_described_by_its_last_batch() {
        let batch = |base_sequence, timestamp| ProducerBatch {
            base_sequence,
            last_offset_delta: 2,
            base_offset: 100,
            timestamp,
        };
        let described = describe_producer(7, &ProducerEntry::new(3, &[batch(0, 50), batch(i32::MAX, 40)]));
        // A sequence goes on with 0 behind the largest number.
        assert_eq!((described.last_sequence, described.last_timestamp), (1, 40));
        assert_eq!((described.producer_id, described.producer_epoch), (7, 3));
        assert_eq!((described.coordinator_epoch, described.current_txn_start_offset), (-1, -1));
        let silent = describe_producer(7, &ProducerEntry::new(0, &[]));
        assert_eq!((silent.last_sequence, silent.last_timestamp), (-1, -1));
    }
}
