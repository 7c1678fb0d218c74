//! `takhin batch explain`: who sends tiny batches, what that costs, what a broker recovers, and what other settings would do.
//!
//! A broker of ours counts by client and topic, and is asked (`gateway::ask_batching`). What settings would store is found out by
//! storing a sample of the topic under each, here (`measure`); that works with any Kafka broker, too.

mod counted;
mod measure;
mod sample;
mod text;

use anyhow::{Context, Result, bail};
use client::Client;
use gateway::batching::{Batching, OldReader, TopicBatching};
use serde::Serialize;

use self::measure::{Alternative, Shape};
use crate::{
    cli::{BatchCommand, ClusterArgs, ExplainArgs},
    output::{self, Output},
};

/// Topics that are explained when none is named.
const TOPICS_MAX: usize = 3;

/// A topic's sample.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    partitions: usize,
    /// As it is stored.
    stored: Shape,
    alternatives: Vec<Alternative>,
}

/// What is known of a topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    topic: String,
    /// By a broker of ours.
    counted: Option<TopicBatching>,
    old_readers: Vec<OldReader>,
    sample: Option<Sampled>,
    /// Why there is no sample.
    not_sampled: Option<String>,
}

/// Runs `takhin batch …`.
///
/// # Errors
/// What the broker says, or that the result can't be printed.
pub(crate) fn run(command: &BatchCommand) -> Result<()> {
    let BatchCommand::Explain(arguments) = command;
    explain(arguments)?;
    Ok(output::finish()?)
}

fn explain(arguments: &ExplainArgs) -> Result<()> {
    let output = Output::new(&arguments.output);
    if let (false, Some(topic)) = (arguments.bootstrap_server.is_empty(), &arguments.topic) {
        let sample = sampled(&mut client(arguments.bootstrap_server.clone()), topic, arguments.tail_ms)?;
        let explained = Explained {
            topic: topic.clone(),
            counted: None,
            old_readers: Vec::new(),
            sample: Some(sample),
            not_sampled: None,
        };
        let json = serde_json::to_value(&explained)?;
        output.value(&json, |out| text::topic(out, &explained))?;
        return Ok(());
    }
    let batching = gateway::ask_batching(&arguments.metrics).context(
        "is this the metrics' address of a Takhin broker? any other is asked with --bootstrap-server",
    )?;
    let explained = of_own_broker(arguments, &batching)?;
    let json = serde_json::json!({
        "uptimeSeconds": batching.uptime_seconds,
        "fsyncs": batching.fsyncs,
        "fsyncSeconds": batching.fsync_seconds,
        "batches": batching.batches,
        "records": batching.records,
        "topics": explained,
    });
    output.value(&json, |out| {
        counted::node(out, &batching)?;
        explained.iter().try_for_each(|explained| text::topic(out, explained))
    })?;
    Ok(())
}

fn of_own_broker(arguments: &ExplainArgs, batching: &Batching) -> Result<Vec<Explained>> {
    let named = |of: &&TopicBatching| arguments.topic.as_ref().is_none_or(|topic| *topic == of.topic);
    let counted: Vec<_> = batching.topics.iter().filter(named).take(TOPICS_MAX).collect();
    if let (Some(topic), true) = (&arguments.topic, counted.is_empty()) {
        let why = match batching.more_topics {
            0 => "nothing was sent to it since the broker started".to_owned(),
            more => format!(
                "it is one of {more} topics that little was sent to since the broker started, or nothing"
            ),
        };
        bail!("topic {topic} has no counts: {why}; --bootstrap-server looks at what is stored");
    }
    let host = arguments.metrics.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
    let mut client = client(vec![format!("{host}:{}", batching.kafka_port)]);
    let explain = |of: &TopicBatching| {
        let of_topic = |reader: &&OldReader| reader.topic == of.topic;
        // What was counted is worth knowing also where the topic can't be read.
        let sample = sampled(&mut client, &of.topic, arguments.tail_ms);
        Explained {
            topic: of.topic.clone(),
            counted: Some(of.clone()),
            old_readers: batching.old_readers.iter().filter(of_topic).cloned().collect(),
            not_sampled: sample.as_ref().err().map(|error| format!("{error:#}")),
            sample: sample.ok(),
        }
    };
    Ok(counted.into_iter().map(explain).collect())
}

fn sampled(client: &mut Client, topic: &str, tail_ms: i64) -> Result<Sampled> {
    let sample = sample::take(client, topic)?;
    Ok(Sampled {
        partitions: sample.partitions,
        stored: measure::shape(&sample),
        alternatives: measure::alternatives(&sample, tail_ms),
    })
}

fn client(bootstrap_server: Vec<String>) -> Client {
    super::client(&ClusterArgs { bootstrap_server })
}
