//! Simulations: parts of the broker run from a seed, on a disk that fails wherever it may.
//!
//! Short form: `cargo test -p sim` (300 seeds, and every planted mistake found). Long form:
//! `cargo run --release -p sim -- wal --seeds 100000`; a failing seed is printed and comes again with
//! `cargo run --release -p sim -- wal --from SEED --seeds 1`. `--planted MISTAKE` shows that the simulation sees it. The same
//! with `cluster` in the place of `wal`.
//!
//! A run is a function of its seed: no clock, no thread, no machine decides anything.

pub mod cluster;
pub mod dice;
pub mod disk;
pub mod wal;
