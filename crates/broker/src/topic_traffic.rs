//! What clients asked of each topic: plain cells, which a topic's handle leads to, so that a request looks nothing up for them.
//!
//! What was *sent* to a topic is counted by [`crate::flows`], batch by batch.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::metadata::Image;
use rustc_hash::FxBuildHasher;
use storage::id::TopicId;

use crate::durations::{DurationCells, Durations};

/// Topics that may be gone and still have cells, beside as many as there are.
const GONE_MAX: usize = 64;

/// What was counted of a topic, at one moment.
#[derive(Clone, Debug)]
pub struct TopicTraffic {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Produce requests that named it, refused ones too.
    pub produce_requests: u64,
    /// Fetches that looked at a partition of it; one of a session looks at those that have moved.
    pub fetch_requests: u64,
    /// Records in answers to them, from the offset on that was asked for.
    pub fetch_messages: u64,
    /// Bytes of record batches in answers to them.
    pub fetch_bytes: u64,
    /// How long produce requests took that were answered.
    pub produce: Durations,
    /// How long those fetches took, their wait for records included.
    pub fetch: Durations,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct TopicCells {
    produce_requests: Cell<u64>,
    fetch_requests: Cell<u64>,
    fetch_messages: Cell<u64>,
    fetch_bytes: Cell<u64>,
    produce: DurationCells,
    fetch: DurationCells,
    /// The last fetch that was counted: it may come to a topic more than once.
    fetch_number: Cell<u64>,
}

impl TopicCells {
    /// A produce request names it.
    pub(crate) fn produce_began(&self) {
        self.produce_requests.set(self.produce_requests.get() + 1);
    }

    /// A produce request that names it is answered.
    pub(crate) fn produce_ended(&self, took: Duration) {
        self.produce.add(took);
    }

    /// A fetch, the broker's `number`th from 1 on, is answered with so much of one of its partitions.
    pub(crate) fn fetched(&self, number: u64, messages: u64, bytes: usize, took: Duration) {
        self.fetch_messages.set(self.fetch_messages.get() + messages);
        self.fetch_bytes.set(self.fetch_bytes.get() + bytes as u64);
        if self.fetch_number.replace(number) != number {
            self.fetch_requests.set(self.fetch_requests.get() + 1);
            self.fetch.add(took);
        }
    }

    fn read(&self, topic: &Arc<str>) -> TopicTraffic {
        TopicTraffic {
            topic: topic.clone(),
            produce_requests: self.produce_requests.get(),
            fetch_requests: self.fetch_requests.get(),
            fetch_messages: self.fetch_messages.get(),
            fetch_bytes: self.fetch_bytes.get(),
            produce: self.produce.read(),
            fetch: self.fetch.read(),
        }
    }
}

/// The cells of all topics that were asked for.
#[derive(Default)]
pub(crate) struct AllTopicCells {
    by_topic: RefCell<HashMap<TopicId, Rc<TopicCells>, FxBuildHasher>>,
}

impl AllTopicCells {
    /// Those of a topic of `image`.
    pub(crate) fn of(&self, topic_id: TopicId, image: &Image) -> Rc<TopicCells> {
        let mut by_topic = self.by_topic.borrow_mut();
        if let Some(cells) = by_topic.get(&topic_id) {
            return cells.clone();
        }
        if by_topic.len() >= 2 * image.topics().len() + GONE_MAX {
            by_topic.retain(|topic_id, _| image.topic_by_id(*topic_id).is_some());
        }
        by_topic.entry(topic_id).or_default().clone()
    }

    /// What was counted of the topics that there are and were used: the `topics_max` with the most requests, and how many
    /// there are besides.
    pub(crate) fn read(&self, image: &Image, topics_max: usize) -> (Vec<TopicTraffic>, usize) {
        let by_topic = self.by_topic.borrow();
        let there = by_topic.iter().filter_map(|(topic_id, cells)| {
            let requests = cells.produce_requests.get() + cells.fetch_requests.get();
            (requests > 0).then_some((requests, &image.topic_by_id(*topic_id)?.name, cells))
        });
        let mut used: Vec<_> = there.collect();
        used.sort_unstable_by(|(a, name_a, _), (b, name_b, _)| (b, name_a).cmp(&(a, name_b)));
        let left_out = used.len().saturating_sub(topics_max);
        let read = used.iter().take(topics_max).map(|(_, name, cells)| cells.read(name));
        (read.collect(), left_out)
    }
}
