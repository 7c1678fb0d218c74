//! The command line: what can be said, with its help.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A Kafka-compatible streaming broker, and its tools.
///
/// Without a command it serves, like `takhin serve`.
#[derive(Debug, Parser)]
#[command(
    name = "takhin",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Settings,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker
    Serve(Settings),
    /// Check a configuration, or show what is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the version
    Version(OutputArgs),
}

/// Where settings come from: each later source wins.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// YAML file with settings; TAKHIN_* variables win over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as kafka.num.partitions=6; wins over the file and the environment
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// The setting storage.data.dir
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// The setting server.port; 0 takes a free one
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

/// `takhin config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a file is a valid configuration, and all that is wrong with it
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show every setting that would be in force, and where it comes from
    Show {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// How results are printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = OutputForm::Table)]
    pub(crate) output: OutputForm,
}

/// The forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// Columns to read
    Table,
    /// JSON to process
    Json,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Takes `-config FILE` and `-config=FILE` for `--config`: scripts of the earlier broker have it so.
pub(crate) fn with_short_config(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    for argument in arguments.iter_mut().skip(1) {
        match argument.to_str() {
            Some("--") => break,
            Some(text) if text == "-config" || text.starts_with("-config=") => {
                *argument = OsString::from(format!("-{text}"));
            }
            _ => {}
        }
    }
    arguments
}
