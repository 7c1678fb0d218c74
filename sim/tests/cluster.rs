//! Three voters under simulation, in the short form.

use sim::cluster::{Mistake, run};
use sim::short_form::{all_pass, each_is_found};

const SEEDS: std::ops::Range<u64> = 1..301;

/// Nodes die, disks stall, links break, leaders change: replicas stay equal and nothing acknowledged is lost.
#[test]
fn three_replicas_agree_in_300_seeds() {
    let total = all_pass("cluster", SEEDS, run);
    // A simulation that does nothing finds nothing.
    assert!(total.acknowledged > 50_000 && total.terms > 600 && total.lives > 2000, "{total:?}");
    assert!(total.snapshots > 100 && total.duplicates > 500 && total.compared > 100_000, "{total:?}");
}

/// A seed that does not come again can't be looked into.
#[test]
fn a_seed_comes_again() {
    for seed in 1..6 {
        let outcome = run(seed, None);
        println!("{outcome:?}");
        assert_eq!(outcome, run(seed, None), "seed {seed}");
    }
}

/// A checker that never complains proves nothing: each of these mistakes must be seen.
#[test]
fn every_planted_mistake_is_found() {
    each_is_found(Mistake::all(), SEEDS, run);
}
