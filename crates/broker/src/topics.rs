//! Topics by name and by id with their configs read: one look-up per request and no parsing.
//!
//! A cache over the metadata image, emptied whenever the image changes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::{Image, Topic};
use cluster::partitions::{Partition, Partitions};
use rustc_hash::FxBuildHasher;
use storage::id::{PartitionId, TopicId};

use crate::configs::TopicConfig;
use crate::groups::OFFSETS_TOPIC;
use crate::topic_traffic::{AllTopicCells, TopicCells, TopicTraffic};

/// Topics that Kafka calls internal: only coordinators write to them.
const INTERNAL_TOPICS: [&str; 3] = [OFFSETS_TOPIC, "__transaction_state", "__share_group_state"];

/// Whether a topic of this name is one of the broker's own.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL_TOPICS.contains(&name)
}

/// A topic as requests use it.
pub(crate) struct TopicHandle {
    pub(crate) topic: Arc<Topic>,
    pub(crate) is_internal: bool,
    pub(crate) config: TopicConfig,
    /// What is asked of it.
    pub(crate) traffic: Rc<TopicCells>,
    /// Filled as they are asked for.
    partitions: RefCell<Vec<Option<Rc<Partition>>>>,
}

impl TopicHandle {
    fn new(topic: &Arc<Topic>, defaults: &TopicConfig, traffic: Rc<TopicCells>) -> Rc<Self> {
        let config = defaults.overridden_by(&topic.configs);
        let partitions = RefCell::new(vec![None; topic.shards.len()]);
        let is_internal = is_internal(&topic.name);
        Rc::new(Self { topic: topic.clone(), is_internal, config, traffic, partitions })
    }

    /// One of its partitions; `None` when there is no such number, or it is just being created.
    pub(crate) fn partition(&self, number: i32, of_node: &Partitions) -> Option<Rc<Partition>> {
        let mut partitions = self.partitions.borrow_mut();
        let place = partitions.get_mut(usize::try_from(number).ok()?)?;
        if place.is_none() {
            *place = of_node.find(&self.partition_id(number));
        }
        place.clone()
    }

    pub(crate) fn partition_id(&self, number: i32) -> PartitionId {
        PartitionId { topic_id: self.topic.id, partition: number }
    }
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Topics {
    version: Cell<u64>,
    by_name: RefCell<HashMap<Box<str>, Rc<TopicHandle>, FxBuildHasher>>,
    by_id: RefCell<HashMap<TopicId, Rc<TopicHandle>, FxBuildHasher>>,
    traffic: AllTopicCells,
    broker_id: i32,
    /// What the broker was started with.
    started_with: TopicConfig,
    /// With what it was set to since.
    defaults: RefCell<TopicConfig>,
}

impl Topics {
    pub(crate) fn new(broker_id: i32, started_with: TopicConfig) -> Self {
        let defaults = RefCell::new(started_with.clone());
        Self { broker_id, started_with, defaults, ..Self::default() }
    }

    /// The topic called `name` in an image of `version`.
    pub(crate) fn by_name(&self, version: u64, image: &Image, name: &str) -> Option<Rc<TopicHandle>> {
        self.refresh(version, image);
        if let Some(topic) = self.by_name.borrow().get(name) {
            return Some(topic.clone());
        }
        image.topic(name).map(|topic| self.remember(topic, image))
    }

    /// The topic with this id in an image of `version`.
    pub(crate) fn by_id(&self, version: u64, image: &Image, id: TopicId) -> Option<Rc<TopicHandle>> {
        self.refresh(version, image);
        if let Some(topic) = self.by_id.borrow().get(&id) {
            return Some(topic.clone());
        }
        image.topic_by_id(id).map(|topic| self.remember(topic, image))
    }

    fn refresh(&self, version: u64, image: &Image) {
        if self.version.replace(version) != version {
            let defaults = self.started_with.overridden_by(&image.topic_defaults(self.broker_id));
            *self.defaults.borrow_mut() = defaults;
            self.by_name.borrow_mut().clear();
            self.by_id.borrow_mut().clear();
        }
    }

    /// What was asked of the topics that there are: see [`AllTopicCells::read`].
    pub(crate) fn traffic(&self, image: &Image, topics_max: usize) -> (Vec<TopicTraffic>, usize) {
        self.traffic.read(image, topics_max)
    }

    fn remember(&self, topic: &Arc<Topic>, image: &Image) -> Rc<TopicHandle> {
        let traffic = self.traffic.of(topic.id, image);
        let handle = TopicHandle::new(topic, &self.defaults.borrow(), traffic);
        self.by_name.borrow_mut().insert((&*topic.name).into(), handle.clone());
        self.by_id.borrow_mut().insert(topic.id, handle.clone());
        handle
    }
}
