//! Messages for people: standard error, as `logging.level` and `logging.format` say, until somebody sets levels while the
//! process runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};

use broker::{Level, LogLevels};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry, filter::Targets, fmt as lines, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{LogFormat, LogLevel, table::Logging};

/// The consensus engine, which tells its inner life at info: here that is a matter for debugging.
const ENGINE: &str = "openraft";

/// What has a level of its own: the rooms, and the engine.
const LOGGERS: [&str; 7] = ["broker", "cluster", "coordinator", "gateway", ENGINE, "storage", "takhin"];

/// The levels that are in force.
pub(crate) struct Levels {
    root: Cell<Level>,
    /// Of loggers that somebody has set.
    own: RefCell<BTreeMap<&'static str, Level>>,
    filter: reload::Handle<Targets, Registry>,
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Levels").field("root", &self.root).field("own", &self.own).finish_non_exhaustive()
    }
}

impl LogLevels for Levels {
    fn levels(&self) -> Vec<(&'static str, Level)> {
        LOGGERS
            .iter()
            .map(|logger| (*logger, level_of(logger, self.root.get(), &self.own.borrow())))
            .collect()
    }

    fn root(&self) -> Level {
        self.root.get()
    }

    fn set(&self, logger: Option<&str>, level: Option<Level>) {
        match (logger.map(|name| LOGGERS.iter().find(|logger| **logger == name)), level) {
            (None, Some(level)) => self.root.set(level),
            (Some(Some(logger)), Some(level)) => _ = self.own.borrow_mut().insert(logger, level),
            (Some(Some(logger)), None) => _ = self.own.borrow_mut().remove(logger),
            (Some(None), _) | (None, None) => {}
        }
        if let Err(error) = self.filter.reload(filter(self.root.get(), &self.own.borrow())) {
            tracing::error!(%error, "levels of messages could not be changed");
        }
    }
}

/// Sends everything that is traced from now on to standard error. Once per process.
pub(crate) fn start(logging: &Logging) -> Levels {
    let root = match logging.level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    };
    let own = BTreeMap::new();
    let (reloaded, handle) = reload::Layer::new(filter(root, &own));
    let lines = lines::layer()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(reloaded);
    match logging.format {
        LogFormat::Text => registry.with(lines.with_target(false)).init(),
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(json).init();
        }
    }
    Levels { root: Cell::new(root), own: RefCell::new(own), filter: handle }
}

/// The level that holds for a logger.
fn level_of(logger: &str, root: Level, own: &BTreeMap<&'static str, Level>) -> Level {
    match own.get(logger) {
        Some(level) => *level,
        None if logger == ENGINE && root == Level::Info => Level::Warn,
        None => root,
    }
}

fn filter(root: Level, own: &BTreeMap<&'static str, Level>) -> Targets {
    let targets = LOGGERS.iter().map(|logger| (*logger, level_filter(level_of(logger, root, own))));
    Targets::new().with_default(level_filter(root)).with_targets(targets)
}

fn level_filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_wins_over_the_root_and_the_engine_is_quieter() {
        let mut own = BTreeMap::from([("storage", Level::Trace)]);
        assert_eq!(level_of("storage", Level::Warn, &own), Level::Trace);
        assert_eq!(level_of("broker", Level::Warn, &own), Level::Warn);
        assert_eq!(level_of(ENGINE, Level::Info, &own), Level::Warn);
        assert_eq!(level_of(ENGINE, Level::Debug, &own), Level::Debug);
        own.insert(ENGINE, Level::Info);
        assert_eq!(level_of(ENGINE, Level::Info, &own), Level::Info);
        let filter = filter(Level::Warn, &own);
        assert!(filter.would_enable("storage::wal", &tracing::Level::TRACE));
        assert!(!filter.would_enable("broker::server", &tracing::Level::INFO));
    }
}
