use storage::id::ShardId;

use super::replay::{Replay, ReplayMeter};

const LOUD: ShardId = ShardId(1);
const SILENT: ShardId = ShardId(0);

fn mib(count: u64) -> Replay {
    Replay { bytes: count << 20, batches: 10 }
}

#[test]
fn what_is_covered_need_not_be_replayed() {
    let mut meter = ReplayMeter::default();
    assert_eq!(meter.pending(), Replay::default());
    for index in 1..=10 {
        meter.applied(LOUD, index, mib(1));
    }
    assert_eq!(meter.pending(), Replay { bytes: 10 << 20, batches: 100 });
    meter.covered(LOUD, 4);
    assert_eq!(meter.pending(), Replay { bytes: 6 << 20, batches: 60 });
    meter.covered(LOUD, 10);
    assert_eq!(meter.pending(), Replay::default());
    meter.applied(LOUD, 11, mib(1));
    assert_eq!(meter.pending(), mib(1));
}

// The WAL is read from the oldest entry that anybody needs.
#[test]
fn one_old_entry_of_a_silent_shard_counts_for_all_that_was_written_behind_it() {
    let mut meter = ReplayMeter::default();
    meter.applied(SILENT, 1, Replay { bytes: 100, batches: 0 });
    for index in 1..=10 {
        meter.applied(LOUD, index, mib(1));
        meter.covered(LOUD, index);
    }
    assert_eq!(meter.pending().bytes, (10 << 20) + 100);
    assert_eq!(meter.index_before(SILENT, mib(9)), Some(1));
    assert_eq!(meter.index_before(LOUD, mib(9)), None);
    meter.covered(SILENT, 1);
    assert_eq!(meter.pending(), Replay::default());
}

#[test]
fn tiny_entries_are_counted_with_few_marks_and_never_too_little() {
    let mut meter = ReplayMeter::default();
    let entry = Replay { bytes: 100, batches: 1 };
    for index in 1..=100_000 {
        meter.applied(LOUD, index, entry);
    }
    for covered in [1, 777, 50_000, 99_999] {
        meter.covered(LOUD, covered);
        let exact = (100_000 - covered) * 100;
        let pending = meter.pending().bytes;
        assert!(pending >= exact && pending <= exact + (1 << 18) + 100, "{covered}: {pending} for {exact}");
    }
}

#[test]
fn an_index_is_named_behind_which_enough_was_applied() {
    let mut meter = ReplayMeter::default();
    for index in 1..=8 {
        meter.applied(LOUD, index, mib(1));
    }
    let bytes = |count: u64| Replay { bytes: count << 20, batches: u64::MAX };
    assert_eq!(meter.index_before(LOUD, bytes(3)), Some(6), "entries 6 to 8 are three mebibytes");
    assert_eq!(meter.index_before(LOUD, bytes(9)), None);
    let batches = Replay { bytes: u64::MAX, batches: 15 };
    assert_eq!(meter.index_before(LOUD, batches), Some(7), "entries 7 and 8 have twenty batches");
}
