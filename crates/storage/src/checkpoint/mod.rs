//! The checkpoint: for every partition, up to which index of its shard its bytes are in segments and synced, and what its
//! state was there. With it a restart reads this and a bounded WAL, never the logs.
//!
//! It is a log of changes: a checkpoint appends the records of partitions that changed since the last one, with one durable
//! write, after the segments they speak of are synced. When the log is twice as long as what it says, it is written anew
//! beside and takes the old one's place by a rename. What it says is not kept in memory: a rewrite reads the old log.
//!
//! Refused at the start: an invalid record before the end of what had been synced, a newer format, a record that contradicts
//! itself. A torn end of a checkpoint that never returned is cut off.
//!
//! Invariant: when a checkpoint has returned, recovery gives its state or a later one.
//! Invariant: a failed append leaves nothing that recovery could take for a record.
//!
//! Bytes: docs/format/checkpoint.md. Why: docs/adr/0004-segments-and-checkpoint.md.

mod decode;
mod encode;
mod error;
mod inspect;
mod log;
mod record;
mod state;

#[cfg(test)]
mod codec_test;
#[cfg(test)]
mod state_test;

pub use error::CheckpointError;

pub(crate) use inspect::{dump, verify};
pub(crate) use log::{CheckpointLog, FILE_NAME};
pub(crate) use record::{CheckpointRecord, PartitionRecord, SegmentRecord};
pub(crate) use state::{CheckpointState, ShardState};
