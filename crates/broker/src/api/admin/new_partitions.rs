//! What CreateTopics and CreatePartitions have in common: names that are there twice, how much one request may create, and
//! replicas that the client assigns. Checks and texts are Kafka's.

use std::borrow::Cow;
use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use wire::error::ErrorCode;
use wire::primitive::Array;

use crate::api::{NAMED_MAX, NEW_PARTITIONS_MAX};

/// Why nothing is created, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: ErrorCode,
    pub(super) message: String,
}

/// The text of a refusal that has none: Kafka leaves it to the client then.
pub(super) const NO_TEXT: &str = "";

pub(super) fn refuse<T>(error: ErrorCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { error, message: message.into() })
}

/// The refusal of a topic that is in the request more than once.
pub(super) fn duplicate_name() -> Refusal {
    Refusal { error: ErrorCode::INVALID_REQUEST, message: "Duplicate topic name.".to_owned() }
}

/// How often each topic is in a request.
pub(super) struct Names<'a> {
    times: HashMap<Cow<'a, str>, usize, FxBuildHasher>,
    /// Those that are there more than once, each once, in the order in which they came again.
    duplicates: Vec<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Of more than `NAMED_MAX` names the rest is not looked at.
    pub(super) fn of(names: impl Iterator<Item = Cow<'a, str>>) -> Self {
        let (mut times, mut duplicates) = (HashMap::<Cow<'a, str>, usize, _>::default(), Vec::new());
        for name in names.take(NAMED_MAX) {
            let times = times.entry(name.clone()).or_default();
            *times += 1;
            if *times == 2 {
                duplicates.push(name);
            }
        }
        Self { times, duplicates }
    }

    pub(super) fn is_once(&self, name: &str) -> bool {
        self.times.get(name) == Some(&1)
    }

    pub(super) fn duplicates(self) -> Vec<Cow<'a, str>> {
        self.duplicates
    }
}

/// Checks how many partitions a request would create in all.
pub(super) fn check_total(partitions: usize) -> Result<(), Refusal> {
    if partitions > NEW_PARTITIONS_MAX {
        return refuse(ErrorCode::POLICY_VIOLATION, "Excessively large number of partitions per request.");
    }
    Ok(())
}

/// Checks the replicas that a client wants a partition to have, where there is one broker.
pub(super) fn check_replicas(broker_ids: &Array<'_, i32>, broker_id: i32) -> Result<(), Refusal> {
    let invalid = |message: String| refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    let mut is_assigned = false;
    for replica in broker_ids {
        if replica != broker_id {
            let message = "The manual partition assignment includes broker";
            return invalid(format!("{message} {replica}, but no such broker is registered."));
        }
        if is_assigned {
            let message = "The manual partition assignment includes the broker";
            return invalid(format!("{message} {replica} more than once."));
        }
        is_assigned = true;
    }
    match is_assigned {
        true => Ok(()),
        false => invalid("The manual partition assignment includes an empty replica list.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_there_more_than_once_is_found_once() {
        let names = Names::of(["b", "a", "c", "a", "b", "a"].into_iter().map(Cow::from));
        assert!(names.is_once("c"));
        assert!(!names.is_once("a") && !names.is_once("b") && !names.is_once("d"));
        assert_eq!(names.duplicates(), ["a", "b"]);
    }
}
