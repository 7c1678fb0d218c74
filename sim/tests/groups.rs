//! Consumer groups on a broker that dies, in the short form.

use sim::groups::{Mistake, run, run_stopping_at};
use sim::short_form::{all_pass, each_is_found};

const SEEDS: std::ops::Range<u64> = 1..101;

/// The broker dies, its disk fails, logs are rewritten: commits that were answered are there, epochs don't go back, nobody has what somebody else has.
#[test]
fn groups_keep_what_was_answered_in_100_seeds() {
    let total = all_pass("groups", SEEDS, run);
    // A simulation that does nothing finds nothing.
    assert!(total.answered > 50_000 && total.reads > 50_000 && total.epochs > 3000, "{total:?}");
    assert!(total.unknown > 1000 && total.claims > 20_000 && total.groups_deleted > 300, "{total:?}");
    assert!(total.lives > 600 && total.failures > 20 && total.rewritten > 1000, "{total:?}");
}

/// Chance may pass over the one write that matters: here a short first life dies at each of its operations in turn, and the next
/// one has to read what is there.
#[test]
fn a_short_life_may_end_at_any_operation() {
    let ends = (1..).map(|at| run_stopping_at(1, at).unwrap_or_else(|broken| panic!("at {at}: {broken}")));
    let deaths = ends.take_while(Option::is_some).count();
    assert!(deaths > 100, "{deaths}");
}

/// A seed that does not come again can't be looked into.
#[test]
fn a_seed_comes_again() {
    for seed in 1..6 {
        let outcome = run(seed, None);
        assert_eq!(outcome, run(seed, None), "seed {seed}");
    }
}

/// A checker that never complains proves nothing: each of these mistakes must be seen.
#[test]
fn every_planted_mistake_is_found() {
    each_is_found(Mistake::all(), SEEDS, run);
}
