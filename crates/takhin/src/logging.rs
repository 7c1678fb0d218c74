//! Messages for people: standard error, as `logging.level` and `logging.format` say.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

use crate::config::{LogFormat, LogLevel, table::Logging};

/// Sends everything that is traced from now on to standard error. Once per process.
pub(crate) fn start(logging: &Logging) {
    let level = match logging.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match logging.format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        }
    }
}
