//! Who leads what: the metadata, the shards, and the way of a record batch through them.
//!
//! | room | what |
//! |---|---|
//! | [`metadata`] | topics and producer ids: a pure state machine |
//! | [`shard`] | a Raft group: log in the shared WAL, machine in memory; openraft lives only here |
//! | [`commit`], `pace` | group commit: one group in flight, the next one forming, and how long it waits for company |
//! | [`partitions`] | the partitions that this node leads, for readers |
//! | [`log_config`] | what topics' configs say of their logs |
//! | `retention` | which records a log forgets by age and size |
//! | [`watch`] | waiting for partitions to move |
//! | `storekeeper`, `replay` | which tails go to segments when, what the WAL may forget, and what a restart would replay |
//! | `producer_expiry` | which producers are forgotten |
//! | [`stats`] | what a node tells of itself |
//! | [`node`] | opens it all, and creates and deletes topics |
//! | `simulated` | a replica, and a node alone, without threads, for simulations |

pub mod commit;
pub mod log_config;
pub mod metadata;
pub mod node;
mod pace;
pub mod partitions;
mod producer_expiry;
mod replay;
#[cfg(test)]
mod replay_test;
mod retention;
pub mod shard;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod stats;
mod storekeeper;
pub mod watch;

pub use producer_expiry::PRODUCER_EXPIRATION;
