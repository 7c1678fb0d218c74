//! Loggers, whose level may be set while the broker runs (KIP-412). What they are is the process's business.

use std::fmt;

use super::{
    ConfigSource, Described, Refusal, check_broker_id, invalid_config, invalid_request, known::type_number,
};

/// The logger that holds where no other is set.
pub(crate) const ROOT: &str = "root";

/// How important a message has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Kafka's name.
    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    /// The level that Kafka calls so; nothing here is worse than an error.
    fn of(name: &str) -> Option<Self> {
        match name {
            "FATAL" => Some(Self::Error),
            _ => Self::ALL.into_iter().find(|level| level.name() == name),
        }
    }
}

/// The levels of a process's messages.
pub trait LogLevels: fmt::Debug {
    /// The loggers beside the root, and the level of each.
    fn levels(&self) -> Vec<(&'static str, Level)>;
    /// The level of the root.
    fn root(&self) -> Level;
    /// Sets the level of the root, `None`, or of one of the loggers; without a level it has the root's again.
    fn set(&self, logger: Option<&str>, level: Option<Level>);
}

/// The levels of all loggers.
pub(super) fn describe(
    levels: &dyn LogLevels,
    broker_id: i32,
    name: &str,
) -> Result<Vec<Described>, Refusal> {
    if name.is_empty() {
        return invalid_request("Broker id must not be empty");
    }
    check_broker_id(broker_id, name, "Broker id", |other| {
        format!("Unexpected broker id, expected {broker_id} but received {other}")
    })?;
    let describe = |(name, level): (&'static str, Level)| Described {
        name: name.into(),
        value: Some(level.name().into()),
        source: ConfigSource::BrokerLogger,
        is_read_only: false,
        is_sensitive: false,
        type_number: type_number::UNKNOWN,
        doc: None,
        synonyms: Vec::new(),
    };
    Ok(levels.levels().into_iter().chain([(ROOT, levels.root())]).map(describe).collect())
}

/// What is done to a logger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LevelChange<'a> {
    /// It has this level from now on.
    Set(&'a str),
    /// It has the root's.
    Reset,
    /// APPEND or SUBTRACT, which mean nothing to a level.
    Other(&'a str),
}

/// Checks changes of levels, all of them, before any is made.
pub(super) fn check(levels: &dyn LogLevels, changes: &[(&str, LevelChange<'_>)]) -> Result<(), Refusal> {
    let is_there = |name: &str| name == ROOT || levels.levels().iter().any(|(there, _)| *there == name);
    for (name, change) in changes {
        match change {
            LevelChange::Other(operation) => {
                return invalid_request(format!(
                    "{operation} operation is not allowed for the BROKER_LOGGER resource"
                ));
            }
            _ if !is_there(name) => return invalid_config(format!("Logger {name} does not exist!")),
            LevelChange::Reset if *name == ROOT => {
                return invalid_request("Removing the log level of the root logger is not allowed");
            }
            LevelChange::Set(level) if Level::of(level).is_none() => {
                return invalid_config(format!(
                    "Cannot set the log level of {name} to {level} as it is not a supported log level. \
                     Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
                ));
            }
            LevelChange::Reset | LevelChange::Set(_) => {}
        }
    }
    Ok(())
}

/// Makes changes that were checked.
pub(super) fn change(levels: &dyn LogLevels, changes: &[(&str, LevelChange<'_>)]) {
    for (name, change) in changes {
        let level = match change {
            LevelChange::Set(level) => Level::of(level),
            LevelChange::Reset | LevelChange::Other(_) => None,
        };
        levels.set((*name != ROOT).then_some(*name), level);
    }
}

/// Checks the number of the node whose loggers are to be set.
pub(super) fn check_name(broker_id: i32, name: &str) -> Result<(), Refusal> {
    check_broker_id(broker_id, name, "Node id", |other| {
        format!("Unexpected node id. Expected {broker_id}, but received {other}")
    })
}
