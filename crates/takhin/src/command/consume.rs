//! `takhin consume`: records of a topic's partitions, as lines or as JSON objects.
//!
//! Without a group: it reads what it is told to, and nothing remembers how far it came.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, StdoutLock, Write},
    ops::ControlFlow,
    time::Duration,
};

use anyhow::{Result, bail};
use client::{At, Client, Consumer, RecordOf};
use env::Instant;
use serde_json::{Map, Value, json};

use crate::cli::{ConsumeArgs, OutputForm, Partitions, Start};

/// Longest that one fetch waits for records.
const WAIT: Duration = Duration::from_millis(500);

/// Runs `takhin consume`.
///
/// # Errors
/// What the broker says, or that the records can't be printed.
pub(crate) fn run(arguments: &ConsumeArgs) -> Result<()> {
    let mut client = super::client(&arguments.cluster);
    let offsets = first_offsets(&mut client, arguments)?;
    let ends =
        if arguments.to_end { Some(ends(&mut client, &arguments.topic, offsets.keys())?) } else { None };
    let mut consumer = Consumer::new(&arguments.topic, offsets);
    let mut printer =
        Printer { arguments, out: BufWriter::new(io::stdout().lock()), left: arguments.max_messages };
    let quiet_max = arguments.timeout_ms.map(Duration::from_millis);
    let mut last_record = Instant::now();
    while printer.left != Some(0) {
        if let Some(ends) = &ends {
            leave_read_partitions(&mut consumer, ends);
            if consumer.positions().is_empty() {
                break;
            }
        }
        let quiet_left = quiet_max.map_or(WAIT, |max| max.saturating_sub(last_record.elapsed()));
        if quiet_left.is_zero() {
            break;
        }
        let mut has_records = false;
        let polled = consumer.poll(&mut client, WAIT.min(quiet_left), |record| {
            has_records = true;
            printer.print_or_break(record, ends.as_ref())
        })?;
        if let ControlFlow::Break(stop) = polled {
            stop?;
        }
        printer.out.flush()?;
        if has_records {
            last_record = Instant::now();
        }
    }
    printer.out.flush()?;
    Ok(())
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

/// Prints records until as many are printed as were asked for.
struct Printer<'a> {
    arguments: &'a ConsumeArgs,
    out: BufWriter<StdoutLock<'static>>,
    left: Option<u64>,
}

impl Printer<'_> {
    /// Prints a record unless it came after the end; breaks off when no more are wanted or can be printed.
    fn print_or_break(
        &mut self,
        record: &RecordOf<'_>,
        ends: Option<&BTreeMap<i32, i64>>,
    ) -> ControlFlow<io::Result<()>> {
        let is_beyond = ends
            .is_some_and(|ends| ends.get(&record.partition).is_some_and(|end| record.record.offset >= *end));
        if is_beyond {
            return ControlFlow::Continue(());
        }
        let printed = match self.arguments.output.output {
            OutputForm::Table => self.print_line(record),
            OutputForm::Json => self.print_json(record),
        };
        if let Err(e) = printed {
            return ControlFlow::Break(Err(e));
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return ControlFlow::Break(Ok(()));
            }
        }
        ControlFlow::Continue(())
    }

    /// Keys and values as they are, byte for byte.
    fn print_line(&mut self, record: &RecordOf<'_>) -> io::Result<()> {
        let Self { arguments, out, .. } = self;
        let (separator, null) = (arguments.separator.as_bytes(), arguments.null.as_bytes());
        let record_fields = &record.record;
        if arguments.print_timestamp {
            write!(out, "{}", record_fields.timestamp)?;
            out.write_all(separator)?;
        }
        if arguments.print_offset {
            write!(out, "{}", record.partition)?;
            out.write_all(separator)?;
            write!(out, "{}", record_fields.offset)?;
            out.write_all(separator)?;
        }
        if arguments.print_headers {
            for (at, header) in record_fields.headers.enumerate() {
                if at > 0 {
                    out.write_all(b",")?;
                }
                out.write_all(header.key)?;
                out.write_all(b"=")?;
                out.write_all(header.value.unwrap_or(null))?;
            }
            out.write_all(separator)?;
        }
        if arguments.print_key {
            out.write_all(record_fields.key.unwrap_or(null))?;
            out.write_all(separator)?;
        }
        out.write_all(record_fields.value.unwrap_or(null))?;
        out.write_all(b"\n")
    }

    /// One object a line.
    fn print_json(&mut self, record: &RecordOf<'_>) -> io::Result<()> {
        let mut object = Map::new();
        object.insert("partition".to_owned(), json!(record.partition));
        object.insert("offset".to_owned(), json!(record.record.offset));
        object.insert("timestamp".to_owned(), json!(record.record.timestamp));
        insert(&mut object, "key", record.record.key);
        insert(&mut object, "value", record.record.value);
        let headers = record.record.headers.map(|header| {
            let mut object = Map::new();
            insert(&mut object, "key", Some(header.key));
            insert(&mut object, "value", header.value);
            Value::Object(object)
        });
        object.insert("headers".to_owned(), Value::Array(headers.collect()));
        serde_json::to_writer(&mut self.out, &object)?;
        self.out.write_all(b"\n")
    }
}

/// Text as text; other bytes in hexadecimal, under a name that says so.
fn insert(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let (name, value) = match bytes.map(std::str::from_utf8) {
        None => (name.to_owned(), Value::Null),
        Some(Ok(text)) => (name.to_owned(), json!(text)),
        Some(Err(_)) => {
            let hex: String = bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
            (format!("{name}Hex"), json!(hex))
        }
    };
    object.insert(name, value);
}
