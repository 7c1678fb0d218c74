//! A member's way to what it is to have: it first gives up what others are to have, and gets what they have given up.

use std::collections::BTreeSet;

use wire::primitive::Uuid;

use crate::record::{CurrentAssignment, MemberState, Partitions};

/// What a member has after a heartbeat in which it said what it `owned`, if it did. `is_free` says of a partition whether nobody
/// else has it, or has still to give it up.
pub(super) fn next(
    current: &CurrentAssignment,
    target: &Partitions,
    target_epoch: i32,
    owned: Option<&Partitions>,
    is_free: impl Fn(Uuid, i32) -> bool,
) -> CurrentAssignment {
    match current.state {
        MemberState::Stable if current.epoch == target_epoch => current.clone(),
        MemberState::Unrevoked if owns_any(owned, &current.revoking) => current.clone(),
        // What it had to give up it has given up: that is an epoch of its own.
        MemberState::Unrevoked => towards(current, current.epoch + 1, target, target_epoch, owned, is_free),
        MemberState::Stable | MemberState::Unreleased => {
            towards(current, current.epoch, target, target_epoch, owned, is_free)
        }
    }
}

fn towards(
    current: &CurrentAssignment,
    epoch: i32,
    target: &Partitions,
    target_epoch: i32,
    owned: Option<&Partitions>,
    is_free: impl Fn(Uuid, i32) -> bool,
) -> CurrentAssignment {
    let mut assigned = both(&current.assigned, target);
    let revoking = without(&current.assigned, &assigned);
    if !revoking.is_empty() && owns_any(owned, &revoking) {
        return CurrentAssignment {
            epoch,
            previous_epoch: previous(current, epoch),
            state: MemberState::Unrevoked,
            assigned,
            revoking,
        };
    }
    let mut waits = false;
    for (topic, numbers) in without(target, &assigned) {
        let free: BTreeSet<i32> = numbers.iter().copied().filter(|number| is_free(topic, *number)).collect();
        waits |= free.len() < numbers.len();
        if !free.is_empty() {
            assigned.entry(topic).or_default().extend(free);
        }
    }
    CurrentAssignment {
        epoch: target_epoch,
        previous_epoch: previous(current, target_epoch),
        state: if waits { MemberState::Unreleased } else { MemberState::Stable },
        assigned,
        revoking: Partitions::new(),
    }
}

/// The epoch that the member may still come with: its answer may have been lost.
fn previous(current: &CurrentAssignment, epoch: i32) -> i32 {
    if epoch == current.epoch { current.previous_epoch } else { current.epoch }
}

/// A member that says nothing of what it owns may own anything.
fn owns_any(owned: Option<&Partitions>, of: &Partitions) -> bool {
    owned.is_none_or(|owned| !both(owned, of).is_empty())
}

/// All of both.
pub(super) fn union(a: &Partitions, b: &Partitions) -> Partitions {
    let mut all = a.clone();
    for (topic, numbers) in b {
        all.entry(*topic).or_default().extend(numbers);
    }
    all
}

fn both(a: &Partitions, b: &Partitions) -> Partitions {
    combined(a, |topic, numbers| match b.get(topic) {
        Some(others) => numbers.intersection(others).copied().collect(),
        None => BTreeSet::new(),
    })
}

fn without(a: &Partitions, b: &Partitions) -> Partitions {
    combined(a, |topic, numbers| match b.get(topic) {
        Some(others) => numbers.difference(others).copied().collect(),
        None => numbers.clone(),
    })
}

fn combined(a: &Partitions, of_topic: impl Fn(&Uuid, &BTreeSet<i32>) -> BTreeSet<i32>) -> Partitions {
    let all = a.iter().map(|(topic, numbers)| (*topic, of_topic(topic, numbers)));
    all.filter(|(_, numbers)| !numbers.is_empty()).collect()
}

/// Whether all of `a` is in `b`.
pub(super) fn is_within(a: &Partitions, b: &Partitions) -> bool {
    without(a, b).is_empty()
}
