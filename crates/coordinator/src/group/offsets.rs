//! What groups have committed, by group, topic and partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::record::{CommittedOffset, Record};

type ByPartition = BTreeMap<i32, CommittedOffset>;
type ByTopic = BTreeMap<Arc<str>, ByPartition>;

/// See the module's head.
#[derive(Default)]
pub(super) struct Offsets {
    by_group: HashMap<Arc<str>, ByTopic, FxBuildHasher>,
    count: usize,
}

impl Offsets {
    /// Sets or deletes one.
    pub(super) fn set(
        &mut self,
        group: &Arc<str>,
        topic: Arc<str>,
        partition: i32,
        value: Option<CommittedOffset>,
    ) {
        if let Some(value) = value {
            // The group's offsets share its name and their topics'.
            let partitions = self.by_group.entry(group.clone()).or_default().entry(topic).or_default();
            self.count += usize::from(partitions.insert(partition, value).is_none());
        } else {
            self.delete(group, &topic, partition);
        }
    }

    fn delete(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.by_group.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        self.count -= usize::from(partitions.remove(&partition).is_some());
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.by_group.remove(group);
        }
    }

    pub(super) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.by_group.get(group)?.get(topic)?.get(&partition)
    }

    /// Whether a group has any.
    pub(super) fn has_any(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    /// All of a group's, by topic and partition.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        let topics = self.by_group.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| partitions.iter().map(move |(number, of)| (topic, *number, of)))
    }

    /// Groups that have any of a topic.
    pub(super) fn groups_with(&self, topic: &str) -> impl Iterator<Item = &Arc<str>> {
        self.by_group.iter().filter(move |(_, topics)| topics.contains_key(topic)).map(|(group, _)| group)
    }

    /// Every group's topics.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_group.values().flat_map(BTreeMap::keys)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// The record that deletes a committed offset.
pub(super) fn tombstone(group: &Arc<str>, topic: &Arc<str>, partition: i32) -> Record {
    Record::Offset { group: group.clone(), topic: topic.clone(), partition, value: None }
}
