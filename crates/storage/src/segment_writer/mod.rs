//! The segment writer: takes cuts of tails, writes them into segments, and checkpoints what is synced; off the producers'
//! path, on one thread per node.
//!
//! [`WriterCore`] is all of it without a thread: it is stepped by the thread in [`Store`], or by a simulator. A cut's
//! batches are appended as they came to the partition's active segment; where a future version merges them there is one
//! function, `append::encode`. After the write the new view is published, and the tail gives the memory back. A
//! checkpoint syncs the segments that were written to, then appends the partitions' records to the checkpoint log; only
//! then is a shard reported as covered, so that the WAL may drop the entries.
//!
//! Refused: reading the clock, but for the thread's waiting and to count what a checkpoint took; anything that would need a topic's name.
//!
//! Invariant: a view is published after its bytes are written, a checkpoint record after its bytes are synced, a covered
//! index after its records are synced.
//! Invariant: bytes below a published length are never written again; live files are never cut.
//! Invariant: when nothing is dirty nothing wakes up.
//! No space is no failure: what could not be written stays at the front and is tried again. Any other failed write, and
//! any failed sync, poisons: nothing more is written, and what was published stays readable.
//!
//! Bytes: docs/format/segment.md. Why: docs/adr/0004-segments-and-checkpoint.md.

mod append;
#[cfg(test)]
mod append_test;
mod core;
mod dirty;
mod mailbox;
mod recovery;
mod size;
mod space;
mod stats;
mod steps;
mod store;
mod write;
#[cfg(test)]
mod write_test;

pub use self::core::{Progress, StoreError, WriterCore};
pub use dirty::CheckpointLimits;
pub use recovery::{Recovered, RecoveredShard};
pub use space::{Shortage, SpaceNews};
pub use stats::{CheckpointLag, StoreStats};
pub use store::{Store, StoreListener, StoreOptions, StoreSteps};
