//! What the shards should have: frames applied in order, and compared with what was recovered.

use std::collections::BTreeMap;

use bytes::Bytes;
use storage::id::ShardId;
use storage::wal::{Frame, LogPosition, Recovered, RecoveredShard};

/// A shard, as its frames leave it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shard {
    pub(super) vote: Option<Bytes>,
    pub(super) purged: Option<LogPosition>,
    pub(super) committed: Option<u64>,
    /// Term, meta and payload by index.
    pub(super) entries: BTreeMap<u64, (u64, u8, Bytes)>,
    /// Nobody needs entries up to here, so they may be gone.
    pub(super) released: Option<u64>,
}

/// All shards.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) shards: BTreeMap<ShardId, Shard>,
}

impl Model {
    pub(super) fn apply(&mut self, shard: ShardId, frame: &Frame) {
        let shard = self.shards.entry(shard).or_default();
        match frame {
            Frame::Entry { term, index, meta, payload } => {
                let payload = payload.parts().concat().into();
                shard.entries.insert(*index, (*term, *meta, payload));
            }
            Frame::Vote(vote) => shard.vote = Some(vote.clone()),
            Frame::Truncate { from } => drop(shard.entries.split_off(from)),
            Frame::Purge(to) => {
                shard.purged = shard.purged.max(Some(*to));
                shard.entries = shard.entries.split_off(&(to.index + 1));
            }
            Frame::Committed { index } => shard.committed = Some(*index),
        }
    }

    /// What differs, in a line; `None` when the shards have just this.
    pub(super) fn difference(&self, recovered: &Recovered) -> Option<String> {
        let (none, nothing) = (Shard::default(), RecoveredShard::default());
        let ids = self.shards.keys().chain(recovered.shards.keys());
        ids.into_iter().find_map(|id| {
            let expected = self.shards.get(id).unwrap_or(&none);
            let found = recovered.shards.get(id).unwrap_or(&nothing);
            expected.difference(found).map(|what| format!("shard {id}: {what}"))
        })
    }

    /// Goes on from what was recovered.
    pub(super) fn adopt(&mut self, recovered: &Recovered) {
        for (id, found) in &recovered.shards {
            let shard = self.shards.entry(*id).or_default();
            shard.purged = found.purged;
            shard.released = found.purged.map(|purged| purged.index);
            shard.entries = shard.entries.split_off(&found.purged.map_or(0, |purged| purged.index + 1));
        }
    }
}

impl Shard {
    /// The index behind the last entry.
    pub(super) fn next(&self) -> Option<u64> {
        let last = self.entries.keys().next_back().copied();
        last.max(self.purged.map(|purged| purged.index)).map(|last| last + 1)
    }

    fn difference(&self, found: &RecoveredShard) -> Option<String> {
        if self.vote != found.vote {
            return Some(format!("vote {:?}, should be {:?}", found.vote, self.vote));
        }
        if self.committed != found.committed {
            return Some(format!("committed {:?}, should be {:?}", found.committed, self.committed));
        }
        if self.purged != found.purged && !self.may_have_purged(found.purged) {
            return Some(format!("purged {:?}, should be {:?}", found.purged, self.purged));
        }
        let behind = found.purged.map_or(0, |purged| purged.index + 1);
        let mut expected = self.entries.range(behind..);
        for entry in &found.entries {
            let same = expected.next().is_some_and(|(index, (term, meta, payload))| {
                (*index, *term, *meta) == (entry.index, entry.term, entry.meta) && *payload == entry.payload
            });
            if !same {
                return Some(format!(
                    "entry {} of term {} is not what was appended",
                    entry.index, entry.term
                ));
            }
        }
        expected.next().map(|(index, _)| format!("entry {index} is missing"))
    }

    /// Released entries go with their files and count as purged.
    fn may_have_purged(&self, purged: Option<LogPosition>) -> bool {
        purged > self.purged
            && purged.is_some_and(|purged| {
                let term = self.entries.get(&purged.index).map(|(term, ..)| *term);
                term == Some(purged.term) && Some(purged.index) <= self.released
            })
    }
}
