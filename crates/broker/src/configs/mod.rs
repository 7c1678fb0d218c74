//! Configs of topics, brokers, groups and the rest: which there are, what is in force and whence, and how they are changed.
//!
//! | file | what |
//! |---|---|
//! | `known` | what values a config takes, with Kafka's texts for those that it does not |
//! | `topic`, `topic_table` | topics |
//! | `of_broker` | the broker itself: what it was started with, and what it was set to since (KIP-226) |
//! | `connections_per_ip` | how many connections hosts may have |
//! | `read_only` | what Kafka's broker reads at its start only and this one not at all |
//! | `group` | groups (KIP-848) |
//! | `client_metrics` | subscriptions of client metrics (KIP-714): kept and shown, nothing is subscribed yet |
//! | `loggers` | levels of messages |
//! | `resource` | the five as one: described, changed |

pub(crate) mod changes;
mod client_metrics;
pub(crate) mod connections_per_ip;
mod group;
mod known;
mod loggers;
mod of_broker;
mod read_only;
mod resource;
pub(crate) mod topic;
mod topic_table;
mod without_use;

use std::borrow::Cow;

use wire::error::ErrorCode;

pub use connections_per_ip::{are_connection_overrides, may_be_together};
pub use group::GroupConfigBounds;
pub(crate) use loggers::LevelChange;
pub use loggers::{Level, LogLevels};
pub(crate) use of_broker::Origins;
pub use of_broker::{StartedWith, Values};
pub(crate) use resource::{Resource, describe};
pub use topic::TopicConfig;

/// Why configs are not described or changed, as the client is told.
pub(crate) type Refusal = (ErrorCode, String);

/// What configs may be of, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ResourceType {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceType {
    pub(crate) const ALL: [Self; 5] =
        [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    /// The type of this number.
    pub(crate) fn of(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    pub(crate) fn number(self) -> i8 {
        self as i8
    }
}

/// Where a config's value comes from, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// Set for this broker while it ran.
    DynamicBroker = 2,
    /// Set for all brokers while they ran.
    DynamicDefaultBroker = 3,
    /// What the broker was started with.
    StaticBroker = 4,
    /// The default.
    Default = 5,
    /// A logger's level.
    BrokerLogger = 6,
    /// Set for the subscription.
    ClientMetrics = 7,
    /// Set for the group.
    Group = 8,
}

/// A value that a config has, or would have were it not for the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: Cow<'static, str>,
    /// `None` where it is not shown.
    pub(crate) value: Option<Cow<'static, str>>,
    pub(crate) source: ConfigSource,
}

impl Synonym {
    fn new(name: &'static str, value: impl Into<Cow<'static, str>>, source: ConfigSource) -> Self {
        Self { name: name.into(), value: Some(value.into()), source }
    }
}

/// A config as tools are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: Cow<'static, str>,
    /// `None`: it has none, or it is not shown.
    pub(crate) value: Option<Cow<'static, str>>,
    pub(crate) source: ConfigSource,
    pub(crate) is_read_only: bool,
    pub(crate) is_sensitive: bool,
    /// Kafka's number for the type of its values.
    pub(crate) type_number: i8,
    pub(crate) doc: Option<&'static str>,
    /// The strongest first.
    pub(crate) synonyms: Vec<Synonym>,
}

impl Described {
    /// A config that may be changed, of which the first of `synonyms` holds, or else its default.
    fn changeable(known: &known::Known, default: Cow<'static, str>, synonyms: Vec<Synonym>) -> Self {
        let first = synonyms.first().cloned();
        let (value, source) = first.map_or((Some(default), ConfigSource::Default), |s| (s.value, s.source));
        Self {
            name: known.name.into(),
            value,
            source,
            is_read_only: false,
            is_sensitive: false,
            type_number: known.type_number(),
            doc: Some(known.doc),
            synonyms,
        }
    }
}

pub(crate) fn invalid_request<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

/// More than one entry may hold (`CHANGES_MAX`).
pub(crate) fn too_many_changes() -> Refusal {
    let text = "Request parameters do not satisfy the configured policy.";
    (ErrorCode::POLICY_VIOLATION, text.to_owned())
}

/// Checks that `name` is this broker's number; Kafka says in other words to each API what else it is.
fn check_broker_id(
    broker_id: i32,
    name: &str,
    no_number: &str,
    unexpected: impl FnOnce(i32) -> String,
) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Ok(number) if number == broker_id => Ok(()),
        Ok(other) => invalid_request(unexpected(other)),
        Err(_) => invalid_request(format!("{no_number} must be an integer, but it is: {name}")),
    }
}

fn invalid_config<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_CONFIG, message.into()))
}
