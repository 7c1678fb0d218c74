//! The command line: what can be said, with its help.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::{bench::args::BenchCommand, group::args::GroupCommand};
use crate::config::Profile;

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
    /// List, create, alter, delete and describe topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// List, describe, delete, reset and export consumer groups
    #[command(subcommand)]
    Group(GroupCommand),
    /// Write records, one for each line of standard input
    Produce(ProduceArgs),
    /// Print records, alone or as a member of a group
    Consume(ConsumeArgs),
    /// Describe a cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Explain what batching does: who sends tiny batches, what that costs, what other settings would store
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Measure a broker: produce, consume, end to end
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Check or show what is in a data directory, without a broker
    #[command(subcommand)]
    Data(DataCommand),
    /// Print what a shell needs to complete this command line
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: CompletionShell,
    },
    /// Print the version
    Version(OutputArgs),
}

/// Where settings come from: each later source wins.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// YAML file with settings; TAKHIN_* variables win over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Settings for a purpose; the file and all else win over them
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<Profile>,
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
    /// Print the value of one setting that would be in force
    Get {
        /// The key, such as kafka.num.partitions
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Which cluster a tool talks to.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// Brokers to begin with, host:port, separated by commas
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", value_delimiter = ',', value_parser = address)]
    pub(crate) bootstrap_server: Vec<String>,
}

