//! The write-ahead log: one sequence of files per node, shared by all shards.
//!
//! Callers hand over frames and learn when they are on disk; everyone waiting shares one write and one sync. Consumers are
//! never served from here: it is read at start-up, when a quiet shard's entries are copied out of a file that is due, and for
//! a follower that lags.
//!
//! | file | what |
//! |---|---|
//! | `handle` | [`Wal`]: append, submit, release; the two threads behind it |
//! | `queue` | what is waiting to be written, its bound and its order |
//! | `writer` | [`WalCore`]: takes groups off the queue, writes them, switches files; no thread |
//! | `encode`, `frame` | bytes of a group and of a frame |
//! | `files`, `shard` | which file holds what, which entries a shard still needs |
//! | `switch` | going from one file to the next |
//! | `upkeep` | prewriting, recycling and removing files, off the commit's path |
//! | `recovery`, `scan` | reading it all back |
//! | `read_back` | reading a few entries back |
//! | `stepped` | the log behind its handle without threads, for a simulation |
//! | `inspect` | checking and showing it, for tools |
//!
//! Invariant: recovery returns every acknowledged frame, byte for byte, in its shard's order, or refuses to start.
//! Invariant: a block of 4 KiB that has been synced is not written again before its file is recycled.
//! Invariant: a file is recycled only when a synced floor frame says that recovery does not need it.
//! Invariant: after a failed write or sync nothing is written any more, and nothing is acknowledged.
//!
//! Bytes: docs/format/wal.md. Why so: docs/adr/0003-wal.md.

mod encode;
mod error;
mod files;
mod frame;
#[cfg(test)]
mod frame_test;
mod handle;
mod inspect;
mod options;
mod queue;
#[cfg(test)]
mod queue_test;
mod read_back;
mod recovery;
mod scan;
mod shard;
mod stats;
mod stepped;
mod switch;
mod upkeep;
mod writer;

pub use error::{AppendError, Poisoned, WalError};
pub use frame::{Frame, LogPosition, Payload};
pub use handle::{Wal, WalListener, WalTrouble};
#[cfg(feature = "planted")]
pub use options::Planted;
pub use options::WalOptions;
pub use queue::WalQueue;
pub use read_back::{ReadBackError, ThenRead};
pub use recovery::{Recovered, RecoveredEntry, RecoveredShard};
pub use stats::{SYNC_TIME_BOUNDS_US, WalStats};
pub use stepped::WalSteps;
pub use upkeep::{Upkeep, UpkeepDone};
pub use writer::{Step, WalCore};

pub(crate) use inspect::{dump, verify};
