//! What applying an entry came to.

use crate::metadata;

/// A record batch was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record: for a duplicate the original's.
    pub base_offset: i64,
    /// Milliseconds where the topic stamps its records, −1 where the producer does.
    pub log_append_time: i64,
    /// The partition's first offset.
    pub log_start_offset: i64,
}

/// A record batch was not accepted, and nothing of it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Refresh metadata: it was deleted, or is not there yet.
    #[error("the partition does not exist")]
    UnknownPartition,
    /// A batch of the same producer is missing before this one.
    #[error("out of order sequence number, {expected} was expected")]
    OutOfOrder {
        /// The next sequence.
        expected: i32,
    },
    /// A newer instance of the producer has written.
    #[error("the producer's epoch is older than {epoch}")]
    Fenced {
        /// The epoch in force.
        epoch: i16,
    },
}

/// What became of one record batch of an entry.
pub type BatchOutcome = Result<Appended, Refused>;

/// What an entry did, for whoever proposed it.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing that anybody waits for.
    Done,
    /// One outcome per record batch, in the entry's order.
    Batches(Vec<BatchOutcome>),
    /// One per metadata record.
    Metadata(Vec<metadata::Applied>),
}

/// A proposal was not applied, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Refresh metadata and go to the leader; surely not written.
    #[error("this node does not lead the shard")]
    NotLeader,
    /// Ask again with producer id and sequence, or not at all: the node lost its lead meanwhile, and whether it was written is
    /// unknown.
    #[error("the shard has another leader; whether it was written is unknown")]
    Unknown,
    /// Writes are stopped: the disk failed, or the node is stopping. Whether it was written is unknown.
    #[error("the shard has stopped")]
    Stopped,
}
