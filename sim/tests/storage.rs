//! All of storage under simulation, in the short form.

use sim::short_form::{all_pass, each_is_found};
use sim::storage::{run, run_stopping_at};
use storage::Planted;

const SEEDS: std::ops::Range<u64> = 1..501;

/// Lost, torn and reordered writes, failed syncs, full disks, deaths at any operation: recovery must cope with all of them.
#[test]
fn nothing_acknowledged_is_lost_in_500_seeds() {
    let total = all_pass("storage", SEEDS, run);
    // A simulation that does nothing finds nothing.
    assert!(total.acknowledged > 10_000 && total.batches > 20_000 && total.refused > 500, "{total:?}");
    assert!(total.covered > 2000 && total.replayed > 5000 && total.truncated > 300, "{total:?}");
    assert!(total.reads > 20_000 && total.poisoned > 100 && total.without_space > 100, "{total:?}");
}

/// Chance may pass over the one write that matters: here the first life dies at each of its operations in turn.
#[test]
fn a_life_may_end_at_any_operation() {
    let mut deaths = 0;
    for seed in 1..13 {
        let ends =
            (1..).map(|at| run_stopping_at(seed, at).unwrap_or_else(|b| panic!("seed {seed} at {at}: {b}")));
        deaths += ends.take_while(Option::is_some).count();
    }
    assert!(deaths > 300, "{deaths}");
}

/// Otherwise a seed that failed could not be looked into.
#[test]
fn a_run_is_a_function_of_its_seed() {
    for seed in 1..6 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}

/// A checker that never complains proves nothing: each of these mistakes must be seen.
#[test]
fn every_planted_mistake_is_found() {
    each_is_found(Planted::ALL, SEEDS, run);
}
