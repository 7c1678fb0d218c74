//! What groups have committed, by group, topic and partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::record::{CommittedOffset, Record};

type ByPartition = BTreeMap<i32, CommittedOffset>;
type ByTopic = BTreeMap<Arc<str>, ByPartition>;

/// See the module's head.
#[derive(Default)]
pub(super) struct Offsets(HashMap<Arc<str>, ByTopic, FxBuildHasher>);

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
            self.0.entry(group.clone()).or_default().entry(topic).or_default().insert(partition, value);
        } else {
            self.delete(group, &topic, partition);
        }
    }

    fn delete(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.0.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.0.remove(group);
        }
    }

    pub(super) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.0.get(group)?.get(topic)?.get(&partition)
    }

    /// Whether a group has any.
    pub(super) fn has_any(&self, group: &str) -> bool {
        self.0.contains_key(group)
    }

    /// All of a group's, by topic and partition.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        let topics = self.0.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| partitions.iter().map(move |(number, of)| (topic, *number, of)))
    }

    /// Groups that have any of a topic.
    pub(super) fn groups_with(&self, topic: &str) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter(move |(_, topics)| topics.contains_key(topic)).map(|(group, _)| group)
    }

    /// Every group's topics.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.values().flat_map(BTreeMap::keys)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
    }
}

/// The record that deletes a committed offset.
pub(super) fn tombstone(group: &Arc<str>, topic: &Arc<str>, partition: i32) -> Record {
    Record::Offset { group: group.clone(), topic: topic.clone(), partition, value: None }
}
