//! Storage: the write-ahead log, the partitions' logs behind it, and what makes a restart short.
//!
//! Bytes and positions only: storage knows no topic name, no client and no leader.
//!
//! | room | what |
//! |---|---|
//! | [`wal`] | one write-ahead log per node, shared by all shards; a frame acknowledged is a frame synced |
//! | [`partition_log`] | what a partition's readers see: segments behind, tail in front, one view over both |
//! | [`segment_writer`] | takes cuts of tails and writes them into segments, off the producers' path |
//! | [`checkpoint`] | which bytes of which segments are synced, so that a restart replays a bounded WAL |
//! | [`inspect`] | whether all of it is as it was written, and what is in it; for tools |

pub mod checkpoint;
pub mod id;
pub mod inspect;
pub mod partition_log;
mod planted;
pub mod segment_writer;
pub mod wal;

#[cfg(feature = "planted")]
pub use planted::{Planted, plant};
