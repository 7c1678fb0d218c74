//! `takhin produce`: lines of standard input become records.
//!
//! What has been typed or piped so far is sent before more is waited for, so that a person's line goes at
//! once and a file's lines go in batches.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use client::{Client, Creation, Options, Producer, ProducerOptions, partition_of_key};
use env::WallTime;
use serde_json::json;
use wire::record::{Builder, Compression, Header};

use super::UsageError;
use crate::{
    cli::ProduceArgs,
    output::{self, Output},
    progress::{Progress, Unit},
};

/// Bytes that are read from standard input at a time.
const INPUT_BYTES: usize = 1 << 20;
/// Longest line, in bytes: as much as a broker takes in one request by default.
const LINE_BYTES_MAX: u64 = 100 << 20;
/// Longest that a request waits for its answer.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Runs `takhin produce`.
///
/// # Errors
/// What the broker says; records of earlier batches are stored then.
pub(crate) fn run(arguments: &ProduceArgs) -> Result<()> {
    if arguments.null.is_some() && arguments.null == arguments.key_separator {
        return Err(UsageError("--null and --key-separator can't be the same text".to_owned()).into());
    }
    let mut session = Session::open(arguments)?;
    let mut input = BufReader::with_capacity(INPUT_BYTES, io::stdin().lock());
    let mut line = Vec::new();
    loop {
        // Nothing more is at hand: what is there goes before we wait.
        if !input.buffer().contains(&b'\n') {
            session.flush()?;
        }
        line.clear();
        let read =
            input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line).context("standard input")?;
        if read == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read > usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX) {
            bail!("standard input: a line is longer than {LINE_BYTES_MAX} bytes");
        }
        session.take(&line)?;
    }
    session.flush()?;
    let (records, batches) = (session.records, session.batches);
    drop(session);
    let json = json!({ "topic": arguments.topic, "records": records, "batches": batches });
    Output::new(&arguments.output).value(&json, |out| {
        writeln!(out, "{records} records in {batches} batches to topic {}", arguments.topic)
    })?;
    Ok(output::finish()?)
}

/// Batches that are being filled, and where they go.
struct Session<'a> {
    arguments: &'a ProduceArgs,
    client: Client,
    producer: Producer,
    partitions: i32,
    /// Where records without a key go; moves on with each batch.
    keyless: i32,
    filling: BTreeMap<i32, Builder>,
    records: u64,
    batches: u64,
    progress: Progress,
}

impl<'a> Session<'a> {
    fn open(arguments: &'a ProduceArgs) -> Result<Self> {
        let operation_timeout = Duration::from_millis(arguments.timeout_ms);
        let options = Options {
            client_id: "takhin-cli".to_owned(),
            operation_timeout,
            request_timeout: REQUEST_TIMEOUT_MAX.min(operation_timeout),
            ..Options::default()
        };
        let mut client = Client::new(arguments.cluster.bootstrap_server.clone(), options);
        let topic = client.topic_with_leaders(&arguments.topic, Creation::Allowed)?;
        let partitions = i32::try_from(topic.partitions.len()).context("too many partitions")?;
        if let Some(partition) = arguments.partition.filter(|partition| *partition >= partitions) {
            bail!("topic {} has partitions 0 to {}, not {partition}", topic.name, partitions - 1);
        }
        let compression = Compression::from(arguments.compression);
        let producer = Producer::new(ProducerOptions { acks: arguments.acks, compression });
        // Who types sees what was typed.
        let progress = match io::stdin().is_terminal() {
            true => Progress::hidden(),
            false => Progress::new("sent", Unit::Records, false),
        };
        Ok(Self {
            arguments,
            client,
            producer,
            partitions,
            keyless: 0,
            filling: BTreeMap::new(),
            records: 0,
            batches: 0,
            progress,
        })
    }

    /// Puts a line into the batch of its partition; a full batch goes first.
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let (key, value) = split(line, self.arguments.key_separator.as_deref());
        let (key, value) = (self.unless_null(key), self.unless_null(Some(value)));
        let partition = match (self.arguments.partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, self.partitions),
            (None, None) => self.keyless,
        };
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let is_full = self.filling.get(&partition).is_some_and(|batch| {
            batch.record_count() >= self.arguments.batch_records
                || batch.bytes().saturating_add(bytes) > self.arguments.batch_bytes
        });
        if is_full {
            self.send(partition)?;
        }
        let timestamp = self.arguments.timestamp.unwrap_or_else(|| WallTime::now().0);
        let header = |(key, value): &'a (String, String)| Header {
            key: key.as_bytes(),
            value: Some(value.as_bytes()),
        };
        let headers: Vec<Header<'_>> = self.arguments.header.iter().map(header).collect();
        let batch = self.filling.entry(partition).or_insert_with(|| self.producer.batch());
        batch
            .append(timestamp, key, value, &headers)
            .with_context(|| format!("a record of {bytes} bytes"))?;
        self.records += 1;
        Ok(())
    }

    fn unless_null<'l>(&self, field: Option<&'l [u8]>) -> Option<&'l [u8]> {
        field.filter(|field| self.arguments.null.as_ref().is_none_or(|null| null.as_bytes() != *field))
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(partition) = self.filling.keys().next().copied() {
            self.send(partition)?;
        }
        Ok(())
    }

    fn send(&mut self, partition: i32) -> Result<()> {
        let Some(batch) = self.filling.remove(&partition) else { return Ok(()) };
        self.producer.send(&mut self.client, &self.arguments.topic, partition, batch)?;
        self.batches += 1;
        self.progress.set(self.records);
        if partition == self.keyless {
            self.keyless = (self.keyless + 1) % self.partitions;
        }
        Ok(())
    }
}

/// Key and value of a line.
fn split<'l>(line: &'l [u8], separator: Option<&str>) -> (Option<&'l [u8]>, &'l [u8]) {
    let separator = separator.unwrap_or("").as_bytes();
    let found = (!separator.is_empty())
        .then(|| line.windows(separator.len()).position(|window| window == separator))
        .flatten();
    match found {
        Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
        None => (None, line),
    }
}
