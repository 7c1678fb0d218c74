//! `takhin bench` on the command line. What is wrong is said in one line: the option, the value, the range.

use std::path::PathBuf;

use batch::loads::{LOADS, Load};
use clap::{Args, Subcommand, ValueEnum};

use super::payload::Payload;
use crate::cli::{self, ClusterArgs, OutputArgs};

/// `takhin bench`
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Write records as fast as the broker takes them, or at a rate
    Produce(BenchProduceArgs),
    /// Read a topic from its start to the end that it has at the start
    Consume(BenchConsumeArgs),
    /// Write records and read them again: the time from one to the other
    E2e(BenchE2eArgs),
    /// Run one of the benchmarks that docs/bench.md describes
    Preset(PresetArgs),
}

/// `takhin bench produce`
#[derive(Debug, Args)]
pub(crate) struct BenchProduceArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Records/s of all connections together, each batch at its time whatever the broker does (open loop): latency counts
    /// from that time. Without it every connection sends as soon as it has an answer (closed loop)
    #[arg(long, value_name = "RECORDS/S", value_parser = number(0.1, 1e9))]
    pub(crate) rate: Option<f64>,
    /// Records in one batch, that is in one request
    #[arg(long, value_name = "RECORDS", default_value_t = 1, value_parser = whole(1, 1_000_000))]
    pub(crate) batch: u64,
    #[command(flatten)]
    pub(crate) length: LengthArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `takhin bench consume`
#[derive(Debug, Args)]
pub(crate) struct BenchConsumeArgs {
    /// The topic
    #[arg(long)]
    pub(crate) topic: String,
    /// Connections; the partitions are shared out among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, 10_000))]
    pub(crate) connections: u64,
    /// Read only so many partitions, from 0 on
    #[arg(long, value_name = "N", value_parser = whole(1, 100_000))]
    pub(crate) partitions: Option<u64>,
    /// Start over at the end, until the duration is over
    #[arg(long = "loop")]
    pub(crate) again: bool,
    /// Seconds at most
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = number(0.1, 86_400.0))]
    pub(crate) duration: f64,
    /// Bytes of an answer at most (fetch.max.bytes)
    #[arg(long, value_name = "BYTES", default_value_t = 50 << 20, value_parser = whole(1, 200 << 20))]
    pub(crate) answer_bytes: u64,
    /// Bytes of one partition in an answer at most (max.partition.fetch.bytes)
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = whole(1, 200 << 20))]
    pub(crate) partition_bytes: u64,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `takhin bench e2e`
#[derive(Debug, Args)]
pub(crate) struct BenchE2eArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Records/s of all connections together, each batch at its time whatever the broker does: latency counts from that
    /// time. 0: every connection sends as soon as it has an answer
    #[arg(long, value_name = "RECORDS/S", default_value_t = 1000.0, value_parser = number(0.0, 1e9))]
    pub(crate) rate: f64,
    /// Records in one batch, that is in one request
    #[arg(long, value_name = "RECORDS", default_value_t = 1, value_parser = whole(1, 1_000_000))]
    pub(crate) batch: u64,
    /// Connections that read
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, 10_000))]
    pub(crate) readers: u64,
    #[command(flatten)]
    pub(crate) length: LengthArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The topic, and how it is made.
#[derive(Debug, Args)]
pub(crate) struct TopicArgs {
    /// The topic
    #[arg(long)]
    pub(crate) topic: String,
    /// Create it if it is not there
    #[arg(long)]
    pub(crate) create: bool,
    /// Partitions to create; of a topic that is there, those to use, from 0 on
    #[arg(long, value_name = "N", value_parser = whole(1, 100_000))]
    pub(crate) partitions: Option<u64>,
    /// Configuration of a topic that is created, such as compression.type=zstd
    #[arg(long, value_name = "KEY=VALUE", value_parser = cli::key_value, requires = "create")]
    pub(crate) topic_config: Vec<(String, String)>,
}

