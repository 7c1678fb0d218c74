//! The assignor `range`: of each topic, every member gets a run of neighbouring partitions.
//!
//! As Kafka's consumers divide, but for racks: those who are first in order get one more where it doesn't come out even.

use std::collections::BTreeMap;

use crate::Partitions;

/// Its name among Kafka's consumers.
pub(super) const NAME: &str = "range";

/// A member as the leader hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) member_id: String,
    /// The id that it keeps over restarts, if it has one.
    pub(super) instance_id: Option<String>,
    pub(super) topics: Vec<String>,
}

/// What each member gets, by its id; `partition_counts` has the topics that are there.
pub(super) fn assign(
    subscribers: &[Subscriber],
    partition_counts: &BTreeMap<String, i32>,
) -> BTreeMap<String, Partitions> {
    let mut ordered: Vec<&Subscriber> = subscribers.iter().collect();
    // Those with an instance id first: they keep their partitions when they come back under another member id.
    ordered.sort_by_key(|one| (one.instance_id.is_none(), one.instance_id.clone(), one.member_id.clone()));
    let mut assigned: BTreeMap<String, Partitions> =
        subscribers.iter().map(|one| (one.member_id.clone(), Partitions::new())).collect();
    for (topic, count) in partition_counts {
        let readers: Vec<&&Subscriber> = ordered.iter().filter(|one| one.topics.contains(topic)).collect();
        let Some(reader_count) = i32::try_from(readers.len()).ok().filter(|count| *count > 0) else {
            continue;
        };
        let (each, one_more) = (count / reader_count, count % reader_count);
        let mut first = 0;
        for (at, reader) in (0..).zip(readers) {
            let behind = first + each + i32::from(at < one_more);
            if behind > first {
                let partitions = assigned.entry(reader.member_id.clone()).or_default();
                partitions.insert(topic.clone(), (first..behind).collect());
            }
            first = behind;
        }
    }
    assigned
}
