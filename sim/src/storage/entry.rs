//! Entries of a shard's log, and who thinks them up: producers that repeat, skip and fence each other, administrators that
//! create, delete and trim.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use storage::id::{PartitionId, TopicId};
use storage::partition_log::producers::ProducerStamp;
use wire::record::{Builder, Compression};

use crate::dice::Dice;

/// Partitions of a shard at a time, about.
const PARTITIONS: usize = 4;
/// Producers of a partition.
pub(super) const PRODUCERS: i64 = 3;
/// Batches that a producer may send again; storage remembers five.
const SENT_AGAIN_FROM: usize = 7;

/// What an entry does to one partition.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create {
        partition: PartitionId,
        epoch_base: i32,
    },
    Append {
        partition: PartitionId,
        batch: Batch,
    },
    AdvanceLogStart {
        partition: PartitionId,
        offset: i64,
    },
    Delete {
        partition: PartitionId,
    },
    /// All producers that wrote up to this time.
    ForgetProducers {
        time_ms: i64,
    },
}

/// A record batch in an entry's payload.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) at: Range<usize>,
    pub(super) count: i32,
    pub(super) max_timestamp: i64,
    pub(super) max_timestamp_delta: i32,
    pub(super) timestamps: Vec<i64>,
    pub(super) producer: Option<ProducerStamp>,
}

/// An entry as it is proposed. Payloads differ, whatever the entries say.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) term: u64,
    /// Its leader's wall time; that of another leader may lie behind.
    pub(super) time_ms: i64,
    pub(super) ops: Vec<Op>,
    pub(super) payload: Bytes,
}

/// How large things are in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Bytes of a batch beside its header.
    pub(super) payload_max: u64,
    /// Bytes of an entry that are no batch's.
    pub(super) filler_max: u64,
}

/// A producer's own idea of where it is.
#[derive(Default)]
struct Producer {
    epoch: i16,
    next: Option<i32>,
    sent: VecDeque<ProducerStamp>,
}

/// A partition as those who write to it see it.
struct Known {
    id: PartitionId,
    /// At least what is in the log.
    end: i64,
    producers: BTreeMap<i64, Producer>,
    /// It was deleted, but somebody goes on writing to it.
    is_gone: bool,
}

/// Thinks up the entries of one shard.
pub(super) struct Author {
    /// The upper byte of all its topics' ids.
    shard: u8,
    topics: u32,
    entries: u64,
    known: Vec<Known>,
}

impl Author {
    pub(super) fn new(shard: u8) -> Self {
        Self { shard, topics: 0, entries: 0, known: Vec::new() }
    }

    /// The next entry. A shard without partitions (`with_partitions` false) is told bytes only.
    pub(super) fn write(&mut self, term: u64, with_partitions: bool, load: Load, dice: &mut Dice) -> Entry {
        self.entries += 1;
        let mut payload = vec![self.shard];
        payload.extend_from_slice(&self.entries.to_le_bytes());
        let filler = dice.below(load.filler_max);
        payload.resize(payload.len() + usize::try_from(filler).expect("small"), 0xfe);
        let ops = if with_partitions { self.ops(load, &mut payload, dice) } else { Vec::new() };
        let time_ms = i64::try_from(self.entries * 100).expect("small") + below(dice, 300);
        Entry { term, time_ms, ops, payload: payload.into() }
    }

    /// A producer was told which sequence would have been right.
    pub(super) fn heal(&mut self, partition: &PartitionId, producer: i64, expected: i32) {
        let known = self.known.iter_mut().find(|known| known.id == *partition);
        if let Some(known) = known.and_then(|known| known.producers.get_mut(&producer)) {
            known.next = Some(expected);
        }
    }

    fn ops(&mut self, load: Load, payload: &mut Vec<u8>, dice: &mut Dice) -> Vec<Op> {
        let few = self.known.len() < PARTITIONS;
        match dice.below(100) {
            _ if self.known.is_empty() => self.create(dice),
            0..=9 if few => self.create(dice),
            // An entry that was proposed twice; but an id is never used again.
            10 => {
                let alive = self.known.iter().find(|known| !known.is_gone);
                alive.map(|known| create(known.id, 9)).into_iter().collect()
            }
            11..=13 => self.delete(dice),
            14..=20 => vec![self.advance(dice)],
            21 | 22 => Vec::new(),
            23 | 24 => vec![self.forget(dice)],
            _ => (0..1 + dice.below(4)).map(|_| self.append(load, payload, dice)).collect(),
        }
    }

    fn create(&mut self, dice: &mut Dice) -> Vec<Op> {
        self.topics += 1;
        let mut topic_id = TopicId([0; 16]);
        topic_id.0[0] = self.shard;
        topic_id.0[12..].copy_from_slice(&self.topics.to_be_bytes());
        let epoch_base = i32::try_from(dice.below(5)).expect("small");
        let ids = (0..1 + i32::from(dice.chance(20))).map(|partition| PartitionId { topic_id, partition });
        let ids: Vec<_> = ids.collect();
        let known = |id: &PartitionId| Known { id: *id, end: 0, producers: BTreeMap::new(), is_gone: false };
        self.known.extend(ids.iter().map(known));
        ids.into_iter().map(|id| create(id, epoch_base)).collect()
    }

