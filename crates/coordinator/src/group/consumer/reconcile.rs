//! A member's way to what it is to have: it first gives up what others are to have, and gets what they have given up.

use std::collections::{BTreeMap, BTreeSet};

use wire::primitive::Uuid;

use crate::record::{CurrentAssignment, Held, MemberState, Partitions};

/// What a member has after a heartbeat in which it said what it `owned`, if it did; `None`: what it had. `is_free` says of a
/// partition whether nobody else has it, or has still to give it up; `is_dropped` says of a topic whether the member has just said
/// that it no longer reads it.
pub(super) fn next(
    current: &CurrentAssignment,
    target: &Partitions,
    target_epoch: i32,
    owned: Option<&Partitions>,
    is_free: impl Fn(Uuid, i32) -> bool,
    is_dropped: impl Fn(Uuid) -> bool,
) -> Option<CurrentAssignment> {
    match current.state {
        MemberState::Stable if current.epoch == target_epoch => None,
        MemberState::Unrevoked if owns_any(owned, &current.revoking) => Some(dropping(current, is_dropped)),
        _ => Some(towards(current, target, target_epoch, owned, is_free)),
    }
}

/// While it gives something up, it is not told of anything more to give up but of what it does not read.
fn dropping(current: &CurrentAssignment, is_dropped: impl Fn(Uuid) -> bool) -> CurrentAssignment {
    let assigned = filtered(&current.assigned, |topic, _| !is_dropped(topic));
    let mut revoking = current.revoking.clone();
    for (topic, numbers) in filtered(&current.assigned, |topic, _| is_dropped(topic)) {
        revoking.entry(topic).or_default().extend(numbers);
    }
    CurrentAssignment { assigned, revoking, ..current.clone() }
}

/// It stays in its epoch until it has given up all that it has to.
fn towards(
    current: &CurrentAssignment,
    target: &Partitions,
    target_epoch: i32,
    owned: Option<&Partitions>,
    is_free: impl Fn(Uuid, i32) -> bool,
) -> CurrentAssignment {
    let mut assigned = filtered(&current.assigned, |topic, number| contains(target, topic, number));
    let revoking = filtered(&current.assigned, |topic, number| !contains(target, topic, number));
    let previous_epoch = current.epoch;
    if owns_any(owned, &revoking) {
        let (epoch, state) = (current.epoch, MemberState::Unrevoked);
        return CurrentAssignment { epoch, previous_epoch, state, assigned, revoking };
    }
    let mut waits = false;
    for (topic, numbers) in target {
        for number in numbers {
            let is_missing = !assigned.get(topic).is_some_and(|held| held.contains_key(number));
            if is_missing && is_free(*topic, *number) {
                assigned.entry(*topic).or_default().insert(*number, target_epoch);
            } else {
                waits |= is_missing;
            }
        }
    }
    CurrentAssignment {
        epoch: target_epoch,
        previous_epoch,
        state: if waits { MemberState::Unreleased } else { MemberState::Stable },
        assigned,
        revoking: Held::new(),
    }
}

/// A member that says nothing of what it owns may own anything.
fn owns_any(owned: Option<&Partitions>, of: &Held) -> bool {
    let is_owned = |topic, number| owned.is_none_or(|owned| contains(owned, topic, number));
    !filtered(of, is_owned).is_empty()
}

/// Whether a member has all of these.
pub(super) fn is_within(partitions: &Partitions, held: &Held) -> bool {
    let has = |(topic, numbers): (&Uuid, &BTreeSet<i32>)| {
        let held = held.get(topic);
        numbers.iter().all(|number| held.is_some_and(|held| held.contains_key(number)))
    };
    partitions.iter().all(has)
}

fn contains(partitions: &Partitions, topic: Uuid, number: i32) -> bool {
    partitions.get(&topic).is_some_and(|numbers| numbers.contains(&number))
}

fn filtered(held: &Held, is_wanted: impl Fn(Uuid, i32) -> bool) -> Held {
    let of_topic = |(topic, numbers): (&Uuid, &BTreeMap<i32, i32>)| {
        let wanted = numbers.iter().filter(|(number, _)| is_wanted(*topic, **number));
        (*topic, wanted.map(|(number, epoch)| (*number, *epoch)).collect())
    };
    let all: Held = held.iter().map(of_topic).collect();
    all.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}
