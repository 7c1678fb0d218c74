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
    for topic in request.topics.iter().filter(|topic| broker.topic(&topic.name).is_some()) {
        let name = shared(&topic.name);
        let named = topic.partitions.iter().take(left).map(|named| (name.clone(), named.partition_index));
        let before = partitions.len();
        partitions.extend(named);
        left -= partitions.len() - before;
    }
    let delete = DeleteOffsets { group: shared(&request.group_id), partitions };
    let reply = broker.groups.ask(broker, caller, &request.group_id, Command::DeleteOffsets(delete)).await?;
    let Reply::DeleteOffsets(errors) = reply else { unreachable!("deleting offsets came to {reply:?}") };
    let mut errors = errors?.into_iter();
    let answered = request.topics.iter().map(|topic| {
        let is_known = broker.topic(&topic.name).is_some();
        let answer = |partition_index| {
            let error = if is_known { errors.next()? } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
            Some(OffsetDeleteResponsePartition { partition_index, error_code: error.code() })
        };
        let partitions =
            topic.partitions.iter().map(|named| named.partition_index).map_while(answer).collect();
        OffsetDeleteResponseTopic { name: topic.name, partitions }
    });
    Ok(answered.collect())
}
