//! One connection that produces: sends what is due, takes the answers in.

use std::{
    borrow::Cow,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
};

use client::{Acks, ClientError, Pipe, Template, Topic};
use env::Instant;
use wire::{
    message::{
        ProduceRequest, ProduceResponse,
        produce::{PartitionProduceData, TopicProduceData},
    },
    primitive::Records,
};

use super::{
    batches::{Batches, Identity, Stamped},
    load::Load,
    run::Run,
    schedule::Schedule,
    tally::{Got, name_of},
};

/// What the broker is given for one request, in milliseconds: Kafka's default for producers.
const REQUEST_TIMEOUT_MS: i32 = 30_000;
/// Requests without answers that are sent before others have their turn.
const UNANSWERED_AT_ONCE: u32 = 64;

/// Where the batches come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Made before the run; the number counts turns.
    Made(Rc<Batches>, usize),
    /// Made when they are sent.
    Stamped(Box<Stamped>),
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) run: Rc<Run>,
    pub(crate) index: usize,
    pub(crate) load: Rc<Load>,
    pub(crate) topic: Rc<Topic>,
    pub(crate) partition: i32,
    pub(crate) pipe: Pipe,
    pub(crate) source: Source,
    pub(crate) identity: Option<Identity>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) state: State,
}

/// What changes while a lane works.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// When the requests under way were sent or due; at most `Load::in_flight`.
    pending: VecDeque<Instant>,
    /// Requests sent.
    turn: u64,
    /// As the last batch was long.
    template: Option<Template>,
    /// The last batch as this producer's, or as it was stamped.
    batch: Vec<u8>,
    /// The next base offset is not below.
    next_offset: i64,
}

impl Lane {
    /// Works until the run stops and what was under way is answered.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(crate) async fn work(mut self) -> Result<(), ClientError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.run.register(self.index, cx.waker());
        loop {
            let may_send_more = self.send_due()?;
            let was_blocked = !self.pipe.is_flushed();
            let is_flushed = match self.pipe.poll_flush(cx) {
                Poll::Ready(flushed) => flushed.map(|()| true)?,
                Poll::Pending => false,
            };
            if self.run.is_stopping() && self.state.pending.is_empty() && is_flushed {
                return Poll::Ready(Ok(()));
            }
            if was_blocked && is_flushed && self.load.acks == Acks::None {
                // The socket was what had stopped the sending, and no answer will wake us.
                continue;
            }
            if may_send_more {
                cx.waker().wake_by_ref();
            }
            ready!(self.pipe.poll_receive(cx))?;
            self.take_answers()?;
        }
    }

    /// Sends what is due; whether it stopped only to let others have their turn.
    fn send_due(&mut self) -> Result<bool, ClientError> {
        let is_answered = self.load.acks != Acks::None;
        let mut sent = 0;
        loop {
            let is_full = if is_answered {
                self.state.pending.len() as u64 >= self.load.in_flight
            } else {
                !self.pipe.is_flushed()
            };
            let now = Instant::now();
            let from = self.schedule.map_or(now, |schedule| {
                self.run.started + schedule.due_in_lane(self.index as u64, self.state.turn)
            });
            if is_full || from > now || self.run.is_stopping() {
                return Ok(false);
            }
            if !is_answered && sent == UNANSWERED_AT_ONCE {
                return Ok(true);
            }
            if !self.run.take_request() {
                return Ok(false);
            }
            self.send(from, is_answered)?;
            sent += 1;
        }
    }

    fn send(&mut self, from: Instant, is_answered: bool) -> Result<(), ClientError> {
        let Self { load, pipe, state, .. } = self;
        let made = match &mut self.source {
            Source::Made(batches, turn) => {
                *turn = turn.wrapping_add(1);
                Some(batches.get(*turn))
            }
            Source::Stamped(stamped) => {
                let ns = u64::try_from(from.since(self.run.started).as_nanos()).unwrap_or(u64::MAX);
                state.batch = stamped.next(load.batch, ns).map_err(|e| ClientError::Records {
                    about: format!("partition {}-{}", self.topic.name, self.partition),
                    why: e.to_string(),
                })?;
                None
            }
        };
        let batch = match (&mut self.identity, made) {
            (Some(identity), made) => {
                let plain = made.map_or_else(|| std::mem::take(&mut state.batch), <[u8]>::to_vec);
                let records = i32::try_from(load.batch).unwrap_or(i32::MAX);
                identity.stamp(&plain, records, &mut state.batch);
                &state.batch
            }
            (None, Some(made)) => made,
            (None, None) => &state.batch,
        };
        let template = match &mut state.template {
            Some(template) if template.records_bytes() == batch.len() => template,
            other => other.insert(pipe.template(
                &request(load, &self.topic, self.partition, batch.len()),
                self.topic.version_max(),
            )?),
        };
        pipe.send(template, batch, is_answered)?;
        state.turn += 1;
        let mut tally = self.run.tally.borrow_mut();
        if is_answered {
            state.pending.push_back(from);
            tally.unanswered += 1;
        } else {
            tally.answered(got(load));
        }
        Ok(())
    }

    fn take_answers(&mut self) -> Result<(), ClientError> {
        let mut tally = self.run.tally.borrow_mut();
        let now = Instant::now();
        while let Some(answer) = self.pipe.next_answer()? {
            let response: ProduceResponse<'_> = answer.decode()?;
            let from = self.state.pending.pop_front();
            tally.unanswered -= 1;
            match outcome(&response, &mut self.state.next_offset, self.load.batch) {
                Ok(()) => {
                    tally.answered(got(&self.load));
                    tally.took(from.map_or_else(Default::default, |from| now.since(from)));
                }
                Err(what) => tally.failed(&what),
            }
        }
        Ok(())
    }
}

fn request<'a>(load: &Load, topic: &'a Topic, partition: i32, batch_bytes: usize) -> ProduceRequest<'a> {
    let data = PartitionProduceData { index: partition, records: Records::Spliced(batch_bytes) };
    let of_topic = TopicProduceData {
        name: Cow::Borrowed(&topic.name),
        topic_id: topic.id,
        partition_data: vec![data].into(),
    };
    ProduceRequest {
        transactional_id: None,
        acks: load.acks.code(),
        timeout_ms: REQUEST_TIMEOUT_MS,
        topic_data: vec![of_topic].into(),
    }
}

fn got(load: &Load) -> Got {
    let value_bytes = load.batch * load.record_bytes;
    Got { records: load.batch, value_bytes, batches: 1, wire_bytes: 0 }
}

/// What an answer says about its one batch, in a word for the count when it is not "stored where it should be".
fn outcome(response: &ProduceResponse<'_>, next_offset: &mut i64, records: u64) -> Result<(), String> {
    let found = response.responses.iter().find_map(|topic| topic.partition_responses.iter().next());
    let Some(found) = found else { return Err("answer without a partition".to_owned()) };
    if found.error_code != 0 {
        return Err(name_of(found.error_code));
    }
    // One connection's batches of one partition are stored in the order in which they were sent.
    if found.base_offset < *next_offset {
        return Err("base offset out of order".to_owned());
    }
    *next_offset = found.base_offset.saturating_add(i64::try_from(records).unwrap_or(i64::MAX));
    Ok(())
}
