//! A shard: one Raft group of this node, its log in the shared WAL, its machine in memory.
//!
//! | file | what |
//! |---|---|
//! | `entry` | the bytes of what a shard commits |
//! | `outcome` | what applying it came to |
//! | `data` | the machine of a data shard: partitions, their producers, their tails |
//! | `wal_mailbox` | between the WAL's thread and this one |
//! | `consensus` | the engine's glue; openraft is known nowhere else |

pub mod consensus;
pub mod data;
pub mod entry;
pub mod outcome;
pub(crate) mod wal_mailbox;

use bytes::Bytes;

pub use consensus::Shard;

use self::entry::EntryError;
use self::outcome::Outcome;

/// What a shard's committed entries are applied to; one thread calls it, in the order of the log.
///
/// A pure function of the entries: no clock, no dice, no order of a hash map, no config that is not in the entry.
pub trait Machine: 'static {
    /// Applies the entry at `index`; its header says what it is.
    ///
    /// # Errors
    /// When a newer build wrote it: the shard stops rather than guess.
    fn apply(&mut self, index: u64, term: u64, entry: Bytes) -> Result<Outcome, MachineError>;

    /// The entry at `index` is the engine's own and has no effect: the log need not keep it for this machine.
    fn pass(&mut self, index: u64);
}

/// A committed entry can't be applied: its log was written by another build, or by a bug.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Its frame.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Its metadata record.
    #[error(transparent)]
    Record(#[from] crate::metadata::RecordError),
}
