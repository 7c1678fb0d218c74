//! What must hold of members: no partition has two owners, epochs that were answered never go back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use env::Instant;

/// A partition as a group's members have it.
pub(super) type Part = (Arc<str>, i32);

/// A client's process.
pub(super) type Who = u64;

/// Whoever takes a partition for its own; its session may be over at the given time.
struct Owner {
    who: Who,
    until: Instant,
}

/// The newest epoch, or generation, that is known to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Floor {
    epoch: i32,
    /// How often the group may have been deleted.
    deletions: u64,
}

impl Floor {
    /// For whoever may still be at an older epoch.
    pub(super) fn of_any_epoch(self) -> Self {
        Self { epoch: 0, ..self }
    }
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Members {
    owners: BTreeMap<(Arc<str>, Part), Owner>,
    floors: BTreeMap<Arc<str>, Floor>,
    /// Members of the consumer protocol that have left; nobody gets their ids again.
    gone: BTreeSet<Arc<str>>,
    /// Partitions that were claimed.
    pub(super) claims: u64,
}

impl Members {
    /// `who` has these partitions, and no others, until `until` at least.
    pub(super) fn own(
        &mut self,
        group: &Arc<str>,
        who: Who,
        parts: impl IntoIterator<Item = Part>,
        until: Instant,
    ) -> Result<(), String> {
        self.release(who);
        let now = Instant::now();
        for part in parts {
            self.claims += 1;
            let other = self.owners.insert((group.clone(), part.clone()), Owner { who, until });
            if let Some(other) = other.filter(|other| other.until > now) {
                return Err(format!("{group}: {part:?} has two owners, {} and {who}", other.who));
            }
        }
        Ok(())
    }

    /// `who` has given up everything.
    pub(super) fn release(&mut self, who: Who) {
        self.owners.retain(|_, owner| owner.who != who);
    }

    /// A member was told that it has left.
    pub(super) fn left(&mut self, id: &Arc<str>) {
        self.gone.insert(id.clone());
    }

    /// Those that have left by now.
    pub(super) fn gone(&self) -> BTreeSet<Arc<str>> {
        self.gone.clone()
    }

    /// What a group's epoch may not be below from now on.
    pub(super) fn floor(&self, group: &Arc<str>) -> Floor {
        self.floors.get(group).copied().unwrap_or_default()
    }

    /// A group is at `epoch`, asked when its floor was `floor`.
    pub(super) fn seen(&mut self, group: &Arc<str>, floor: Floor, epoch: i32) -> Result<(), String> {
        let now = self.floors.entry(group.clone()).or_default();
        if now.deletions != floor.deletions {
            return Ok(());
        }
        now.epoch = now.epoch.max(epoch);
        if epoch < floor.epoch {
            return Err(format!("{group}: epoch {epoch} behind {}", floor.epoch));
        }
        Ok(())
    }

    /// As [`Members::seen`], of an epoch that may yet be lost.
    pub(super) fn told(&self, group: &Arc<str>, floor: Floor, epoch: i32) -> Result<(), String> {
        if self.floor(group).deletions == floor.deletions && epoch < floor.epoch {
            return Err(format!("{group}: generation {epoch} behind {}", floor.epoch));
        }
        Ok(())
    }

    /// A group may be deleted now: it then begins anew.
    pub(super) fn may_be_deleted(&mut self, group: &Arc<str>) {
        let floor = self.floors.entry(group.clone()).or_default();
        *floor = Floor { epoch: 0, deletions: floor.deletions + 1 };
    }
}
