//! One file per API, by what it is about. A handler knows requests and answers; versions are known to `wire` where only
//! the bytes differ, and here where the meaning does.
//!
//! How each API differs from Kafka 4.3.1 stands in its file's head and in docs/protocol.md.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod group;
pub(crate) mod security;
pub(crate) mod session;
pub(crate) mod txn;

/// Topics or partitions of one request that are looked at; what is named beyond them gets no answer.
///
/// An answer holds up to two hundred bytes for a name of three, so that a frame's bound alone bounds no memory. Kafka has no
/// such limit; no client comes near it.
pub(crate) const NAMED_MAX: usize = 100_000;

/// What one request may change at once, where it is changed as a whole or not at all: Kafka's bound.
pub(crate) const CHANGES_MAX: usize = 10_000;

/// Partitions that one request may create: Kafka's bound.
pub(crate) const NEW_PARTITIONS_MAX: usize = 10_000;

/// Kafka's own log of its metadata; it lets nobody create a topic of that name.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";

/// Features (KIP-584) that are served, each at its only level: groups of the consumer protocol (KIP-848).
pub(crate) const FEATURES: [(&str, i16); 1] = [("group.version", 1)];
