//! What must hold, whatever goes wrong.
//!
//! - All replicas apply the same entries: one term and one content at an index, one leader a term.
//! - No offset is used twice; a batch that comes again is answered with the offsets of its original.
//! - Equal state at equal index: log start and end, leader epochs, producers of every partition.
//! - What was acknowledged is in every log in the end, where it was said to be, once.
//! - Whoever leads never shows a high watermark below one that was seen, or than an acknowledged record needs.
//! - Nothing is in a checkpoint that a crash could take out of the node's own log, and no node forgets a term in which it voted.
//!
//! A node that has restarted applies again what its checkpoint has already; until it is through with that its state at an
//! index is ahead of what others had there, and is not compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use cluster::shard::entry::{self, EntryKind};
use cluster::shard::outcome::Outcome;
use storage::id::PartitionId;
use storage::partition_log::ShardLogs;
use wire::record::header::MAGIC_AT;

use crate::records;
use wire::record::BatchHeader;

/// A batch's identity: all but what only its place decides.
fn identity(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[MAGIC_AT..])
}

/// A batch in a partition's log, as it was committed: it may lie in another by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placed {
    last_offset: i64,
    identity: u32,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Oracle {
    broken: Option<String>,
    entries: BTreeMap<u64, (u64, u32)>,
    states: BTreeMap<u64, (u64, usize)>,
    leaders: BTreeMap<u64, usize>,
    batches: BTreeMap<PartitionId, BTreeMap<i64, Placed>>,
    /// What is at each offset.
    records: BTreeMap<PartitionId, BTreeMap<i64, u32>>,
    /// Where batches of idempotent producers are.
    once: BTreeMap<(PartitionId, u32), i64>,
    deleted: BTreeSet<PartitionId>,
    applied_by: [u64; 3],
    acknowledged: BTreeMap<PartitionId, BTreeMap<i64, u32>>,
    watermarks: BTreeMap<PartitionId, i64>,
    /// Per node: below this index its states are not compared.
    trusted_from: [u64; 3],
    /// Node, index and term of what was applied last, for whoever looks into a failure.
    trail: VecDeque<(usize, u64, u64)>,
    applied_max: u64,
    pub(super) compared: u64,
}

impl Oracle {
    /// What was broken first.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(super) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A node is about to get a snapshot: it may be ahead of the index that it is at.
    pub(super) fn node_jumped(&mut self, node: usize) {
        self.trusted_from[node] = self.applied_max;
    }

    /// A node begins a life: it has applied nothing.
    pub(super) fn began(&mut self, node: usize) {
        self.node_jumped(node);
        self.applied_by[node] = 0;
    }

    /// A node has found in its checkpoint what the entries up to `covered` came to; it may have applied more by now.
    pub(super) fn found(&mut self, node: usize, covered: u64) {
        self.applied_by[node] = covered.max(self.applied_by[node]);
    }

    /// The node that was last seen to lead.
    pub(super) fn leader(&self) -> Option<usize> {
        self.leaders.last_key_value().map(|(_, node)| *node)
    }

    /// A node has got a snapshot.
    pub(super) fn installed(&mut self, node: usize, index: u64) {
        self.applied_by[node] = index;
    }

    /// The last index that any node has applied, if all have. A snapshot may reach a little further: to an entry that is
    /// nobody's business but the engine's.
    pub(super) fn agreed(&self) -> Option<u64> {
        self.applied_by.iter().all(|index| *index >= self.applied_max).then_some(self.applied_max)
    }

    /// The last index that each node has applied, the last of all, and how it came to that.
    pub(super) fn standing(&self) -> String {
        format!(
            "applied {:?}, the last is {}; node, index, term: {:?}",
            self.applied_by, self.applied_max, self.trail
        )
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// The partitions that were acknowledged anything and were not deleted.
    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        self.acknowledged.keys().copied().collect()
    }

    pub(super) fn applied(
        &mut self,
        node: usize,
        index: u64,
        term: u64,
        entry: &Bytes,
        outcome: &Outcome,
        logs: &ShardLogs,
    ) {
        let content = (term, crc32c::crc32c(entry));
        let known = *self.entries.entry(index).or_insert(content);
        if known != content {
            self.fail(format!("node {node} applies {content:?} at index {index}, another had {known:?}"));
        }
        if let Outcome::Batches(outcomes) = outcome {
            for (item, outcome) in entry::items(entry).zip(outcomes) {
                let (Ok(item), Ok(appended)) = (item, outcome) else { continue };
                if appended.base_offset >= 0 {
                    self.placed(node, item.partition, appended.base_offset, &item.batch);
                }
            }
        }
        if let Ok((EntryKind::PartitionsDeleted, _)) = entry::read_header(entry) {
            for partition in entry::deleted(entry).flatten() {
                self.forget(partition);
            }
        }
        self.applied_max = self.applied_max.max(index);
        self.applied_by[node] = index;
        self.trail.push_back((node, index, term));
        if self.trail.len() > 24 {
            self.trail.pop_front();
        }
        if index >= self.trusted_from[node] {
            self.compare(node, index, logs);
        }
    }

