//! OffsetForLeaderEpoch: key 23, versions 2–4. Flexible since 4.
//!
//! Where a leader epoch ended: the largest epoch up to it that wrote something, and the offset at which the next one began.
//! A consumer asks it after a change of leader, to learn whether what it has read is still there (KIP-320). −1 twice for an
//! epoch that is still to come. Answered in the order of the request, also what is asked twice, as Kafka 4.3.1 does; of
//! more than `NAMED_MAX` partitions the rest is not answered.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use super::leader_epoch;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;
use crate::topics::TopicHandle;

/// Says where epochs ended.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: OffsetForLeaderEpochRequest<'a>,
) -> OffsetForLeaderEpochResponse<'a> {
    let (mut topics, mut left) = (Vec::new(), NAMED_MAX);
    for topic in request.topics.iter().take(NAMED_MAX) {
        let handle = broker.topic(&topic.topic);
        let mut partitions = Vec::new();
        for asked in topic.partitions.iter().take(left) {
            left -= 1;
            partitions.push(answer(asked.partition, end_of(broker, handle.as_deref(), &asked)));
        }
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions: partitions.into() });
    }
    OffsetForLeaderEpochResponse { throttle_time_ms: 0, topics: topics.into() }
}

fn end_of(
    broker: &Broker,
    topic: Option<&TopicHandle>,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let partition = topic
        .and_then(|topic| topic.partition(asked.partition, broker.node().partitions()))
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let current = broker.node().leader_epoch(partition.reader.shard(), partition.epoch_base);
    leader_epoch::check(asked.current_leader_epoch, current)?;
    Ok(partition.reader.end_of_epoch(asked.leader_epoch, current))
}

fn answer(partition: i32, end: Result<Option<(i32, i64)>, ErrorCode>) -> EpochEndOffset {
    match end {
        Ok(Some((leader_epoch, end_offset))) => {
            EpochEndOffset { partition, leader_epoch, end_offset, ..EpochEndOffset::default() }
        }
        Ok(None) => EpochEndOffset { partition, ..EpochEndOffset::default() },
        Err(error) => EpochEndOffset { partition, error_code: error.code(), ..EpochEndOffset::default() },
    }
}