/// Who sends what.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Connections, each to the leader of one partition, dealt out in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, 10_000))]
    pub(crate) connections: u64,
    /// Requests of each connection that may wait for their answers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, 1_000))]
    pub(crate) in_flight: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = whole(1, 64 << 20))]
    pub(crate) record_bytes: u64,
    /// What is in the values
    #[arg(long, value_enum, default_value_t = Payload::Json)]
    pub(crate) payload: Payload,
    /// What is waited for: -1 or all (every in-sync replica has it), 1 (the leader has it), 0 (nothing: nothing is confirmed)
    #[arg(long, value_parser = cli::acks, default_value = "all", allow_hyphen_values = true)]
    pub(crate) acks: client::Acks,
    /// Each connection is an idempotent producer, as most clients are by default
    #[arg(long)]
    pub(crate) idempotent: bool,
    /// Codec of the batches
    #[arg(long, value_name = "CODEC", value_parser = cli::codec, default_value = "none")]
    pub(crate) compression: wire::record::Codec,
}

/// When a run ends.
#[derive(Debug, Args)]
pub(crate) struct LengthArgs {
    /// Seconds that are measured; 10 unless --records says when to end
    #[arg(long, value_name = "S", value_parser = number(0.1, 86_400.0))]
    pub(crate) duration: Option<f64>,
    /// Send exactly so many
    #[arg(long, value_name = "RECORDS", value_parser = whole(1, 1_000_000_000_000))]
    pub(crate) records: Option<u64>,
    /// Seconds before that, which are not measured; 2, or 0 with --records
    #[arg(long, value_name = "S", value_parser = number(0.0, 3_600.0))]
    pub(crate) warm_up: Option<f64>,
}

/// The benchmarks that are one command each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Records of 100 B, 1 KiB and 10 KiB, one in a request
    Single,
    /// Batches of 10, 100 and 1000 of them
    Batched,
    /// The library alone, no broker: how fast batches of 1 KiB records form and are encoded, by settings
    Batcher,
    /// The library alone: batches of 10, 100 and 1000 records of 1 KiB against single appends, durable and not
    VersusSingle,
    /// 1, 2, 4, 8, 64 and 256 connections, each with one record of 100 B in flight
    Concurrent,
    /// Twelve loads against brokers of this executable, one for each setting of batching: the defaults, and fixed ones
    Adaptive,
}

/// `takhin bench preset`
#[derive(Debug, Args)]
pub(crate) struct PresetArgs {
    /// Which one
    #[arg(value_enum)]
    pub(crate) preset: Preset,
    /// Seconds that each run is measured
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = number(0.1, 3_600.0))]
    pub(crate) duration: f64,
    /// Seconds before that, which are not measured
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = number(0.0, 3_600.0))]
    pub(crate) warm_up: f64,
    /// How often `adaptive` goes through its settings, there and back again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, 100))]
    pub(crate) rounds: u64,
    /// Loads that `adaptive` runs, by name; all of them where none is named
    #[arg(long, value_name = "LOAD", value_delimiter = ',', value_parser = named_load)]
    pub(crate) loads: Vec<&'static Load>,
    /// Where the brokers of `adaptive` and the logs of `versus-single` have their data, on the disk that is to be measured; removed afterwards
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) work_dir: PathBuf,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Takes the name of a load, and tells the names otherwise.
fn named_load(name: &str) -> Result<&'static Load, String> {
    LOADS.iter().find(|load| load.name == name).ok_or_else(|| {
        let names = LOADS.map(|load| load.name);
        format!("one of {} is expected", names.join(", "))
    })
}

/// Takes a whole number of a range, and names the range otherwise.
fn whole(first: u64, last: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (first..=last).contains(number));
        number.ok_or_else(|| format!("a whole number from {first} to {last} is expected"))
    }
}

/// Takes a number of a range, and names the range otherwise.
fn number(first: f64, last: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (first..=last).contains(number));
        number.ok_or_else(|| format!("a number from {first} to {last} is expected"))
    }
}

#[cfg(test)]
#[path = "args_test.rs"]
mod args_test;
