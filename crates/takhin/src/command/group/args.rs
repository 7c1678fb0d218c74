//! What `takhin group` understands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::time::milliseconds;
use crate::cli::{ClusterArgs, OutputArgs};

/// `takhin group`
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List groups
    List(ListArgs),
    /// Show what groups have read and how far they lag, their members, or their states
    Describe(DescribeArgs),
    /// Delete groups without members, with their offsets
    Delete {
        /// Their ids
        #[arg(value_name = "GROUP", required = true)]
        groups: Vec<String>,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Forget what a group has read of a topic
    DeleteOffsets {
        /// Its id
        #[arg(value_name = "GROUP")]
        group: String,
        /// The topic, with the partitions where not all are meant
        #[arg(long, value_name = "TOPIC[:N,...]", required = true, value_parser = topic_partitions)]
        topic: Vec<TopicPartitions>,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show where a group without members would read on, and with --execute have it read on there
    Reset(ResetArgs),
    /// Print what a group has read as CSV: topic,partition,offset
    Export {
        /// Its id
        #[arg(value_name = "GROUP")]
        group: String,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

/// Kafka's names of the states of groups.
const STATES: [&str; 8] = [
    "Assigning",
    "CompletingRebalance",
    "Dead",
    "Empty",
    "NotReady",
    "PreparingRebalance",
    "Reconciling",
    "Stable",
];
/// Kafka's names of the types of groups.
const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

/// `takhin group list`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only groups in this state, such as Stable or Empty
    #[arg(long, value_name = "STATE", value_delimiter = ',', ignore_case = true, value_parser = STATES)]
    pub(super) state: Vec<String>,
    /// Only groups of this type, such as classic or consumer
    #[arg(long, value_name = "TYPE", value_delimiter = ',', ignore_case = true, value_parser = TYPES)]
    pub(super) r#type: Vec<String>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// `takhin group describe`
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Their ids
    #[arg(value_name = "GROUP", required_unless_present = "all", conflicts_with = "all")]
    pub(super) groups: Vec<String>,
    /// All groups of consumers
    #[arg(long)]
    pub(super) all: bool,
    /// Show members with their partitions
    #[arg(long, conflicts_with = "state")]
    pub(super) members: bool,
    /// Show one line for each group
    #[arg(long)]
    pub(super) state: bool,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// `takhin group reset`
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Its id
    #[arg(value_name = "GROUP")]
    pub(super) group: String,
    /// A topic, with the partitions where not all are meant
    #[arg(long, value_name = "TOPIC[:N,...]", value_parser = topic_partitions, required_unless_present_any = ["all_topics", "from_file"])]
    pub(super) topic: Vec<TopicPartitions>,
    /// All that the group has offsets of
    #[arg(long, conflicts_with = "topic")]
    pub(super) all_topics: bool,
    #[command(flatten)]
    pub(super) to: ResetTo,
    /// Do it; without, it is only shown
    #[arg(long)]
    pub(super) execute: bool,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Where reading is to go on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ResetTo {
    /// At the first record there is
    #[arg(long)]
    pub(super) to_earliest: bool,
    /// Behind the last record there is
    #[arg(long)]
    pub(super) to_latest: bool,
    /// At this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(super) to_offset: Option<i64>,
    /// At the first record of this time or later: 2026-05-17T08:30:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(super) to_time: Option<i64>,
    /// So many records further on, or back where it is negative
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) shift_by: Option<i64>,
    /// Where it is, within what there is; behind the last record where nothing was read
    #[arg(long)]
    pub(super) to_current: bool,
    /// As lines topic,partition,offset say, which `group export` and kafka-consumer-groups write
    #[arg(long, value_name = "CSV", conflicts_with_all = ["topic", "all_topics"])]
    pub(super) from_file: Option<PathBuf>,
}

/// A topic, and which of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicPartitions {
    pub(super) topic: String,
    /// `None` for all.
    pub(super) partitions: Option<Vec<i32>>,
}

pub(super) fn topic_partitions(text: &str) -> Result<TopicPartitions, String> {
    let (topic, partitions) = match text.split_once(':') {
        None => (text, None),
        Some((topic, list)) => {
            let index = |text: &str| text.trim().parse().ok().filter(|index| *index >= 0);
            let partitions: Option<Vec<i32>> = list.split(',').map(index).collect();
            (topic, Some(partitions.ok_or("TOPIC or TOPIC:0,1,... is expected")?))
        }
    };
    if topic.is_empty() {
        return Err("TOPIC or TOPIC:0,1,... is expected".to_owned());
    }
    Ok(TopicPartitions { topic: topic.to_owned(), partitions })
}
