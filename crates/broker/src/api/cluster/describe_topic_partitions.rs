//! DescribeTopicPartitions: key 75, version 0, flexible. A topic's partitions in pages (KIP-966).
//!
//! Topics come in the order of their names, each once. An answer has as many partitions as the client takes, at most
//! `PARTITIONS_MAX`, and the cursor for what follows, if anything does. Replicas are in sync or not there: no other may lead.
//!
//! Where it differs from Kafka 4.3.1: a topic without a name is INVALID_TOPIC_EXCEPTION (Kafka: UNKNOWN_SERVER_ERROR for all);
//! of more than `NAMED_MAX` topics that are named the rest is not looked at.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::{Topic, check_topic_name};
use storage::id::PartitionId;
use wire::error::ErrorCode;
use wire::message::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
};
use wire::primitive::{Array, Uuid};

use super::metadata::TOPIC_OPERATIONS;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;
use crate::topics::is_internal;

/// Partitions in one answer: Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2000;

/// Describes partitions.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeTopicPartitionsRequest<'a>,
) -> DescribeTopicPartitionsResponse<'a> {
    let Ok(question) = Question::of(&request) else {
        return refused(&request);
    };
    let mut page = Page::new(request.response_partition_limit);
    let image = broker.node().image();
    // Whether the page is full is all that ends these early.
    let _ = match &question.named {
        None => image.topics_from(question.begin()).try_for_each(|topic| {
            let first = question.first_of(&topic.name);
            page.add(broker, topic.name.to_string().into(), Some(topic), first)
        }),
        Some(names) => names
            .iter()
            .try_for_each(|name| page.add(broker, name.clone(), image.topic(name), question.first_of(name))),
    };
    DescribeTopicPartitionsResponse {
        throttle_time_ms: 0,
        topics: page.topics.into(),
        next_cursor: page.next,
    }
}

/// What is asked for: topics from the cursor on.
struct Question<'a> {
    /// `None` stands for all that there are.
    named: Option<BTreeSet<Cow<'a, str>>>,
    /// A topic, and the number of the first partition of it.
    cursor: Option<(Cow<'a, str>, usize)>,
}

/// The cursor is none of the question's.
#[derive(Debug, PartialEq, Eq)]
struct BadCursor;

impl<'a> Question<'a> {
    fn of(request: &DescribeTopicPartitionsRequest<'a>) -> Result<Self, BadCursor> {
        let cursor = match &request.cursor {
            None => None,
            Some(cursor) => {
                let first = usize::try_from(cursor.partition_index).map_err(|_| BadCursor)?;
                Some((cursor.topic_name.clone(), first))
            }
        };
        let mut question = Self { named: None, cursor };
        if !request.topics.is_empty() {
            let named = request.topics.iter().take(NAMED_MAX).map(|topic| topic.name);
            let named: BTreeSet<_> = named.filter(|name| **name >= *question.begin()).collect();
            if question.cursor.as_ref().is_some_and(|(name, _)| !named.contains(name)) {
                return Err(BadCursor);
            }
            question.named = Some(named);
        }
        Ok(question)
    }

    /// No topic before this name is asked for.
    fn begin(&self) -> &str {
        self.cursor.as_ref().map_or("", |(name, _)| name)
    }

    /// The number of the topic's first partition that is asked for.
    fn first_of(&self, name: &str) -> usize {
        self.cursor.as_ref().filter(|(topic, _)| topic == name).map_or(0, |(_, first)| *first)
    }
}

/// An answer that is being filled.
struct Page<'a> {
    /// Partitions that still fit.
    left: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
    next: Option<ResponseCursor<'a>>,
}

impl<'a> Page<'a> {
    fn new(limit: i32) -> Self {
        let left = usize::try_from(limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
        Self { left, topics: Vec::new(), next: None }
    }

    /// Adds what fits of the topic called `name`, from its partition `first` on; breaks where something is left for the next
    /// page.
    fn add(
        &mut self,
        broker: &Broker,
        name: Cow<'a, str>,
        topic: Option<&Arc<Topic>>,
        first: usize,
    ) -> ControlFlow<()> {
        if self.left == 0 {
            return self.end_before(name, 0);
        }
        let Some(topic) = topic else {
            self.topics.push(unknown(name));
            return ControlFlow::Continue(());
        };
        let fit = fitting(topic.shards.len(), first, self.left);
        let end = fit.end;
        self.left -= fit.len();
        self.topics.push(describe(broker, topic, fit));
        match end < topic.shards.len() {
            true => self.end_before(name, end),
            false => ControlFlow::Continue(()),
        }
    }

    fn end_before(&mut self, topic_name: Cow<'a, str>, partition: usize) -> ControlFlow<()> {
        let partition_index = i32::try_from(partition).unwrap_or(i32::MAX);
        self.next = Some(ResponseCursor { topic_name, partition_index });
        ControlFlow::Break(())
    }
}

/// The numbers of the partitions that fit, from `first` on; none where the topic has fewer.
fn fitting(partitions: usize, first: usize, fit: usize) -> Range<usize> {
    let first = first.min(partitions);
    first..first.saturating_add(fit).min(partitions)
}

/// Kafka refuses a bad cursor with an error for every topic that was named, of which there may be none.
fn refused<'a>(request: &DescribeTopicPartitionsRequest<'a>) -> DescribeTopicPartitionsResponse<'a> {
    let refused = request.topics.iter().take(NAMED_MAX).map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST.code(),
        name: Some(topic.name),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse {
        topics: refused.collect(),
        ..DescribeTopicPartitionsResponse::default()
    }
}

fn unknown(name: Cow<'_, str>) -> DescribeTopicPartitionsResponseTopic<'_> {
    let error = match check_topic_name(&name) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: is_internal(&name),
        name: Some(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    broker: &Broker,
    topic: &Topic,
    partitions: Range<usize>,
) -> DescribeTopicPartitionsResponseTopic<'static> {
    let number = |place: usize| i32::try_from(place).unwrap_or(i32::MAX);
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::NONE.code(),
        name: Some(topic.name.to_string().into()),
        topic_id: Uuid(topic.id.0),
        is_internal: is_internal(&topic.name),
        partitions: partitions.map(|place| describe_partition(broker, topic, number(place))).collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}

fn describe_partition(
    broker: &Broker,
    topic: &Topic,
    partition: i32,
) -> DescribeTopicPartitionsResponsePartition<'static> {
    let node = broker.node();
    let led = node.partitions().find(&PartitionId { topic_id: topic.id, partition });
    let replicas = || Array::from(vec![node.broker_id()]);
    let known = DescribeTopicPartitionsResponsePartition {
        partition_index: partition,
        replica_nodes: replicas(),
        isr_nodes: replicas(),
        eligible_leader_replicas: Some(Array::new()),
        last_known_elr: Some(Array::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    };
    match led {
        Some(led) => DescribeTopicPartitionsResponsePartition {
            leader_id: node.broker_id(),
            leader_epoch: node.leader_epoch(led.reader.shard(), led.epoch_base),
            ..known
        },
        None => DescribeTopicPartitionsResponsePartition { leader_id: -1, ..known },
    }
}

#[cfg(test)]
#[path = "describe_topic_partitions_test.rs"]
mod describe_topic_partitions_test;
