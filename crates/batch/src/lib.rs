//! Adaptive batching, pure: no clock, no disk, no task, no lock.
//!
//! Two things are joined on the way of a record, and their names are kept apart (docs: ARCHITECTURE.md):
//!
//! - **group commit**: everything pending on a node, of all connections and partitions, shares one WAL write and one sync.
//!   [`CommitGroup`] is what forms while the disk is busy, [`CommitWait`] says how long it waits for company.
//! - **merged batch**: many small record batches of one partition, joined when the segment is written. [`Merger`] joins them.
//!
//! Those who want batches without a broker use a [`Batcher`] in front of a [`Backend`] of their own: see [`batcher`].

mod average;
pub mod batcher;
pub mod commit_group;
pub mod loads;
pub mod merge;
mod policy;
mod settings;
pub mod wait;

pub use batcher::{Backend, Batcher};
pub use commit_group::{BULK_ITEM_BYTES, CommitGroup, Entry, Full, Lane, Limits};
pub use merge::{MergeOptions, Merger};
pub use policy::SizePolicy;
pub use settings::{PolicyName, Profile, SettingError, Settings};
pub use wait::{CommitWait, LatencyBudget, WaitSettings};
