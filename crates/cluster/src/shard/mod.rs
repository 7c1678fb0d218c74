//! A shard: one Raft group of this node, its log in the shared WAL, its machine in memory.
//!
//! | file | what |
//! |---|---|
//! | `entry` | the bytes of what a shard commits |
//! | `outcome` | what applying it came to |
//! | `data` | the machine of a data shard: partitions, their producers, their tails |
//! | `snapshot` | what brings a replica that lags up to date |
//! | `wal_mailbox` | between the WAL's thread and this one |
//! | `log_progress` | between the log and the storekeeper |
//! | `planted` | mistakes that the simulation must find |
//! | `consensus` | the engine's glue; openraft is known nowhere else |

pub mod consensus;
pub mod data;
pub mod entry;
pub(crate) mod log_progress;
pub mod outcome;
pub mod planted;
pub mod snapshot;
pub(crate) mod wal_mailbox;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use storage::partition_log::InstallError;

pub use consensus::Shard;

use self::entry::EntryError;
use self::outcome::Outcome;
use self::snapshot::{LogEnds, ShardSnapshot, SnapshotError};
use crate::storekeeper::StoringStopped;

/// What a shard's committed entries are applied to; one thread calls it, in the order of the log.
///
/// A pure function of the entries: no clock, no dice, no order of a hash map, no config that is not in the entry.
pub(crate) trait Machine: 'static {
    /// Applies the entry at `index`; its header says what it is.
    ///
    /// # Errors
    /// When a newer build wrote it: the shard stops rather than guess.
    fn apply(&mut self, index: u64, term: u64, entry: Bytes) -> Result<Outcome, MachineError>;

    /// The entry at `index` is the engine's own and has no effect: the log need not keep it for this machine.
    fn pass(&mut self, index: u64);

    /// Its state, with all entries up to `applied` in it; cheap in bytes of records, not in partitions and producers.
    fn snapshot(&self, applied: u64) -> ShardSnapshot;

    /// How far its partitions' logs reach: what lies before that a snapshot need not bring.
    fn log_ends(&self) -> LogEnds;

    /// Becomes what the snapshot says, which has the entries up to `index` in it. Durable when it resolves; a crash before
    /// that leaves each partition either as it was or as the snapshot has it.
    ///
    /// # Errors
    /// When the snapshot does not fit what is here, or can't be stored: the shard stops.
    fn install(
        &mut self,
        index: u64,
        snapshot: ShardSnapshot,
    ) -> LocalBoxFuture<'_, Result<(), MachineError>>;
}

/// A committed entry can't be applied, its log was written by another build, or by a bug; or a snapshot can't be installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    /// Its frame.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Its metadata record.
    #[error(transparent)]
    Record(#[from] crate::metadata::RecordError),
    /// A snapshot's records.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A snapshot's partition.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A snapshot could not be made durable.
    #[error(transparent)]
    Storing(#[from] StoringStopped),
}
