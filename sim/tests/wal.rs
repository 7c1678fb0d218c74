//! The write-ahead log under simulation, in the short form.

use sim::short_form::{all_pass, each_is_found};
use sim::wal::{run, run_stopping_at};
use storage::wal::Planted;

const SEEDS: std::ops::Range<u64> = 1..301;

/// Lost, torn and reordered writes, failed syncs, full disks, deaths at any operation: recovery must cope with all of them.
#[test]
fn nothing_acknowledged_is_lost_in_300_seeds() {
    let total = all_pass("wal", SEEDS, run);
    // A simulation that does nothing finds nothing.
    assert!(total.acknowledged > 10_000 && total.recoveries > 500 && total.files > 1000, "{total:?}");
    assert!(total.refused > 50 && total.poisoned > 50 && total.without_space > 50, "{total:?}");
}

/// Chance may pass over the one write that matters: here the first life dies at each of its operations in turn.
#[test]
fn a_life_may_end_at_any_operation() {
    let mut deaths = 0;
    for seed in 1..11 {
        let ends =
            (1..).map(|at| run_stopping_at(seed, at).unwrap_or_else(|b| panic!("seed {seed} at {at}: {b}")));
        deaths += ends.take_while(Option::is_some).count();
    }
    assert!(deaths > 400, "{deaths}");
}

/// A checker that never complains proves nothing: each of these mistakes must be seen.
#[test]
fn every_planted_mistake_is_found() {
    each_is_found(Planted::ALL, SEEDS, run);
}