    fn placed(&mut self, node: usize, partition: PartitionId, base_offset: i64, batch: &[u8]) {
        let Ok(header) = BatchHeader::parse(batch) else {
            return self.fail("a batch without a header".into());
        };
        let placed = Placed {
            last_offset: base_offset + i64::from(header.last_offset_delta),
            identity: identity(batch),
        };
        if header.has_producer_id() {
            let first = *self.once.entry((partition, placed.identity)).or_insert(base_offset);
            if first != base_offset {
                self.fail(format!(
                    "node {node} has a producer's batch at offset {base_offset} of {partition:?}, and it is at {first}"
                ));
            }
        }
        let log = self.batches.entry(partition).or_default();
        let overlap = log
            .range(..=placed.last_offset)
            .next_back()
            .filter(|(_, other)| other.last_offset >= base_offset)
            .map(|(base, other)| (*base, *other));
        match overlap {
            Some((base, other)) if (base, other) != (base_offset, placed) => self.fail(format!(
                "node {node} puts {placed:?} at offset {base_offset} of {partition:?}, where {other:?} is at {base}"
            )),
            Some(_) => {}
            None => {
                log.insert(base_offset, placed);
                self.recorded(partition, base_offset, batch);
            }
        }
    }

    fn recorded(&mut self, partition: PartitionId, base_offset: i64, batch: &[u8]) {
        match records::of_batch(batch) {
            Ok(records) => {
                let placed = records.into_iter().map(|(delta, identity)| (base_offset + delta, identity));
                self.records.entry(partition).or_default().extend(placed);
            }
            Err(error) => self.fail(format!("a batch that can't be read was applied: {error}")),
        }
    }

    fn compare(&mut self, node: usize, index: u64, logs: &ShardLogs) {
        let mut states = logs.states(0);
        states.sort_unstable_by_key(|state| state.partition);
        let mut hasher = DefaultHasher::new();
        for mut state in states {
            state.index = 0;
            state.hash(&mut hasher);
        }
        let hash = hasher.finish();
        self.compared += 1;
        let (known, by) = *self.states.entry(index).or_insert((hash, node));
        if known != hash {
            self.fail(format!("at index {index} nodes {node} and {by} differ in their states"));
        }
    }

    /// A producer was told that its batch is at `base_offset`.
    pub(super) fn acknowledged(&mut self, partition: PartitionId, base_offset: i64, batch: &[u8]) {
        let Ok(header) = BatchHeader::parse(batch) else { return };
        if self.deleted.contains(&partition) {
            return;
        }
        let identity = identity(batch);
        let known = self.acknowledged.entry(partition).or_default().insert(base_offset, identity);
        if known.is_some_and(|known| known != identity) {
            self.fail(format!("two batches were acknowledged at offset {base_offset} of {partition:?}"));
        }
        let end = base_offset + i64::from(header.last_offset_delta) + 1;
        let seen = self.watermarks.entry(partition).or_insert(end);
        *seen = end.max(*seen);
    }

    /// A partition is gone, with all that was said of it.
    fn forget(&mut self, partition: PartitionId) {
        self.deleted.insert(partition);
        self.acknowledged.remove(&partition);
        self.watermarks.remove(&partition);
    }

    /// What a reader must see at least from now on.
    pub(super) fn floor(&self) -> BTreeMap<PartitionId, i64> {
        self.watermarks.clone()
    }

    /// `node` says that it leads in `term` and that the logs reach to `ends`; it was asked when `floor` was known.
    pub(super) fn leads(
        &mut self,
        node: usize,
        term: u64,
        ends: &BTreeMap<PartitionId, i64>,
        floor: &BTreeMap<PartitionId, i64>,
    ) {
        let leader = *self.leaders.entry(term).or_insert(node);
        if leader != node {
            self.fail(format!("nodes {leader} and {node} lead in term {term}"));
        }
        for (partition, seen) in floor {
            // A partition that was deleted meanwhile has no watermark any more.
            let (Some(end), true) = (ends.get(partition), self.watermarks.contains_key(partition)) else {
                continue;
            };
            if end < seen {
                self.fail(format!(
                    "node {node}, leading in term {term}, has a high watermark of {end} in {partition:?}, {seen} was seen"
                ));
            }
        }
        for (partition, end) in ends {
            if !self.deleted.contains(partition) {
                let seen = self.watermarks.entry(*partition).or_insert(*end);
                *seen = (*end).max(*seen);
            }
        }
    }

    /// All of a node's log in the end: its records in offset order.
    pub(super) fn final_log(&mut self, node: usize, partition: PartitionId, records: &[(i64, u32)]) {
        let found: BTreeMap<i64, u32> = records.iter().copied().collect();
        let expected = self.records.get(&partition).cloned().unwrap_or_default();
        if found != expected {
            let differs = expected.iter().find(|(offset, identity)| found.get(offset) != Some(identity));
            let there = differs.and_then(|(offset, _)| found.get(offset));
            let belongs = there.and_then(|there| expected.iter().find(|(_, identity)| *identity == there));
            let (have, want) = (found.len(), expected.len());
            self.fail(format!(
                "node {node} has {have} records of {want} in {partition:?}; the first that differs should be \
                 {differs:?}, there is {there:?}, which belongs at {belongs:?}"
            ));
        }
        let placed = self.batches.get(&partition);
        let is_placed = |base: &i64, identity: &u32| {
            placed.and_then(|log| log.get(base)).is_some_and(|placed| placed.identity == *identity)
        };
        let missing = self
            .acknowledged
            .get(&partition)
            .and_then(|all| all.iter().find(|(base, identity)| !is_placed(base, identity)))
            .map(|(base, _)| *base);
        if let Some(base) = missing {
            self.fail(format!("nobody has applied what was acknowledged at offset {base} of {partition:?}"));
        }
    }
}
