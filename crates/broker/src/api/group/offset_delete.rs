//! OffsetDelete: key 47, version 0.
//!
//! Forgets committed offsets, but not of topics that a member of the group reads.

use std::rc::Rc;

use coordinator::group::command::{Command, DeleteOffsets, Reply};
use wire::error::ErrorCode;
use wire::message::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::shared;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Deletes committed offsets.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: OffsetDeleteRequest<'a>,
) -> OffsetDeleteResponse<'a> {
    match delete(broker, caller, &request).await {
        Ok(topics) => OffsetDeleteResponse { topics: topics.into(), ..OffsetDeleteResponse::default() },
        Err(error) => OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() },
    }
}

async fn delete<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: &OffsetDeleteRequest<'a>,
) -> Result<Vec<OffsetDeleteResponseTopic<'a>>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let (mut partitions, mut left) = (Vec::new(), NAMED_MAX);
    let mut topics = Vec::new();
    for topic in &request.topics {
        let handle = broker.topic(&topic.name);
        let count = handle.as_ref().map_or(0, |handle| handle.topic.shards.len());
        let name = shared(&topic.name);
        let mut answered = Vec::new();
        for number in topic.partitions.iter().take(left).map(|named| named.partition_index) {
            let is_there = usize::try_from(number).is_ok_and(|number| number < count);
            if is_there {
                partitions.push((name.clone(), number));
            }
            answered.push((number, is_there));
        }
        left -= answered.len();
        topics.push((topic.name, answered));
    }
    let delete = DeleteOffsets { group: shared(&request.group_id), partitions };
    let reply = broker.groups.ask(broker, caller, &request.group_id, Command::DeleteOffsets(delete)).await?;
    let Reply::DeleteOffsets(errors) = reply else { unreachable!("deleting offsets came to {reply:?}") };
    let mut errors = errors?.into_iter();
    let mut answer = |(partition_index, is_there)| {
        let of_coordinator = if is_there { errors.next() } else { None };
        let error = of_coordinator.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        OffsetDeleteResponsePartition { partition_index, error_code: error.code() }
    };
    let topics = topics.into_iter().map(|(name, answered)| OffsetDeleteResponseTopic {
        name,
        partitions: answered.into_iter().map(&mut answer).collect(),
    });
    Ok(topics.collect())
}
