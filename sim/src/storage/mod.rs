//! All of storage, the WAL, tails, cuts, segments, checkpoint, deletion and the way back, against a model, on a disk that
//! fails wherever it may.
//!
//! A run has several lives. In each, several shards get entries (partitions are created, deleted and trimmed; plain and
//! idempotent producers append, repeat, skip and fence each other), the WAL writes groups, entries are committed and applied,
//! sometimes ahead of the local flush as on a follower, tails are cut, the segment writer steps, checkpoints are taken and
//! the WAL forgets, until the process dies, the power goes, a write fails or nothing happens at all. Then all is opened again.
//!
//! Checked at every opening: an undamaged disk always opens; the WAL has everything acknowledged and nothing else; a
//! checkpoint covers no more than the WAL had durable and no less than it has forgotten; after the replay every log is, byte
//! for byte, offset by offset, with its log start, epochs, timestamps and producers, what its entries make of it; deleted
//! stays deleted. Checked all the time: answers to appends, reads while tails are handed over, slices that somebody holds.
//! Checked in the end: everything is stored, nothing is pinned, and the files are the readable batches and nothing else.

mod act;
mod entry;
mod finish;
mod history;
mod life;
mod model;
mod outcome;
mod run;

pub use outcome::Outcome;
pub use run::{run, run_stopping_at};
