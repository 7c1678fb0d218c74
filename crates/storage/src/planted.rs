//! Mistakes in what lies behind the WAL that the simulation must find; compiled only with the feature `planted`.
//!
//! The mistake to make is the thread's, because it concerns rooms that share no options. (The WAL's own mistakes are asked
//! for in its options: [`crate::wal::Planted`].)

#[cfg(feature = "planted")]
use std::cell::Cell;

/// See the module's head.
#[cfg(feature = "planted")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Works leave a shard before the local WAL has flushed what they carry.
    CutBeforeFlush,
    /// A view is published whatever became of the write behind it.
    ViewWithoutWrite,
    /// The offset index is taken for an answer, not for a place to begin looking.
    IndexTrusted,
    /// A tail is let go when it is cut, not when the view shows its segment.
    TailDroppedAtCut,
    /// A cut leaves out what became of the producers.
    ProducersLeftOutOfCut,
    /// A cut leaves out the leader epochs.
    EpochsLeftOutOfCut,
    /// A cut leaves out the log start.
    LogStartLeftOutOfCut,
    /// A shard is reported as covered up to what it applied, though some of that is not cut.
    CoveredTooFar,
    /// A partition's entries are applied again though its checkpoint has them.
    EntryAppliedTwice,
    /// A cut that found no space is given up.
    CutGivenUp,
    /// Of the segments that a cut was written to, the checkpoint gets the last one only.
    LastSegmentOnly,
    /// A merged batch lacks the records of its last part.
    PartLeftOut,
    /// A segment is taken to end with the first part of its last merged batch.
    MergedTakenForItsFirst,
    /// Of merged batches, the segment's largest timestamp is that of the last part.
    TimestampOfLastPart,
    /// A checkpoint is written before the segments are synced.
    CheckpointBeforeSync,
    /// With many dirty files none is synced.
    ManyFilesNotSynced,
    /// A checkpoint does not make the names of new segments durable.
    NamesNotSynced,
    /// A segment's failed sync is tried again, as if its success meant something.
    FailedSyncRetried,
    /// A checkpoint is not synced, and what it covers is reported all the same.
    CheckpointNotSynced,
    /// A checkpoint log that was written anew gets its name before it is synced.
    RewriteNotSynced,
    /// The name of the checkpoint log that a start finds is not made durable before the log is relied on.
    CheckpointNameTrusted,
    /// The file of a dropped segment goes before the checkpoint that does not name it is durable.
    RemovedBeforeCheckpoint,
    /// A checkpoint does not say that a partition was deleted.
    DeletionForgotten,
    /// An entry that is replayed though a checkpoint covers it creates a partition that has been deleted since.
    DeletedComesBack,
    /// A start believes the length of a segment's file.
    LengthTrusted,
    /// A start leaves files in place that no checkpoint names.
    UnknownFilesKept,
}

#[cfg(feature = "planted")]
impl Planted {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::CutBeforeFlush,
        Self::ViewWithoutWrite,
        Self::IndexTrusted,
        Self::TailDroppedAtCut,
        Self::ProducersLeftOutOfCut,
        Self::EpochsLeftOutOfCut,
        Self::LogStartLeftOutOfCut,
        Self::CoveredTooFar,
        Self::EntryAppliedTwice,
        Self::CutGivenUp,
        Self::LastSegmentOnly,
        Self::PartLeftOut,
        Self::MergedTakenForItsFirst,
        Self::TimestampOfLastPart,
        Self::CheckpointBeforeSync,
        Self::ManyFilesNotSynced,
        Self::NamesNotSynced,
        Self::FailedSyncRetried,
        Self::CheckpointNotSynced,
        Self::RewriteNotSynced,
        Self::CheckpointNameTrusted,
        Self::RemovedBeforeCheckpoint,
        Self::DeletionForgotten,
        Self::DeletedComesBack,
        Self::LengthTrusted,
        Self::UnknownFilesKept,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static MADE: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Makes this thread's storage make a mistake from now on, or none.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Planted>) {
    MADE.set(mistake);
}

#[cfg(feature = "planted")]
pub(crate) fn is_planted(mistake: Planted) -> bool {
    MADE.get() == Some(mistake)
}

/// True when this thread is to make the mistake; `false` in every build without the feature `planted`.
macro_rules! planted {
    ($mistake:ident) => {{
        #[cfg(feature = "planted")]
        {
            $crate::planted::is_planted($crate::planted::Planted::$mistake)
        }
        #[cfg(not(feature = "planted"))]
        {
            false
        }
    }};
}
pub(crate) use planted;
