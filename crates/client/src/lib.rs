//! A small blocking Kafka client for tools: the command line, benchmarks, import and export.
//!
//! One thread, one request at a time per broker, no background work: whoever calls waits, at most as long
//! as [`Options`] say. It finds leaders by metadata, tries again with fresh metadata where Kafka calls an
//! error retriable, and otherwise gives the error with broker, API and code. Groups are looked after at their
//! coordinators; to be a member of one there is [`Member`]. It has no transactions, and is not made for throughput
//! beyond what a tool needs: for that there is [`Pipe`].
//!
//! Works with every broker that speaks versions which crate `wire` knows (Kafka 2.1 and later).
//!
//! Invariant: what a broker sends is believed only within bounds: frames up to
//! [`Options::response_bytes_max`], memory as bytes arrive.
//! Invariant: a batch of an idempotent [`Producer`] is stored once, however often it was sent.

mod client;
mod connection;
mod consumer;
mod error;
mod fetch;
mod group;
mod metadata;
mod offsets;
mod partitioner;
mod pipe;
mod producer;
mod topics;

#[cfg(test)]
mod partitioner_test;

pub use client::{Client, Options};
pub use consumer::{Consumer, Position, RecordOf, whole_batches};
pub use error::ClientError;
pub use fetch::Fetched;
pub use group::{ByGroup, GroupDescription, GroupMember, ListedGroup, Member, MemberOptions, Standing};
pub use metadata::{Cluster, Creation, Node, Partition, Topic};
pub use offsets::{At, Offsets, Partitions};
pub use partitioner::partition_of_key;
pub use pipe::{Answer, Pipe, Template};
pub use producer::{Acks, Producer, ProducerOptions, Sent};
pub use topics::{ConfigSource, NewTopic, TopicConfig};
