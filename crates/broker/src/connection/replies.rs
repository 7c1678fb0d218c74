//! What a connection owes its client: answers in the order of the requests.
//!
//! Produce requests overlap: each takes a *slot*, and its outcomes fill it in whatever order they come. A slot's answer
//! is encoded once it and all before it are complete. Every other request waits until no slot is left, so its answer
//! goes straight to the end of the output.

use std::collections::VecDeque;
use std::rc::Rc;

use env::Instant;
use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::message::produce::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use wire::primitive::Uuid;
use wire::record::RecordErrors;

use crate::counters::Counters;
use crate::dispatch;
use crate::topic_traffic::TopicCells;
use crate::topics::TopicHandle;

/// The number of a slot, counted over the connection's life.
pub(crate) type SlotNumber = u64;

/// One partition's part of a produce answer.
pub(crate) struct Part {
    /// The topic as the request named it.
    pub(crate) topic: PartTopic,
    pub(crate) partition: i32,
    /// `None` while its commit is under way.
    pub(crate) answer: Option<PartAnswer>,
}

/// How a produce answer names a topic.
pub(crate) enum PartTopic {
    Known(Rc<TopicHandle>),
    /// Not of this broker; repeated as it was sent.
    Unknown {
        name: Box<str>,
        id: Uuid,
    },
}

/// What a producer is told of one partition.
#[derive(Clone)]
pub(crate) struct PartAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) message: Option<Box<str>>,
    /// Which records of the batch are at fault, where some are.
    pub(crate) record_errors: Option<Box<RecordErrors>>,
    pub(crate) base_offset: i64,
    pub(crate) log_append_time: i64,
    pub(crate) log_start_offset: i64,
}

impl PartAnswer {
    fn record_errors(&self) -> impl Iterator<Item = BatchIndexAndErrorMessage<'_>> {
        let named = self.record_errors.iter().flat_map(|errors| errors.named());
        named.map(|error| BatchIndexAndErrorMessage {
            batch_index: error.batch_index,
            batch_index_error_message: Some(error.to_string().into()),
        })
    }

    /// A refusal.
    pub(crate) fn error(error: ErrorCode, message: Option<Box<str>>) -> Self {
        Self {
            error,
            message,
            record_errors: None,
            base_offset: -1,
            log_append_time: -1,
            log_start_offset: -1,
        }
    }
}

/// A produce request under way.
pub(crate) struct Slot {
    pub(crate) correlation_id: i32,
    pub(crate) version: i16,
    pub(crate) read_at: Instant,
    /// When the client is told REQUEST_TIMED_OUT.
    pub(crate) deadline: Instant,
    pub(crate) parts: Vec<Part>,
    /// Parts without an answer.
    pub(crate) pending: usize,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Replies {
    /// Encoded and not sent.
    pub(crate) out: Vec<u8>,
    first: SlotNumber,
    slots: VecDeque<Slot>,
}

impl Replies {
    /// Takes a slot for a produce request; its number.
    pub(crate) fn open(&mut self, slot: Slot) -> SlotNumber {
        self.slots.push_back(slot);
        self.first + self.slots.len() as u64 - 1
    }

    /// Produce requests under way, those that are complete but behind another included.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Fills one part of a slot; true when something became ready to send. A slot that has timed out is gone: its late
    /// outcome is nobody's.
    pub(crate) fn fill(&mut self, slot: SlotNumber, part: usize, answer: PartAnswer) -> bool {
        let Some(place) = slot.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return false;
        };
        let Some(slot) = self.slots.get_mut(place) else { return false };
        if slot.parts[part].answer.is_none() {
            slot.parts[part].answer = Some(answer);
            slot.pending -= 1;
        }
        place == 0 && slot.pending == 0
    }

    /// Answers everything whose deadline has come; true when something became ready to send.
    pub(crate) fn time_out(&mut self, now: Instant) -> bool {
        for slot in self.slots.iter_mut().filter(|slot| slot.deadline <= now) {
            for part in slot.parts.iter_mut().filter(|part| part.answer.is_none()) {
                part.answer = Some(PartAnswer::error(ErrorCode::REQUEST_TIMED_OUT, None));
            }
            slot.pending = 0;
        }
        self.slots.front().is_some_and(|slot| slot.pending == 0)
    }

    /// Encodes every complete slot at the front, and counts it.
    pub(crate) fn encode_ready(&mut self, counters: &Counters, now: Instant) {
        while self.slots.front().is_some_and(|slot| slot.pending == 0) {
            let slot = self.slots.pop_front().expect("a slot is at the front");
            self.first += 1;
            slot.encode(counters, &mut self.out);
            let took = now.since(slot.read_at);
            counters.took(ApiKey::Produce, took);
            each_topic(&slot.parts, |traffic| traffic.produce_ended(took));
        }
    }
}

/// Goes through the topics of a produce request that there are.
pub(crate) fn each_topic(parts: &[Part], count: impl Fn(&TopicCells)) {
    for of_topic in parts.chunk_by(|a, b| a.topic.is_same(&b.topic)) {
        if let PartTopic::Known(topic) = &of_topic[0].topic {
            count(&topic.traffic);
        }
    }
}

impl Slot {
    /// Appends the answer, and counts the errors in it.
    fn encode(&self, counters: &Counters, out: &mut Vec<u8>) {
        let mut responses: Vec<TopicProduceResponse<'_>> = Vec::with_capacity(1);
        // A request names a topic once, all its partitions together; the answer has the same shape.
        for parts in self.parts.chunk_by(|a, b| a.topic.is_same(&b.topic)) {
            let (name, topic_id) = parts[0].topic.name_and_id();
            let partitions = parts.iter().map(Part::encode).collect();
            responses.push(TopicProduceResponse {
                name: name.into(),
                topic_id,
                partition_responses: partitions,
            });
        }
        let response = ProduceResponse { responses: responses.into(), ..ProduceResponse::default() };
        let head = (ApiKey::Produce, self.version, self.correlation_id);
        let written = dispatch::write_response(counters, head, &response, out);
        written.expect("a produce answer is shorter than 2 GiB");
    }
}

impl Part {
    fn encode(&self) -> PartitionProduceResponse<'_> {
        let answer = self.answer.as_ref().expect("only complete slots are encoded");
        PartitionProduceResponse {
            index: self.partition,
            error_code: answer.error.code(),
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time,
            log_start_offset: answer.log_start_offset,
            error_message: answer.message.as_deref().map(Into::into),
            record_errors: answer.record_errors().collect(),
            ..PartitionProduceResponse::default()
        }
    }
}

impl PartTopic {
    fn name_and_id(&self) -> (&str, Uuid) {
        match self {
            PartTopic::Known(topic) => (&topic.topic.name, Uuid(topic.topic.id.0)),
            PartTopic::Unknown { name, id } => (name, *id),
        }
    }

    fn is_same(&self, other: &PartTopic) -> bool {
        match (self, other) {
            (PartTopic::Known(a), PartTopic::Known(b)) => Rc::ptr_eq(a, b),
            _ => self.name_and_id() == other.name_and_id(),
        }
    }
}
