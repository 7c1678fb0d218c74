//! The write-ahead log and its recovery, against a model, on a disk that fails wherever it may.
//!
//! A run has several lives. In each, several shards append, vote, truncate, purge, commit and release, files are prepared and
//! recycled at odd moments, until the process dies, the power goes, a write fails or nothing happens at all. Then the log is opened
//! again. At the end some stored bytes may be changed, and recovery must notice.
//!
//! Checked at every opening: what is recovered is what the shards had after some prefix of all frames, in the order in which they
//! were appended; the prefix holds everything acknowledged, and nothing that was never handed over. So no acknowledged frame is
//! lost or changed, none comes back from an older generation, and no vote goes back. An undamaged log always opens. A damaged
//! one is refused, or the damage was in bytes that nobody needs. Answers come in order, and none after a failure. A full disk
//! that gets space again goes on.

mod model;
mod run;

pub use run::{Outcome, run, run_stopping_at};
