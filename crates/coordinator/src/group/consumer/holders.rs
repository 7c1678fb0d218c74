//! Who has what, by partition: whether one is free is asked for each that a member lacks.

use std::collections::HashMap;

use wire::primitive::Uuid;

use crate::group::planted::planted;
use crate::record::{CurrentAssignment, Held};

/// How many members have each partition, or have still to give it up: one, or for a moment of a migration more.
#[derive(Debug, Default)]
pub(super) struct Holders(HashMap<(Uuid, i32), u32>);

impl Holders {
    /// A member has `after` from now on instead of `before`.
    pub(super) fn change(&mut self, before: &CurrentAssignment, after: &CurrentAssignment) {
        for partition in of(after) {
            *self.0.entry(partition).or_default() += 1;
        }
        for partition in of(before) {
            if let Some(count) = self.0.get_mut(&partition) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(&partition);
                }
            }
        }
    }

    /// Whether nobody has the partition but perhaps the member that has `own`.
    pub(super) fn is_free_for(&self, own: &CurrentAssignment, topic: Uuid, number: i32) -> bool {
        let has = |held: &Held| held.get(&topic).is_some_and(|numbers| numbers.contains_key(&number));
        let own = u32::from(has(&own.assigned)) + u32::from(is_revoking_held() && has(&own.revoking));
        planted!(TakenIsFree) || self.0.get(&(topic, number)).is_none_or(|count| *count <= own)
    }
}

/// Whether what is still to be given up counts.
fn is_revoking_held() -> bool {
    !planted!(RevokingIsFree)
}

fn of(current: &CurrentAssignment) -> impl Iterator<Item = (Uuid, i32)> {
    let revoking = is_revoking_held().then_some(&current.revoking);
    let held = [Some(&current.assigned), revoking].into_iter().flatten();
    held.flat_map(|held| {
        held.iter().flat_map(|(topic, numbers)| numbers.keys().map(|number| (*topic, *number)))
    })
}
