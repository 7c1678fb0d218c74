//! `takhin consume`: records of a topic's partitions, as lines or as JSON objects.
//!
//! Without a group it reads what it is told to, and nothing remembers how far it came; see [`group`] for the other way.

mod group;
mod printer;

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use anyhow::{Result, bail};
use client::{At, Client, Consumer};
use env::Instant;

use self::printer::Printer;
use crate::{
    cli::{ConsumeArgs, Partitions, Start},
    progress::{Progress, Unit},
};

/// Longest that one fetch waits for records.
const WAIT: Duration = Duration::from_millis(500);

/// Runs `takhin consume`.
///
/// # Errors
/// What the broker says, or that the records can't be printed.
pub(crate) fn run(arguments: &ConsumeArgs) -> Result<()> {
    if let Some(group) = &arguments.group {
        return group::run(arguments, group);
    }
    let mut client = super::client(&arguments.cluster);
    let offsets = first_offsets(&mut client, arguments)?;
    let ends =
        if arguments.to_end { Some(ends(&mut client, &arguments.topic, offsets.keys())?) } else { None };
    let mut reading = Reading::new(arguments, ends);
    reading.begin(offsets);
    while reading.turn(&mut client)?.is_continue() {}
    Ok(())
}

/// Reading and printing, turn by turn, up to what the command line says is the end.
struct Reading<'a> {
    arguments: &'a ConsumeArgs,
    /// Where partitions end that are read only so far.
    ends: Option<BTreeMap<i32, i64>>,
    consumer: Consumer,
    printer: Printer<'a>,
    last_record: Instant,
    /// How far each partition's records have been printed, those included that have been read to their end.
    printed: BTreeMap<i32, i64>,
    /// Of what there is to the end.
    progress: Progress,
}

impl<'a> Reading<'a> {
    fn new(arguments: &'a ConsumeArgs, ends: Option<BTreeMap<i32, i64>>) -> Self {
        let progress = match ends {
            Some(_) => Progress::new("read", Unit::Records, true),
            None => Progress::hidden(),
        };
        Self {
            progress,
            arguments,
            ends,
            consumer: Consumer::new(&arguments.topic, []),
            printer: Printer::new(arguments),
            last_record: Instant::now(),
            printed: BTreeMap::new(),
        }
    }

    /// Reads these partitions from here on, and no others.
    fn begin(&mut self, offsets: BTreeMap<i32, i64>) {
        self.printed.clone_from(&offsets);
        // Joining a group takes time in which no record can come.
        self.last_record = Instant::now();
        self.consumer = Consumer::new(&self.arguments.topic, offsets);
        self.progress.begin(self.left());
    }

    /// Offsets that are still to be read up to the ends, if there are any.
    fn left(&self) -> u64 {
        let ends = self.ends.iter().flatten();
        let left = ends.filter_map(|(partition, end)| Some(end - self.printed.get(partition)?));
        left.map(|left| u64::try_from(left).unwrap_or(0)).sum()
    }

    /// Waits a moment for records and prints them; breaks at the end.
    fn turn(&mut self, client: &mut Client) -> Result<ControlFlow<()>> {
        if self.printer.is_done() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(ends) = &self.ends {
            leave_read_partitions(&mut self.consumer, ends);
            if self.consumer.positions().is_empty() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let quiet_max = self.arguments.timeout_ms.map(Duration::from_millis);
        let quiet_left = quiet_max.map_or(WAIT, |max| max.saturating_sub(self.last_record.elapsed()));
        if quiet_left.is_zero() {
            return Ok(ControlFlow::Break(()));
        }
        self.read(client, WAIT.min(quiet_left))?;
        Ok(ControlFlow::Continue(()))
    }

    fn read(&mut self, client: &mut Client, wait: Duration) -> Result<()> {
        if self.consumer.positions().is_empty() {
            // All partitions are other members'. Nobody unparks this thread.
            env::task::park_timeout(wait);
            return Ok(());
        }
        let mut has_records = false;
        let polled = self.consumer.poll(client, wait, |record| {
            has_records = true;
            self.printer.print_or_break(record, self.ends.as_ref())
        })?;
        if let ControlFlow::Break(stop) = polled {
            stop?;
        }
        self.printer.flush()?;
        if has_records {
            self.last_record = Instant::now();
        }
        for (partition, position) in self.consumer.positions() {
            let end = self.ends.as_ref().and_then(|ends| ends.get(partition)).copied();
            self.printed.insert(*partition, position.next.min(end.unwrap_or(i64::MAX)));
        }
        self.progress.set_left(self.left());
        Ok(())
    }
}

/// Where each partition's reading begins.
fn first_offsets(client: &mut Client, arguments: &ConsumeArgs) -> Result<BTreeMap<i32, i64>> {
    let topic = client.topic(&arguments.topic)?;
    let all: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
    let chosen = match &arguments.partition {
        Partitions::All => all,
        Partitions::Some(chosen) => {
            if let Some(stray) = chosen.iter().find(|index| !all.contains(index)) {
                bail!("topic {} has partitions 0 to {}, not {stray}", topic.name, all.len() - 1);
            }
            chosen.clone()
        }
    };
    let at = match (arguments.from_beginning, arguments.offset, arguments.from_time) {
        (_, Some(Start::Offset(offset)), _) => return exactly(client, &topic.name, &chosen, offset),
        (true, ..) | (_, Some(Start::Earliest), _) => At::Earliest,
        (.., Some(time)) => At::Time(time),
        (_, Some(Start::Latest), _) | (false, None, None) => At::Latest,
    };
    let mut offsets = BTreeMap::new();
    for partition in chosen {
        let offset = match client.offset(&topic.name, partition, at)? {
            Some(offset) => offset,
            // No record is as late: the next one to come will be.
            None => client.offset(&topic.name, partition, At::Latest)?.unwrap_or(0),
        };
        offsets.insert(partition, offset);
    }
    Ok(offsets)
}

/// The same offset in each partition, which must hold it or end there.
fn exactly(client: &mut Client, topic: &str, partitions: &[i32], offset: i64) -> Result<BTreeMap<i32, i64>> {
    for partition in partitions {
        let mut bound = |at| client.offset(topic, *partition, at).map(Option::unwrap_or_default);
        let (first, next) = (bound(At::Earliest)?, bound(At::Latest)?);
        if !(first..=next).contains(&offset) {
            bail!("partition {topic}-{partition}: offset {offset} is not within {first} to {next}");
        }
    }
    Ok(partitions.iter().map(|partition| (*partition, offset)).collect())
}

/// Where each partition ends now.
fn ends<'p>(
    client: &mut Client,
    topic: &str,
    partitions: impl Iterator<Item = &'p i32>,
) -> Result<BTreeMap<i32, i64>> {
    let mut ends = BTreeMap::new();
    for partition in partitions {
        ends.insert(*partition, client.offset(topic, *partition, At::Latest)?.unwrap_or(0));
    }
    Ok(ends)
}

fn leave_read_partitions(consumer: &mut Consumer, ends: &BTreeMap<i32, i64>) {
    let read: Vec<i32> = consumer
        .positions()
        .iter()
        .filter(|(partition, position)| ends.get(partition).is_none_or(|end| position.next >= *end))
        .map(|(partition, _)| *partition)
        .collect();
    for partition in read {
        consumer.leave(partition);
    }
}
