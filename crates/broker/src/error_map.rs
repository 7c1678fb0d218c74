//! Our errors to Kafka's codes: the only place, and exhaustive.

use cluster::node::{CreatePartitionsError, CreateTopicError, DeleteTopicError};
use cluster::shard::outcome::{ProposeError, Refused};
use storage::partition_log::ReadError;
use wire::error::ErrorCode;

/// A record batch that the log's order refused.
pub(crate) fn refused(error: &Refused) -> ErrorCode {
    match error {
        Refused::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Refused::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        Refused::Fenced { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
    }
}

/// A proposal that was not applied.
pub(crate) fn propose(error: &ProposeError) -> ErrorCode {
    match error {
        ProposeError::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ProposeError::Unknown => ErrorCode::REQUEST_TIMED_OUT,
        ProposeError::Stopped => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// A log that could not be read.
pub(crate) fn read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ReadError::Disk(_) | ReadError::Corrupt { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// A topic that was not created.
pub(crate) fn create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
        CreateTopicError::Collides { .. } | CreateTopicError::Name(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        CreateTopicError::WritesRefused(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        CreateTopicError::Random(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
        CreateTopicError::Propose(error) => propose(error),
    }
}

/// A topic that did not get more partitions.
pub(crate) fn create_partitions(error: &CreatePartitionsError) -> ErrorCode {
    match error {
        CreatePartitionsError::Unknown => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        CreatePartitionsError::There(_) => ErrorCode::INVALID_PARTITIONS,
        CreatePartitionsError::WritesRefused(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        CreatePartitionsError::Propose(error) => propose(error),
    }
}

/// A topic that was not deleted.
pub(crate) fn delete_topic(error: &DeleteTopicError) -> ErrorCode {
    match error {
        DeleteTopicError::Unknown => ErrorCode::UNKNOWN_TOPIC_ID,
        DeleteTopicError::Propose(error) => propose(error),
    }
}
