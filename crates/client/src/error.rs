//! What went wrong, with the broker, the API and the code.

use std::{io, time::Duration};

use wire::{ApiKey, ErrorCode};

/// A request that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Check the address, or start the broker.
    #[error("cannot connect to {broker}: {source}")]
    Connect {
        /// `host:port`, and the node id where it is known.
        broker: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The connection broke; whether the request was carried out is unknown.
    #[error("{api} to {broker}: {source}")]
    Connection {
        /// As above.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// What the operating system says.
        source: io::Error,
    },
    /// No answer in time; whether the request was carried out is unknown.
    #[error("{api} to {broker}: no answer within {} ms", waited.as_millis())]
    TimedOut {
        /// As above.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// How long it was waited.
        waited: Duration,
    },
    /// The broker answers something that is not an answer.
    #[error("{api} to {broker}: the answer can't be read: {why}")]
    Answer {
        /// As above.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        why: String,
    },
    /// The broker is too old or too new for this request.
    #[error("{api} to {broker}: it serves {theirs}, this client speaks versions {} to {}", ours.0, ours.1)]
    Version {
        /// As above.
        broker: String,
        /// What was to be asked.
        api: ApiKey,
        /// What the broker said, in words.
        theirs: String,
        /// Versions of this client.
        ours: (i16, i16),
    },
    /// The broker says no.
    #[error("{api} to {broker}: {about}: {} ({code}){}", code_name(*code), message.as_ref().filter(|m| !m.is_empty()).map_or(String::new(), |m| format!(": {m}")))]
    Refused {
        /// As above.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// The topic or partition that the code is about.
        about: String,
        /// Kafka's error code.
        code: i16,
        /// What the broker says beside the code.
        message: Option<String>,
    },
    /// The records themselves can't be sent or read.
    #[error("{about}: {why}")]
    Records {
        /// The topic or partition.
        about: String,
        /// What is wrong with them.
        why: String,
    },
}

fn code_name(code: i16) -> &'static str {
    ErrorCode::from_code(code).map_or("unknown error code", ErrorCode::name)
}

impl ClientError {
    /// Whether the same request may succeed later, perhaps at another broker.
    ///
    /// Kafka's own division; beside the codes, whatever happens to a connection.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Connection { .. } | Self::TimedOut { .. } => true,
            Self::Refused { code, .. } => ErrorCode::from_code(*code).is_some_and(is_retriable),
            Self::Answer { .. } | Self::Version { .. } | Self::Records { .. } => false,
        }
    }

    /// Kafka's error code, where a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => ErrorCode::from_code(*code),
            _ => None,
        }
    }
}

fn is_retriable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::NETWORK_EXCEPTION
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}
