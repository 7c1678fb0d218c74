//! What the short forms in the tests have in common: all seeds pass, and every planted mistake is found by one of them.

use std::fmt::Debug;
use std::ops::{AddAssign, Range};

/// Runs every seed without a mistake; what all of them did, added up.
///
/// # Panics
/// With the first seed that fails, and how to run it again.
pub fn all_pass<P, O>(simulation: &str, seeds: Range<u64>, run: fn(u64, Option<P>) -> Result<O, String>) -> O
where
    O: AddAssign + Default + Debug,
{
    let mut total = O::default();
    for seed in seeds {
        match run(seed, None) {
            Ok(outcome) => total += outcome,
            Err(broken) => panic!("seed {seed}: {broken}\nagain: sim {simulation} --from {seed} --seeds 1"),
        }
    }
    println!("{total:?}");
    total
}

/// Makes each mistake until a seed fails of it, by what the checkers say or by a panic.
///
/// # Panics
/// With the first mistake that no seed finds: a checker that never complains proves nothing.
pub fn each_is_found<P, O>(
    mistakes: impl IntoIterator<Item = P>,
    seeds: Range<u64>,
    run: fn(u64, Option<P>) -> Result<O, String>,
) where
    P: Copy + Debug + std::panic::RefUnwindSafe,
{
    for mistake in mistakes {
        let found = seeds.clone().find_map(|seed| {
            let outcome = std::panic::catch_unwind(|| run(seed, Some(mistake)));
            let broken = outcome.map_or_else(|_| Some("a panic".to_owned()), Result::err);
            broken.map(|broken| (seed, broken))
        });
        let Some((seed, broken)) = found else { panic!("{mistake:?} is not found") };
        println!("{mistake:?}: seed {seed}: {broken}");
    }
}
