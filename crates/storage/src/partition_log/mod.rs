//! A partition's log: what its readers see, segments behind and tail in front, and who may change it.
//!
//! One [`PartitionLog`] per replica, owned by its shard's `apply`: it alone appends, decides about producers and cuts the
//! tail. Any number of [`LogReader`]s read beside it. The segment writer ([`crate::segment_writer`]) moves what was cut
//! into segments and publishes that; a batch boundary seen once may therefore be gone later, and everything outside
//! storage speaks offsets only.
//!
//! Refused: time, randomness and topic configuration. What an append does is a function of the log up to it.
//!
//! Invariant: offsets are handed out once, without gaps; log end offset = high watermark = what is appended here.
//! Invariant: a batch is in the tail until a segment has it readable; a reader finds it at any moment in between.
//! Invariant: an entry at or below the index that the checkpoint had at the start changes nothing again.
//!
//! | file | what |
//! |---|---|
//! | `tail` | committed batches in memory, and how much memory they pin |
//! | `view` | the one consistent view that readers, owner and segment writer share |
//! | `reader`, `slice` | reading by offset, time and leader epoch |
//! | `segment`, `offset_index`, `index_file` | files of batches, and where in them to begin |
//! | `producers`, `epochs` | idempotence, and leader epochs |
//! | `snapshot` | what brings another replica to the same state |
//! | `cut`, `due`, `shard_logs` | what leaves the tail when, and in which order |
//! | `extent` | how large the parts are |
//!
//! Bytes: docs/format/segment.md, docs/format/index.md. Why: docs/adr/0004-segments-and-checkpoint.md.

mod cut;
mod due;
mod epochs;
#[cfg(test)]
mod epochs_test;
mod extent;
pub(crate) mod index_file;
#[cfg(test)]
mod index_file_test;
mod log;
pub(crate) mod offset_index;
pub mod producers;
mod reader;
mod segment;
mod segment_file;
mod shard_logs;
mod slice;
mod snapshot;
#[cfg(test)]
mod snapshot_test;
mod tail;
mod view;

pub use cut::{Cut, DeletedLog, RollLimits, Work};
pub use due::DueLimits;
pub use epochs::{EpochStart, LeaderEpochs};
pub use extent::{LogExtent, SegmentExtent};
pub use log::{Appended, NewBatch, PartitionLog};
pub use reader::{LogOffsets, LogRead, LogReader, MaxTimestamp, ReadError, StoredSize, TimestampedBatch};
pub use segment_file::{ColdRange, SegmentFile};
pub use shard_logs::{Maintained, ShardLogs};
pub use slice::{BATCH_START_BYTES, LogSlice, ReadSliceError, batch_start};
pub use snapshot::{InstallError, PartitionState, StoredBatch};
pub use tail::{EntryPin, PinnedBytes, TailBatch};

pub(crate) use index_file::IndexMark;
pub(crate) use log::RecoveredLog;
pub(crate) use offset_index::BatchAt;
pub(crate) use segment::{Segment, SegmentFiles, dir_name, file_name};
pub use view::MergeCounts;
pub(crate) use view::{SegmentView, StoredPart};
