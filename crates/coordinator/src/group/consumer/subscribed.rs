//! What a group's members read, counted as they come and go: nobody has to look at all of them when one does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use twox_hash::XxHash64;
use wire::primitive::Uuid;

use super::Names;
use crate::group::Topics;
use crate::record::{MemberSubscription, ResolvedRegex};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    /// How many members read each topic by its name.
    topics: BTreeMap<Arc<str>, usize>,
    /// How many members read by each expression.
    users: BTreeMap<Arc<str>, usize>,
    /// What expressions stood for when they were looked at last.
    regexes: BTreeMap<Arc<str>, ResolvedRegex>,
    /// The hash, with the topics' version that it is of; none once other topics are read.
    hash: Cell<Option<(u64, i64)>>,
}

impl Subscribed {
    /// A member reads `after` from now on instead of `before`; `None` of one that is not there.
    pub(super) fn change(&mut self, before: Option<&MemberSubscription>, after: Option<&MemberSubscription>) {
        let none = Names::new();
        let (gone, new) = (before.map_or(&none, |of| &of.topics), after.map_or(&none, |of| &of.topics));
        for topic in new.difference(gone) {
            if add(&mut self.topics, topic) {
                self.hash.set(None);
            }
        }
        for topic in gone.difference(new) {
            if subtract(&mut self.topics, topic) {
                self.hash.set(None);
            }
        }
        if let Some(regex) = after.and_then(|of| of.regex.as_ref()) {
            add(&mut self.users, regex);
        }
        if let Some(regex) = before.and_then(|of| of.regex.as_ref()) {
            subtract(&mut self.users, regex);
        }
    }

    /// What an expression stands for, or that it is not looked at any more.
    pub(super) fn set_regex(&mut self, regex: Arc<str>, found: Option<ResolvedRegex>) {
        match found {
            Some(found) => drop(self.regexes.insert(regex, found)),
            None => drop(self.regexes.remove(&regex)),
        }
        self.hash.set(None);
    }

    pub(super) fn regexes(&self) -> &BTreeMap<Arc<str>, ResolvedRegex> {
        &self.regexes
    }

    /// Whether any member reads by the expression.
    pub(super) fn is_used(&self, regex: &str) -> bool {
        self.users.contains_key(regex)
    }

    /// Whether any member reads the topic.
    pub(super) fn contains(&self, topic: &str) -> bool {
        self.topics.contains_key(topic) || self.regexes.values().any(|found| found.topics.contains(topic))
    }

    /// Whether a member does.
    pub(super) fn has(&self, member: &MemberSubscription, topic: &str) -> bool {
        member.topics.contains(topic) || self.by_regex(member).is_some_and(|found| found.contains(topic))
    }

    /// All that a member reads, there or not; a topic may be named twice.
    pub(super) fn of<'a>(&'a self, member: &'a MemberSubscription) -> impl Iterator<Item = &'a Arc<str>> {
        member.topics.iter().chain(self.by_regex(member).into_iter().flatten())
    }

    fn by_regex(&self, member: &MemberSubscription) -> Option<&Names> {
        Some(&self.regexes.get(member.regex.as_ref()?)?.topics)
    }

    /// Tells whether topics have come, gone or grown, or replicas stand in other racks: as in Kafka, though no assignor asks for
    /// these. It is written down, so that it may never be another for the same topics.
    pub(super) fn metadata_hash(&self, topics: &dyn Topics) -> i64 {
        let version = topics.version();
        if let Some((_, hash)) = self.hash.get().filter(|(known, _)| *known == version) {
            return hash;
        }
        let by_regex = self.regexes.values().flat_map(|found| &found.topics);
        let names: Names = self.topics.keys().chain(by_regex).cloned().collect();
        let mut hasher = XxHash64::with_seed(0);
        for (id, count) in names.iter().filter_map(|name| topics.by_name(name)) {
            hasher.write(&id.0);
            hasher.write(&count.to_be_bytes());
            hash_racks(&mut hasher, topics, id, count);
        }
        let hash = hasher.finish().cast_signed();
        self.hash.set(Some((version, hash)));
        hash
    }
}

/// True when it is the first one.
fn add(counts: &mut BTreeMap<Arc<str>, usize>, name: &Arc<str>) -> bool {
    let count = counts.entry(name.clone()).or_default();
    *count += 1;
    *count == 1
}

/// True when it was the last one.
fn subtract(counts: &mut BTreeMap<Arc<str>, usize>, name: &Arc<str>) -> bool {
    let Some(count) = counts.get_mut(name) else { return false };
    *count -= 1;
    *count == 0 && counts.remove(name).is_some()
}

/// Without racks nothing: what was written down before there were any still holds.
fn hash_racks(hasher: &mut XxHash64, topics: &dyn Topics, topic: Uuid, partitions: i32) {
    for partition in 0..partitions {
        for rack in topics.racks(topic, partition) {
            hasher.write(&partition.to_be_bytes());
            hasher.write(&(rack.len() as u64).to_be_bytes());
            hasher.write(rack.as_bytes());
        }
    }
}
