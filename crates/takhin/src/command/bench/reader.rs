//! One connection that reads: asks for all of its partitions, checks every batch, visits every record, asks again.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::Result;
use client::{Client, ClientError, Pipe, Topic};
use env::Instant;
use wire::{
    message::{
        FetchRequest, FetchResponse,
        fetch::{FetchPartition, FetchTopic},
    },
    record::{self, BatchError, Limits, Scratch},
};

use super::{
    batches::stamp_of,
    run::Run,
    tally::{Got, Tally, name_of},
};

/// Most bytes that one batch may decompress to.
const DECOMPRESSED_BYTES_MAX: usize = 512 << 20;

/// How much a reader asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) answer_bytes: i32,
    pub(crate) partition_bytes: i32,
    /// How long the broker waits for a record to come, in milliseconds.
    pub(crate) wait_ms: i32,
    /// Whether it starts over at the end.
    pub(crate) again: bool,
}

/// A partition that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) partition: i32,
    pub(crate) start: i64,
    pub(crate) next: i64,
    /// Behind the last record that is wanted.
    pub(crate) end: i64,
}

/// Whose records are counted and what is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measure {
    /// All records; the time of each fetch.
    Fetches,
    /// Those of this run; the time from when each was to be sent, counted from `started`.
    Arrivals { run_id: u64, started: Instant },
}

/// See the module's head.
pub(crate) struct Reader {
    pub(crate) run: Rc<Run>,
    pub(crate) index: usize,
    pub(crate) topic: Rc<Topic>,
    pub(crate) pipe: Pipe,
    pub(crate) positions: Vec<Position>,
    pub(crate) ask: Ask,
    pub(crate) measure: Measure,
    pub(crate) asked: Option<Instant>,
    pub(crate) scratch: Scratch,
}

/// Opens connections: each of `connections` has its share of the partitions, and one socket to each of their leaders.
///
/// # Errors
/// What the broker says.
pub(crate) fn open(
    client: &mut Client,
    topic: &Topic,
    positions: &[Position],
    connections: usize,
) -> Result<Vec<(Pipe, Vec<Position>)>> {
    let mut shares: BTreeMap<(usize, Option<i32>), Vec<Position>> = BTreeMap::new();
    for (at, position) in positions.iter().enumerate() {
        let leader = topic.partitions.iter().find(|p| p.index == position.partition).and_then(|p| p.leader);
        shares.entry((at % connections, leader)).or_default().push(*position);
    }
    let open = |share: Vec<Position>| Ok((client.pipe_to_leader(topic, share[0].partition)?, share));
    shares.into_values().map(open).collect()
}

impl Reader {
    /// Works until everything is read, or the run stops.
    ///
    /// # Errors
    /// The connection is of no use any more, or a batch can't be read.
    pub(crate) async fn work(mut self) -> Result<(), ClientError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.run.register(self.index, cx.waker());
        loop {
            if self.asked.is_none() && (self.run.is_stopping() || !self.send()?) {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(flushed) = self.pipe.poll_flush(cx) {
                flushed?;
            }
            ready!(self.pipe.poll_receive(cx))?;
            self.take_answer()?;
        }
    }

    /// Asks for what is left of the partitions; false when nothing is.
    fn send(&mut self) -> Result<bool, ClientError> {
        if self.ask.again && self.positions.iter().all(|p| p.next >= p.end) {
            self.positions.iter_mut().for_each(|p| p.next = p.start);
        }
        // Otherwise the first partitions would fill every answer.
        let turn = usize::from(self.positions.len() > 1);
        self.positions.rotate_left(turn);
        let wanted = self.positions.iter().filter(|p| p.next < p.end);
        let partitions: Vec<FetchPartition> = wanted
            .map(|p| FetchPartition {
                partition: p.partition,
                fetch_offset: p.next,
                partition_max_bytes: self.ask.partition_bytes,
                ..Default::default()
            })
            .collect();
        if partitions.is_empty() {
            return Ok(false);
        }
        let topic = FetchTopic {
            topic: Cow::Borrowed(&self.topic.name),
            topic_id: self.topic.id,
            partitions: partitions.into(),
        };
        let request = FetchRequest {
            max_wait_ms: self.ask.wait_ms,
            min_bytes: 1,
            max_bytes: self.ask.answer_bytes,
            // No session: each request says all (KIP-227).
            session_id: 0,
            session_epoch: -1,
            topics: vec![topic].into(),
            ..Default::default()
        };
        let mut template = self.pipe.template(&request, self.topic.version_max())?;
        self.pipe.send(&mut template, &[], true)?;
        self.asked = Some(Instant::now());
        Ok(true)
    }

    fn take_answer(&mut self) -> Result<(), ClientError> {
        let measure = self.measure;
        let Self { pipe, positions, topic, scratch, .. } = self;
        let mut tally = self.run.tally.borrow_mut();
        while let Some(answer) = pipe.next_answer()? {
            let response: FetchResponse<'_> = answer.decode()?;
            let now = Instant::now();
            if response.error_code != 0 {
                tally.failed(&name_of(response.error_code));
            }
            let mut got = Got::default();
            for of_partition in
                response.responses.iter().flat_map(|t| t.partitions.iter().collect::<Vec<_>>())
            {
                let partition = of_partition.partition_index;
                if of_partition.error_code != 0 {
                    tally.failed(&name_of(of_partition.error_code));
                    continue;
                }
                let Some(position) = positions.iter_mut().find(|p| p.partition == partition) else {
                    continue;
                };
                let records = of_partition.records.as_slice().unwrap_or_default();
                let read =
                    visit(records, position, scratch, |value| arrived(measure, value, now, &mut tally));
                got.add(read.map_err(|e| ClientError::Records {
                    about: format!("partition {}-{partition} at offset {}", topic.name, position.next),
                    why: e.to_string(),
                })?);
            }
            tally.answered(got);
            if let (Measure::Fetches, Some(asked)) = (measure, self.asked) {
                tally.took(now.since(asked));
            }
            self.asked = None;
        }
        Ok(())
    }
}

/// Whether a record is to be counted; measures how long it took where that is wanted.
fn arrived(measure: Measure, value: &[u8], now: Instant, tally: &mut Tally) -> bool {
    match measure {
        Measure::Fetches => true,
        Measure::Arrivals { run_id, started } => match stamp_of(value, run_id) {
            Some(ns) => {
                tally.took(now.since(started + Duration::from_nanos(ns)));
                true
            }
            None => false,
        },
    }
}

/// Visits the records from `position` on, with every CRC checked, and moves it behind them.
fn visit(
    records: &[u8],
    position: &mut Position,
    scratch: &mut Scratch,
    mut counts: impl FnMut(&[u8]) -> bool,
) -> Result<Got, BatchError> {
    let limits = Limits {
        batch_bytes_max: usize::MAX,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        ..Limits::default()
    };
    let mut got = Got::default();
    for batch in client::whole_batches(records) {
        let batch = batch?;
        got.batches += 1;
        let opened = record::read_with(batch, &limits, scratch)?;
        if !opened.header().is_control() {
            for record in &opened {
                let record = record?;
                let value = record.value.unwrap_or_default();
                if (position.next..position.end).contains(&record.offset) && counts(value) {
                    got.records += 1;
                    got.value_bytes += value.len() as u64;
                }
            }
        }
        got.wire_bytes += batch.len() as u64;
        position.next = position.next.max(opened.header().last_offset().saturating_add(1));
    }
    Ok(got)
}

#[cfg(test)]
#[path = "reader_test.rs"]
mod reader_test;
