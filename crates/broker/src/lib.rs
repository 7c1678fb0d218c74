//! The Kafka port: listener, connections, dispatch, one file per API.
//!
//! | room | what |
//! |---|---|
//! | [`server`] | listens, bounds, starts and ends connections |
//! | `connection` | one local task per connection: frames in, answers out in order, back-pressure |
//! | `pump` | what a commit released: encoded and written, one write per connection |
//! | `dispatch` | which handler for which API and version |
//! | `api` | one file per API, by what it is about |
//! | `configs` | what topics, brokers, groups and loggers may be set to, and what is in force |
//! | `topics` | topics by name with their configs read, for the hot path |
//! | `addresses`, `address_limits` | how many connections come from where, and may |
//! | `counters` | what the thread counts |
//! | `durations` | how long things took |
//! | `flows` | who produces to what |
//! | `topic_traffic` | what is asked of each topic |
//! | `groups` | the coordinators of groups: their place, their records, their time |
//! | `observe` | what the broker tells of itself |
//! | `simulated` | a broker without sockets and threads, for a simulation of its coordinators |
//! | `error_map` | our errors to Kafka's codes: the only place |
//!
//! Invariant: handlers never call each other, and hold no borrow across an await.
//! Invariant: no work per request grows with the number of partitions or topics.

mod address_limits;
mod addresses;
mod api;
mod configs;
mod connection;
mod counters;
#[cfg(test)]
mod counters_test;
mod dispatch;
#[cfg(test)]
mod documentation_test;
mod durations;
mod error_map;
mod flows;
mod groups;
mod memory_pool;
mod observe;
mod pump;
pub mod server;
#[cfg(feature = "simulated")]
pub mod simulated;
mod topic_traffic;
mod topics;

pub use cluster::stats::{NodeStats, RECORDS_PER_GROUP_BOUNDS};
pub use configs::{
    GroupConfigBounds, Level, LogLevels, StartedWith, TopicConfig, Values, are_connection_overrides,
    may_be_together,
};
pub use coordinator::group::{ASSIGNORS, STATES as GROUP_STATES};
pub use coordinator::group::{GroupCounts, GroupSettings, GroupSummary, MigrationPolicy};
pub use counters::Traffic;
pub use durations::Durations;
pub use flows::{ClientFlow, FlowCounts, OldReader, TopicFlows};
pub use groups::{GroupOptions, GroupWork};
pub use observe::{Observation, Observer, PartitionStats, Standing};
pub use server::{Broker, BrokerOptions, ListenerOptions, ServeError, Server};
pub use storage::partition_log::MergeCounts;
pub use storage::wal::SYNC_TIME_BOUNDS_US;
pub use topic_traffic::TopicTraffic;
