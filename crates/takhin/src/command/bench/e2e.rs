//! `takhin bench e2e`: from the time that a record was to be sent to the time that a consumer has it.
//!
//! The time stands in the record's value, counted by this process's own clock, which reads it again: no two clocks
//! are compared. Records of others in the topic are passed over.

use std::{rc::Rc, time::Duration};

use anyhow::{Context, Result};
use client::{At, Client, Topic};
use env::Instant;
use wire::record::Scratch;

use super::{
    args::BenchE2eArgs,
    batches::STAMP_BYTES,
    load::{Length, Load},
    produce,
    progress::Progress,
    reader::{self, Ask, Measure, Position, Reader},
    report::{self, Outcome},
    run::{self, Run, Span},
    schedule::float,
    topic,
};
use crate::{
    command::{self, UsageError},
    output::Output,
};

/// What is acknowledged may take so long to be seen.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How a consumer asks by default.
const ASK: Ask = Ask { answer_bytes: 50 << 20, partition_bytes: 1 << 20, wait_ms: 500, again: false };

/// Runs `takhin bench e2e`.
///
/// # Errors
/// Options that don't go together; what the broker says.
pub(crate) fn run(arguments: &BenchE2eArgs) -> Result<()> {
    let rate = Some(arguments.rate).filter(|rate| *rate > 0.0);
    let load = Load::new(&arguments.load, arguments.batch, rate)?;
    let length = Length::new(&arguments.length, arguments.batch)?;
    if load.record_bytes < STAMP_BYTES as u64 {
        let bytes = load.record_bytes;
        let text =
            format!("--record-bytes {bytes} end to end: {STAMP_BYTES} or more is expected, for the time");
        return Err(UsageError(text).into());
    }
    let mut client = command::client(&arguments.cluster);
    let topic = topic::prepare(&mut client, &arguments.topic)?;
    let positions = ends(&mut client, &topic)?;
    let (topic, load) = (Rc::new(topic), Rc::new(load));
    let readers = usize::try_from(arguments.readers)?;
    let (writing, reading, span) = env::task::block_on_io_thread(async {
        both(&mut client, &topic, &load, &length, &positions, readers).await
    })
    .context("starting an event loop")??;
    let (mut acks, mut tally) = (writing.tally.take(), reading.tally.take());
    let lost = acks.total.records.saturating_sub(tally.total.records);
    tally.errors.append(&mut acks.errors);
    if lost > 0 {
        tally.errors.insert("record that was sent did not arrive".to_owned(), lost);
    }
    tally.unanswered = acks.unanswered;
    let ack_ms = |per_mille| float(acks.latencies.quantile(per_mille)) / 1e6;
    let more = vec![
        ("ack p50 ms", "ack_p50_ms", ack_ms(500)),
        ("ack p99 ms", "ack_p99_ms", ack_ms(990)),
        ("ack p99.9 ms", "ack_p999_ms", ack_ms(999)),
    ];
    let about = format!("end to end through {}: {}, {readers} readers", topic.name, load.in_words());
    let latency_of = "a record, from the time that its batch was to be sent to its arrival";
    let (label, settings) = ("e2e".to_owned(), load.json());
    report::print(
        &Output::new(&arguments.output),
        &[Outcome { label, about, settings, span, tally, latency_of, more }],
    )
}

/// Writes and reads at once; the readers end when they have seen what was sent.
async fn both(
    client: &mut Client,
    topic: &Rc<Topic>,
    load: &Rc<Load>,
    length: &Length,
    positions: &[Position],
    readers: usize,
) -> Result<(Rc<Run>, Rc<Run>, Span)> {
    let run_id = produce::seed()?;
    let opened = reader::open(client, topic, positions, readers)?;
    let pipes = produce::open(client, topic, load)?;
    // Nobody has begun before this function waits for the first time.
    let reading = Run::new(opened.len(), None);
    let writing = Run::new(pipes.len(), length.requests);
    let measure = Measure::Arrivals { run_id, started: writing.started };
    for (index, (pipe, positions)) in opened.into_iter().enumerate() {
        let (run, topic, scratch) = (Rc::clone(&reading), Rc::clone(topic), Scratch::default());
        let reader = Reader { run, index, topic, pipe, positions, ask: ASK, measure, asked: None, scratch };
        reading.spawn(reader.work());
    }
    let stamped = |lane| produce::stamped(load, run_id, lane);
    let lanes = produce::start(&writing, pipes, topic, load, stamped);
    let span = run::watch(&[&writing, &reading], lanes, length, &mut Progress::new("e2e")).await;
    let ended = Instant::now();
    let is_short = || reading.tally.borrow().total.records < writing.tally.borrow().total.records;
    while is_short() && ended.elapsed() < ARRIVAL_MAX {
        env::sleep(LOOK).await;
    }
    reading.stop();
    Ok((writing, reading, span))
}

/// Where each partition ends now: nothing before is read.
fn ends(client: &mut Client, topic: &Topic) -> Result<Vec<Position>> {
    let mut positions = Vec::new();
    for partition in topic.partitions.iter().map(|partition| partition.index) {
        let next = client.offset(&topic.name, partition, At::Latest)?.unwrap_or_default();
        positions.push(Position { partition, start: next, next, end: i64::MAX });
    }
    Ok(positions)
}
