//! What each command does, one file per command.

mod batch;
pub(crate) mod bench;
mod cluster;
mod completions;
pub(crate) mod config;
mod consume;
mod data;
pub(crate) mod group;
mod produce;
mod topic;

use anyhow::Result;
use client::{Client, Options};

use crate::{
    cli::{Cli, ClusterArgs, Command},
    output::{self, Output},
    serve,
};

/// The command line was understood by its parser, and is wrong all the same: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Runs what the command line says.
///
/// # Errors
/// One line for the user; see [`UsageError`] for the exit status.
pub(crate) fn run(cli: Cli) -> Result<()> {
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(settings)) => serve::run(&settings),
        Some(Command::Config(command)) => config::run(command),
        Some(Command::Topic(command)) => topic::run(command),
        Some(Command::Cluster(command)) => cluster::run(&command),
        Some(Command::Group(command)) => group::run(&command),
        Some(Command::Produce(arguments)) => produce::run(&arguments),
        Some(Command::Consume(arguments)) => consume::run(&arguments),
        Some(Command::Batch(command)) => batch::run(&command),
        Some(Command::Bench(command)) => bench::run(&command),
        Some(Command::Data(command)) => data::run(&command),
        Some(Command::Completions { shell }) => completions::run(shell),
        Some(Command::Version(form)) => version(&Output::new(&form)),
    }
}

fn version(output: &Output) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    output.value(&serde_json::json!({ "version": version }), |out| writeln!(out, "takhin {version}"))?;
    Ok(output::finish()?)
}

fn client(cluster: &ClusterArgs) -> Client {
    Client::new(
        cluster.bootstrap_server.clone(),
        Options { client_id: "takhin-cli".to_owned(), ..Options::default() },
    )
}
