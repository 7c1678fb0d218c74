//! Simulations: parts of the broker run from a seed, on a disk that fails wherever it may.
//!
//! | simulation | what |
//! |---|---|
//! | [`wal`] | the write-ahead log alone, frame by frame, and damage to it |
//! | [`storage`] | all of storage: WAL, tails, cuts, segments, checkpoint, retention, deletion |
//! | [`batching`] | how long commits wait for company: the adaptive wait among the fixed ones, over twelve loads |
//! | [`groups`] | consumer groups: coordinators as the broker hosts them, with members of both protocols, on a broker that dies |
//! | [`cluster`] | three voters: elections, lost messages, crashes, snapshots, through the engine that the broker uses |
//!
//! Short form: `cargo test -p sim` (some hundred seeds of each, and every planted mistake found). Long form:
//! `cargo run --release -p sim -- storage --seeds 1000000`; a failing seed is printed and comes again with
//! `cargo run --release -p sim -- storage --from SEED --seeds 1`. `--planted MISTAKE` shows that the simulation sees it.
//!
//! A run is a function of its seed: no clock, no thread, no machine decides anything.

pub mod batching;
pub mod cluster;
pub mod dice;
pub mod disk;
pub mod groups;
mod records;
pub mod short_form;
pub mod storage;
pub mod wal;
