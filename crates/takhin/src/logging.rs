//! Messages for people: standard error, as `logging.level` and `logging.format` say.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    // The consensus engine tells its inner life at info; here that is a matter for debugging.
    let engine = if level > LevelFilter::INFO { level } else { level.min(LevelFilter::WARN) };
    let filter = Targets::new().with_default(level).with_target("openraft", engine);
    let lines =
        fmt::layer().with_writer(io::stderr).log_internal_errors(false).with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    match logging.format {
        LogFormat::Text => registry.with(lines.with_target(false)).init(),
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(json).init();
        }
    }
}