    fn delete(&mut self, dice: &mut Dice) -> Vec<Op> {
        let at = dice.index(self.known.len());
        let partition = self.known[at].id;
        self.known[at].is_gone = true;
        if dice.chance(80) {
            self.known.swap_remove(at);
        }
        vec![Op::Delete { partition }]
    }

    fn advance(&mut self, dice: &mut Dice) -> Op {
        let at = dice.index(self.known.len());
        let known = &self.known[at];
        let offset = if dice.chance(15) { i64::MAX } else { below(dice, known.end + 2) };
        Op::AdvanceLogStart { partition: known.id, offset }
    }

    fn forget(&self, dice: &mut Dice) -> Op {
        let now = i64::try_from(self.entries * 100).expect("small");
        Op::ForgetProducers { time_ms: now - below(dice, 3000) }
    }

    fn append(&mut self, load: Load, payload: &mut Vec<u8>, dice: &mut Dice) -> Op {
        let at = dice.index(self.known.len());
        let known = &mut self.known[at];
        let count = 1 + i32::try_from(dice.below(5)).expect("small");
        let producer = dice.chance(45).then(|| {
            let id = below(dice, PRODUCERS);
            known.producers.entry(id).or_default().stamp(id, count, dice)
        });
        let count = producer.map_or(count, |stamp| stamp.last_offset_delta + 1);
        known.end += i64::from(count);
        let partition = known.id;
        let batch = Batch::write(payload, count, producer, load, dice);
        Op::Append { partition, batch }
    }
}

impl Producer {
    fn stamp(&mut self, id: i64, count: i32, dice: &mut Dice) -> ProducerStamp {
        let last_offset_delta = count - 1;
        let next = self.next.unwrap_or_else(|| if dice.chance(20) { i32::MAX - 3 } else { 0 });
        let fresh = ProducerStamp { id, epoch: self.epoch, base_sequence: next, last_offset_delta };
        match dice.below(100) {
            0..=14 if !self.sent.is_empty() => self.sent[dice.index(self.sent.len())],
            15..=19 => ProducerStamp { base_sequence: after(next, 1 + below(dice, 3)), ..fresh },
            20..=22 if self.epoch > 0 => ProducerStamp { epoch: self.epoch - 1, ..fresh },
            23..=27 => {
                self.epoch += 1;
                let base_sequence = if dice.chance(70) { 0 } else { 5 };
                self.send(ProducerStamp { epoch: self.epoch, base_sequence, ..fresh })
            }
            _ => self.send(fresh),
        }
    }

    fn send(&mut self, stamp: ProducerStamp) -> ProducerStamp {
        self.next = Some(after(stamp.base_sequence, i64::from(stamp.last_offset_delta) + 1));
        self.sent.push_back(stamp);
        if self.sent.len() > SENT_AGAIN_FROM {
            self.sent.pop_front();
        }
        stamp
    }
}

impl Batch {
    /// Writes a batch behind `payload`; base offset and leader epoch are noise, as they may be.
    fn write(
        payload: &mut Vec<u8>,
        count: i32,
        producer: Option<ProducerStamp>,
        load: Load,
        dice: &mut Dice,
    ) -> Self {
        let max_timestamp = below(dice, 1000);
        let max_timestamp_delta = i32::try_from(below(dice, i64::from(count))).expect("below a count");
        let mut builder = Builder::new(Compression::NONE).base_offset(below(dice, 256));
        if let Some(stamp) = producer {
            builder = builder.producer(stamp.id, stamp.epoch, stamp.base_sequence);
        }
        let mut timestamps = Vec::new();
        let mut left = dice.index(usize::try_from(load.payload_max).expect("small"));
        for at in 0..count {
            let len = if at + 1 == count { left } else { dice.index(left + 1) };
            left -= len;
            let behind = i64::from(at != max_timestamp_delta) * (1 + below(dice, 60));
            let value = vec![dice.roll().to_le_bytes()[0]; len];
            timestamps.push(max_timestamp - behind);
            builder.append(max_timestamp - behind, None, Some(&value), &[]).expect("small records");
        }
        let from = payload.len();
        payload.extend_from_slice(&builder.finish().expect("not empty"));
        Self { at: from..payload.len(), count, max_timestamp, max_timestamp_delta, timestamps, producer }
    }
}

fn create(partition: PartitionId, epoch_base: i32) -> Op {
    Op::Create { partition, epoch_base }
}

/// The sequence `count` behind `sequence`; behind the last one comes 0.
pub(super) fn after(sequence: i32, count: i64) -> i32 {
    let wrapped = (i64::from(sequence) + count) % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).expect("below 2^31")
}

/// An offset, count or time below `bound`.
pub(super) fn below(dice: &mut Dice, bound: i64) -> i64 {
    i64::try_from(dice.below(u64::try_from(bound).unwrap_or(0))).expect("below an i64")
}
