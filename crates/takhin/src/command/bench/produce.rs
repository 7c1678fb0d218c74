//! `takhin bench produce`: how many records a broker acknowledges, and how soon.

use std::rc::Rc;

use anyhow::{Context, Result, bail};
use client::{Acks, Client, Topic};

use super::{
    args::BenchProduceArgs,
    batches::{Batches, Identity, Stamped},
    lane::{Lane, Source},
    load::{Length, Load},
    progress::Progress,
    report::{self, Outcome},
    run::{self, Run},
    topic,
};
use crate::{command, output::Output};

/// Runs `takhin bench produce`.
///
/// # Errors
/// Options that don't go together; what the broker says.
pub(crate) fn run(arguments: &BenchProduceArgs) -> Result<()> {
    let load = Load::new(&arguments.load, arguments.batch, arguments.rate)?;
    let length = Length::new(&arguments.length, arguments.batch)?;
    let mut client = command::client(&arguments.cluster);
    let topic = topic::prepare(&mut client, &arguments.topic)?;
    let outcome = measure(&mut client, topic, load, &length, "produce")?;
    report::print(&Output::new(&arguments.output), &[outcome])
}

/// Produces as `load` says.
///
/// # Errors
/// The run can't begin; what goes wrong in it is in its result.
pub(crate) fn measure(
    client: &mut Client,
    topic: Topic,
    load: Load,
    length: &Length,
    label: &str,
) -> Result<Outcome> {
    let batches = Rc::new(Batches::of(&load, seed()?)?);
    let (load, topic) = (Rc::new(load), Rc::new(topic));
    let (run, span) = env::task::block_on_io_thread(async {
        let made = |lane: usize| Source::Made(Rc::clone(&batches), lane * 977);
        // No lane has begun before this function waits for the first time.
        let pipes = open(client, &topic, &load)?;
        let run = Run::new(pipes.len(), length.requests);
        let lanes = start(&run, pipes, &topic, &load, made);
        let mut progress = Progress::new(label);
        let span = run::watch(&[&run], lanes, length, &mut progress).await;
        Ok::<_, anyhow::Error>((run, span))
    })
    .context("starting an event loop")??;
    let tally = run.tally.take();
    let latency_of = match (load.acks, load.rate) {
        (Acks::None, _) => "nothing: with acks 0 records are sent, and nobody says that they arrived",
        (_, None) => "a request, from its sending to its answer",
        (_, Some(_)) => "a request, from the time that it was due to its answer",
    };
    let about = format!("produce to {}: {}", topic.name, load.in_words());
    Ok(Outcome {
        label: label.to_owned(),
        about,
        settings: load.json(),
        span,
        tally,
        latency_of,
        more: Vec::new(),
    })
}

/// A connection and, where wanted, a producer id for each lane.
pub(crate) struct Opened {
    partition: i32,
    pipe: client::Pipe,
    identity: Option<Identity>,
}

/// Opens the connections, each to the leader of its partition; must be called on an event loop.
///
/// # Errors
/// What the broker says.
pub(crate) fn open(client: &mut Client, topic: &Topic, load: &Load) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    for lane in 0..usize::try_from(load.connections)? {
        let partition = topic.partitions[lane % topic.partitions.len()].index;
        let identity = match load.is_idempotent {
            false => None,
            true => match client.producer_id()? {
                Some((producer_id, producer_epoch)) => {
                    Some(Identity { producer_id, producer_epoch, sequence: 0 })
                }
                None => bail!("--idempotent: the broker gives no producer ids"),
            },
        };
        opened.push(Opened { partition, pipe: client.pipe_to_leader(topic, partition)?, identity });
    }
    Ok(opened)
}

/// Starts the lanes, and in an open loop who keeps the time.
pub(crate) fn start(
    run: &Rc<Run>,
    opened: Vec<Opened>,
    topic: &Rc<Topic>,
    load: &Rc<Load>,
    source: impl Fn(usize) -> Source,
) -> Vec<env::task::JoinHandle<()>> {
    let schedule = load.schedule();
    if let Some(schedule) = schedule {
        let run = Rc::clone(run);
        env::spawn_local(async move {
            if let Err(e) = Rc::clone(&run).keep_time(schedule).await {
                run.tally.borrow_mut().failed(&format!("keeping the time: {e}"));
                run.stop();
            }
        });
    }
    let lane = |(index, Opened { partition, pipe, identity })| {
        let (run, load, topic) = (Rc::clone(run), Rc::clone(load), Rc::clone(topic));
        let (source, state) = (source(index), super::lane::State::default());
        let lane = Lane { run, index, load, topic, partition, pipe, source, identity, schedule, state };
        Rc::clone(&lane.run).spawn(lane.work())
    };
    opened.into_iter().enumerate().map(lane).collect()
}

/// A lane's batches that say when they were due.
pub(crate) fn stamped(load: &Load, run_id: u64, lane: usize) -> Source {
    Source::Stamped(Box::new(Stamped::of(load, run_id, run_id ^ lane as u64)))
}

/// Other values in every run.
///
/// # Errors
/// The kernel has no dice.
pub(crate) fn seed() -> Result<u64> {
    let mut bytes = [0; 8];
    env::random::fill(&mut bytes).context("rolling dice")?;
    Ok(u64::from_le_bytes(bytes))
}
