//! `takhin bench consume`: how fast a topic can be read, with every CRC checked and every record visited.

use std::{rc::Rc, time::Duration};

use anyhow::{Context, Result, bail};
use client::{At, Client, Topic};
use serde_json::{Value, json};
use wire::record::Scratch;

use super::{
    args::BenchConsumeArgs,
    load::{Length, per_s},
    progress::Progress,
    reader::{self, Ask, Measure, Position, Reader},
    report::{self, Outcome},
    run::{self, Run, Span},
    schedule::float,
    tally::Tally,
    topic,
};
use crate::{command, output::Output};

/// Longest that a fetch waits for a record, in milliseconds: Kafka's default.
pub(crate) const WAIT_MS: i32 = 500;

/// Runs `takhin bench consume`.
///
/// # Errors
/// What the broker says; there is nothing to read.
pub(crate) fn run(arguments: &BenchConsumeArgs) -> Result<()> {
    let mut client = command::client(&arguments.cluster);
    let topic = topic::find(&mut client, &arguments.topic, arguments.partitions)?;
    let positions = positions(&mut client, &topic)?;
    if positions.is_empty() {
        bail!("topic {}: there is nothing to read", topic.name);
    }
    let ask = Ask {
        answer_bytes: i32::try_from(arguments.answer_bytes)?,
        partition_bytes: i32::try_from(arguments.partition_bytes)?,
        wait_ms: WAIT_MS,
        again: arguments.again,
    };
    let duration = Duration::from_secs_f64(arguments.duration);
    let connections = usize::try_from(arguments.connections)?;
    let topic = Rc::new(topic);
    let (tally, span) = read(&mut client, &topic, &positions, connections, ask, duration)?;
    let (got, seconds) = (tally.measured, span.measured.as_secs_f64());
    let more = vec![
        ("batches/s", "batches_per_s", per_s(got.batches, seconds)),
        ("records/batch", "records_per_batch", float(got.records) / float(got.batches.max(1))),
        ("B/batch", "bytes_per_batch", float(got.wire_bytes) / float(got.batches.max(1))),
        ("wire MB/s", "wire_mb_per_s", per_s(got.wire_bytes, seconds) / 1e6),
    ];
    let settings =
        json!({ "topic": topic.name, "connections": connections, "partitions": topic.partitions.len() });
    let Value::Object(settings) = settings else { bail!("settings are an object") };
    let about =
        format!("consume {}: {} partitions, {connections} connections", topic.name, topic.partitions.len());
    let (label, latency_of) = ("consume".to_owned(), "a fetch, from its sending to its answer");
    report::print(
        &Output::new(&arguments.output),
        &[Outcome { label, about, settings, span, tally, latency_of, more }],
    )
}

/// Reads `positions` to their ends, or as far as the time allows.
///
/// # Errors
/// The run can't begin; what goes wrong in it is in the tally.
pub(crate) fn read(
    client: &mut Client,
    topic: &Rc<Topic>,
    positions: &[Position],
    connections: usize,
    ask: Ask,
    duration: Duration,
) -> Result<(Tally, Span)> {
    let length = Length { warm_up: Duration::ZERO, measured: Some(duration), requests: None };
    env::task::block_on_io_thread(async {
        let opened = reader::open(client, topic, positions, connections)?;
        let run = Run::new(opened.len(), None);
        let reader = |(index, (pipe, positions))| {
            let (topic, measure, scratch) = (Rc::clone(topic), Measure::Fetches, Scratch::default());
            let run = Rc::clone(&run);
            let reader = Reader { run, index, topic, pipe, positions, ask, measure, asked: None, scratch };
            Rc::clone(&reader.run).spawn(reader.work())
        };
        let lanes = opened.into_iter().enumerate().map(reader).collect();
        let span = run::watch(&[&run], lanes, &length, &mut Progress::new("consume")).await;
        Ok((run.tally.take(), span))
    })
    .context("starting an event loop")?
}

/// The partitions that hold records, from their starts to their ends now.
///
/// # Errors
/// What the broker says.
pub(crate) fn positions(client: &mut Client, topic: &Topic) -> Result<Vec<Position>> {
    let mut positions = Vec::new();
    for partition in topic.partitions.iter().map(|partition| partition.index) {
        let mut at = |at| client.offset(&topic.name, partition, at).map(Option::unwrap_or_default);
        let (start, end) = (at(At::Earliest)?, at(At::Latest)?);
        if start < end {
            positions.push(Position { partition, start, next: start, end });
        }
    }
    Ok(positions)
}
