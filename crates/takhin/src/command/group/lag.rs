//! How far a group lags: its offsets, where its partitions end, and who reads them, put together.

use std::collections::{BTreeMap, BTreeSet};

use client::{GroupDescription, GroupMember, Offsets};

/// A partition that a group has read, or is to read.
#[derive(Debug)]
pub(super) struct PartitionLag<'g> {
    pub(super) topic: &'g str,
    pub(super) partition: i32,
    /// What is to be read next; `None` where nothing is committed.
    pub(super) committed: Option<i64>,
    /// Behind the last record; `None` where the partition isn't there, or nobody leads it.
    pub(super) end: Option<i64>,
    pub(super) member: Option<&'g GroupMember>,
}

impl PartitionLag<'_> {
    /// Records that are not read yet. An offset beyond the end lags by none.
    pub(super) fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

/// The partitions of a group: those with an offset, and those that a member has.
pub(super) fn partitions<'g>(
    group: &'g GroupDescription,
    committed: &'g Offsets,
) -> BTreeSet<(&'g str, i32)> {
    let assigned = group.members.iter().flat_map(|member| member.assignment.iter().flatten());
    let assigned = assigned.flat_map(|(topic, indexes)| indexes.iter().map(|index| (topic.as_str(), *index)));
    let offsets =
        committed.iter().flat_map(|(topic, offsets)| offsets.keys().map(|index| (topic.as_str(), *index)));
    assigned.chain(offsets).collect()
}

/// How far a group is in each of its partitions, by topic and number.
pub(super) fn lags<'g>(
    group: &'g GroupDescription,
    committed: &'g Offsets,
    ends: &Offsets,
) -> Vec<PartitionLag<'g>> {
    let mut readers: BTreeMap<(&str, i32), &GroupMember> = BTreeMap::new();
    for member in &group.members {
        for (topic, indexes) in member.assignment.iter().flatten() {
            readers.extend(indexes.iter().map(|index| ((topic.as_str(), *index), member)));
        }
    }
    let offset = |of: &Offsets, topic: &str, index: i32| of.get(topic)?.get(&index).copied();
    let lag = |(topic, partition)| PartitionLag {
        topic,
        partition,
        committed: offset(committed, topic, partition),
        end: offset(ends, topic, partition),
        member: readers.get(&(topic, partition)).copied(),
    };
    partitions(group, committed).into_iter().map(lag).collect()
}