/// `takhin topic`
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// List all topics
    List {
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Create a topic
    Create {
        /// Its name
        #[arg(value_name = "TOPIC")]
        name: String,
        /// Number of partitions; the broker's default where it isn't said
        #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// Replicas of each partition; the broker's default where it isn't said
        #[arg(short, long, value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// Configuration of the topic, such as cleanup.policy=compact
        #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
        config: Vec<(String, String)>,
        /// Succeed when it is there already
        #[arg(long)]
        if_not_exists: bool,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete topics with all that is in them
    Delete {
        /// Their names
        #[arg(value_name = "TOPIC", required = true)]
        names: Vec<String>,
        /// Succeed when there is none
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Change a topic's configuration
    Alter {
        /// Its name
        #[arg(value_name = "TOPIC")]
        name: String,
        /// A new value, such as batch.merge.enable=false
        #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value, required_unless_present = "delete_config")]
        config: Vec<(String, String)>,
        /// Have the default hold again
        #[arg(long, value_name = "KEY")]
        delete_config: Vec<String>,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show all that holds for a topic, with where it comes from, or one value
    #[command(subcommand)]
    Config(TopicConfigCommand),
    /// Show a topic's configuration and partitions: leaders, replicas, first and next offsets
    Describe {
        /// Its name
        #[arg(value_name = "TOPIC")]
        name: String,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `takhin topic config`
#[derive(Debug, Subcommand)]
pub(crate) enum TopicConfigCommand {
    /// Show every key with its value, and where that comes from
    List {
        /// The topic's name
        #[arg(value_name = "TOPIC")]
        topic: String,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print the value of one key
    Get {
        /// The topic's name
        #[arg(value_name = "TOPIC")]
        topic: String,
        /// The key, such as retention.ms
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `takhin produce`
#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    /// The topic; the broker may create it
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: String,
    /// The partition; where it isn't said, a record's key decides, and batches without keys go to one after the other
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,
    /// What is before this in a line is the key; a line without it has no key
    #[arg(short, long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) key_separator: Option<String>,
    /// A value (or key) that is this text is null
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Option<String>,
    /// A header of every record
    #[arg(short = 'H', long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) header: Vec<(String, String)>,
    /// Timestamp of every record, in milliseconds since 1970; the time now where it isn't said
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) timestamp: Option<i64>,
    /// Codec of the batches
    #[arg(short, long, value_name = "CODEC", value_parser = codec, default_value = "none")]
    pub(crate) compression: wire::record::Codec,
    /// What is waited for: all (every in-sync replica has it), 1 (the leader has it), 0 (nothing)
    #[arg(long, value_parser = acks, default_value = "all")]
    pub(crate) acks: client::Acks,
    /// Records of a batch at most
    #[arg(long, value_name = "RECORDS", default_value_t = 10_000, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) batch_records: i32,
    /// Bytes of a batch at most, before compression; a larger record is a batch alone
    #[arg(long, value_name = "BYTES", default_value_t = 524_288)]
    pub(crate) batch_bytes: usize,
    /// Longest that a batch may take, in milliseconds, with all that is tried again
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: u64,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `takhin consume`
#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    /// The topic
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: String,
    /// Read as a member of this group: what its other members read is left out, and what is printed is committed
    #[arg(short, long, conflicts_with_all = ["partition", "offset", "from_time"])]
    pub(crate) group: Option<String>,
    /// A member that is not heard of for so long, in milliseconds, has left the group
    #[arg(long, value_name = "MS", default_value_t = 45_000, requires = "group", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) session_timeout_ms: u64,
    /// The partitions, separated by commas, or all
    #[arg(short, long, value_name = "N|all", default_value = "all", value_parser = partitions)]
    pub(crate) partition: Partitions,
    /// Begin with the first record there is, rather than with the next one to come; with a group, where it has no offset
    #[arg(short = 'f', long)]
    pub(crate) from_beginning: bool,
    /// Begin at this offset: a number, earliest or latest
    #[arg(long, value_name = "OFFSET", value_parser = start, conflicts_with_all = ["from_beginning", "from_time"])]
    pub(crate) offset: Option<Start>,
    /// Begin with the first record of this time or later, in milliseconds since 1970
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "from_beginning")]
    pub(crate) from_time: Option<i64>,
    /// End after so many records
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) max_messages: Option<u64>,
    /// End when everything that was there at the start has been read
    #[arg(short = 'e', long)]
    pub(crate) to_end: bool,
    /// End when no record has come for so long, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: Option<u64>,
    /// Print the key before the value
    #[arg(short = 'k', long)]
    pub(crate) print_key: bool,
    /// Print partition and offset first
    #[arg(long)]
    pub(crate) print_offset: bool,
    /// Print the timestamp, in milliseconds
    #[arg(long)]
    pub(crate) print_timestamp: bool,
    /// Print the headers
    #[arg(long)]
    pub(crate) print_headers: bool,
    /// Printed between the parts of a record
    #[arg(long, value_name = "TEXT", default_value = "\t")]
    pub(crate) separator: String,
    /// Printed for a null key or value
    #[arg(long, value_name = "TEXT", default_value = "null")]
    pub(crate) null: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `takhin cluster`
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show its id, its brokers, and how many topics and partitions it has
    Describe {
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Shells that complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompletionShell {
    Bash,
    Zsh,
    Fish,
}

/// `takhin batch`
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Say who sends tiny batches to a Takhin broker, what it makes of them, and what other settings would store;
    /// with --bootstrap-server what Takhin would store of a topic of any Kafka broker (reads only)
    Explain(ExplainArgs),
}

/// `takhin batch explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The topic; the three with the most batches where it isn't said
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Where the broker has its metrics
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090", value_parser = address)]
    pub(crate) metrics: String,
    /// Look at a topic of this cluster, of any Kafka brokers, instead
    #[arg(short, long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = address, requires = "topic", conflicts_with = "metrics")]
    pub(crate) bootstrap_server: Vec<String>,
    /// Milliseconds after which a partition's batches are stored (kafka.batch.tail.max.ms)
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(i64).range(0..=3_600_000))]
    pub(crate) tail_ms: i64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `takhin data`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Check everything in a data directory that no broker uses: exit status 1 when it is damaged, 2 when it can't be checked
    Verify {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a file of a data directory, a line for each batch, frame, record or entry
    Dump {
        /// A segment (.log), an index (.idx), a file of the write-ahead log (.wal), or checkpoint.log
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Show the records of a segment's batches, too
        #[arg(short, long)]
        records: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Which partitions are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Partitions {
    /// Those that the topic has at the start.
    All,
    /// These.
    Some(Vec<i32>),
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Earliest,
    Latest,
    Offset(i64),
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

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn address(text: &str) -> Result<String, String> {
    let is_address = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if is_address { Ok(text.to_owned()) } else { Err("host:port is expected".to_owned()) }
}

pub(crate) fn codec(text: &str) -> Result<wire::record::Codec, String> {
    wire::record::Codec::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = wire::record::Codec::ALL.into_iter().map(wire::record::Codec::name).collect();
        format!("one of {} is expected", names.join(", "))
    })
}

pub(crate) fn acks(text: &str) -> Result<client::Acks, String> {
    match text {
        "all" | "-1" => Ok(client::Acks::All),
        "1" => Ok(client::Acks::Leader),
        "0" => Ok(client::Acks::None),
        _ => Err("all, 1 or 0 is expected".to_owned()),
    }
}

fn partitions(text: &str) -> Result<Partitions, String> {
    if text == "all" {
        return Ok(Partitions::All);
    }
    let index = |text: &str| text.trim().parse().ok().filter(|index| *index >= 0);
    let indexes: Option<Vec<i32>> = text.split(',').map(index).collect();
    indexes.map(Partitions::Some).ok_or_else(|| "numbers from 0, or all, are expected".to_owned())
}

fn start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Start::Offset(offset)),
            _ => Err("a number from 0, earliest or latest is expected".to_owned()),
        },
    }
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
