//! Random histories with crashes at any change of the disk.

use std::time::Duration;

use storage::partition_log::producers::ProducerStamp;

use crate::batches::{batch, partition, random_spec};
use crate::dice::Dice;
use crate::model::Op;
use crate::node::{Node, NodeShard, options};

struct Loads {
    /// Applied may run ahead of flushed, as on a follower.
    flush_lags: bool,
    payload_max: u64,
}

fn random_op(node: &Node, shard: usize, loads: &Loads, dice: &mut Dice) -> Op {
    // A shard's partitions have numbers of their own; deleted ones never come back.
    let known: Vec<_> = node.shards[shard].model.logs.keys().copied().collect();
    let created = node.shards[shard].history.iter().flatten();
    let created = created.filter(|op| matches!(op, Op::Create { .. })).count() as i32;
    if known.is_empty() || (known.len() < 4 && dice.one_in(10)) {
        let partition = partition(created * 3 + shard as i32);
        return Op::Create { partition, epoch_base: dice.below(5) as i32 };
    }
    let partition = known[dice.below(known.len() as u64) as usize];
    let log = &node.shards[shard].model.logs[&partition];
    if dice.one_in(60) {
        return Op::Delete { partition };
    }
    if dice.one_in(20) {
        return Op::AdvanceLogStart { partition, offset: dice.below(log.log_end as u64 + 2) as i64 };
    }
    let epoch = (node.shards[shard].history.len() / 30) as i32;
    let mut spec = random_spec(dice, epoch, loads.payload_max);
    if dice.one_in(2) {
        let id = dice.below(4) as i64;
        let known = log.producers.entry(id);
        let next = known.and_then(|known| known.batches().last()).map_or(0, |last| {
            if dice.one_in(3) { last.base_sequence } else { last.base_sequence + last.last_offset_delta + 1 }
        });
        let epoch = known.map_or(0, |known| known.epoch()) + i16::from(dice.one_in(10));
        spec.count = 2;
        spec.max_timestamp_delta = 0;
        spec.producer = Some(ProducerStamp { id, epoch, base_sequence: next, last_offset_delta: 1 });
    }
    Op::Append { partition, batch: batch(&spec, dice.below(256) as u8) }
}

fn run(seed: u64) {
    let dice = &mut Dice::new(seed);
    // The largest ones have index files.
    let (segment_bytes, payload_max) = match dice.below(24) {
        0 => (1_500_000, 70_000),
        1..8 => (100_000, 9000),
        _ => (1500, 300),
    };
    let loads = Loads { flush_lags: dice.one_in(2), payload_max };
    let mut node = Node::new(2, options(segment_bytes, 600));
    for _ in 0..250 {
        let shard = dice.below(2) as usize;
        match dice.below(100) {
            0..50 => {
                let count = dice.below(4);
                let ops = (0..count).map(|_| random_op(&node, shard, &loads, dice)).collect::<Vec<_>>();
                // Operations of one entry are drawn before it: none may follow the deletion of its partition.
                let deletes = ops.iter().any(|op| matches!(op, Op::Delete { .. } | Op::Create { .. }));
                let ops = if deletes { ops.into_iter().take(1).collect() } else { ops };
                node.apply(shard, ops);
            }
            50..60 => node.now = node.now + Duration::from_millis(dice.below(1500)),
            60..83 => node.maintain(shard),
            83..85 => node.maintain_all(shard),
            85..94 => {
                let progress = node.step(dice.one_in(4));
                assert!(progress.poisoned.is_none(), "{progress:?}");
            }
            94..96 => node.check(dice),
            96..98 => node.disk.set_full(dice.one_in(2)),
            _ => {
                // The power fails now, or somewhere in the next steps.
                node.disk.fail_power_after(dice.below(12));
                for shard in 0..2 {
                    node.maintain(shard);
                }
                while dice.below(4) > 0 && node.step(dice.one_in(2)).poisoned.is_none() {}
                node.crash(dice);
                // What is read first builds indexes: sometimes the segment writer comes first.
                if dice.one_in(2) {
                    node.check(dice);
                }
            }
        }
        flush(&mut node.shards[shard], loads.flush_lags, dice);
    }
    node.disk.set_full(false);
    node.drain();
    node.check(dice);
    assert_eq!(node.options.pinned.bytes(), 0, "nothing is pinned when all is stored");
    for shard in &node.shards {
        let effects = shard.applied();
        assert!(shard.released <= effects);
        if effects > 0 && shard.model.logs.values().any(|log| log.log_end > 0) {
            assert!(shard.released > 0, "a drained store covers something");
        }
    }
    node.crash(dice);
    node.check(dice);
}

fn flush(shard: &mut NodeShard, lags: bool, dice: &mut Dice) {
    let behind = shard.applied() - shard.flushed;
    shard.flushed += if lags { dice.below(behind + 1) } else { behind };
}

#[test]
fn any_crash_recovers_to_what_the_wal_has() {
    let seeds = std::env::var("TAKHIN_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let first = std::env::var("TAKHIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed}: run again with TAKHIN_SEED={seed} TAKHIN_SEEDS=1");
            std::panic::resume_unwind(panic);
        }
    }
}
