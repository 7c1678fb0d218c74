//! Mistakes that the simulation must find. Without the feature `simulated` there is none that could be asked for.

/// The mistake to make, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Which.
    #[cfg(feature = "simulated")]
    pub mistake: Option<Planted>,
}

/// Mistakes in the glue between engine, log and storage.
#[cfg(feature = "simulated")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A vote is granted before it is on disk.
    VoteNotAwaited,
    /// An append is acknowledged before it is on disk.
    AppendAcknowledgedUnflushed,
    /// What was applied is stored and checkpointed though this node's own disk has not the entries yet.
    AppliedTakenForFlushed,
    /// A node that has restarted votes at once, though it may have promised its leader a lease.
    LeaseForgotten,
    /// After a restart everything in the log counts as committed.
    AllTakenForCommitted,
    /// Entries are purged as soon as they are applied, in a checkpoint or not.
    PurgedBeforeCovered,
    /// A snapshot leaves the producers' state out.
    SnapshotWithoutProducers,
    /// A snapshot leaves the leader epochs out.
    SnapshotWithoutEpochs,
    /// A snapshot is installed in memory and acknowledged before it is in a checkpoint.
    SnapshotNotAwaited,
    /// A leader answers before what was committed before its time is applied.
    AnswersWhenElected,
}

#[cfg(feature = "simulated")]
impl Planted {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::VoteNotAwaited,
        Self::AppendAcknowledgedUnflushed,
        Self::AppliedTakenForFlushed,
        Self::LeaseForgotten,
        Self::AllTakenForCommitted,
        Self::PurgedBeforeCovered,
        Self::SnapshotWithoutProducers,
        Self::SnapshotWithoutEpochs,
        Self::SnapshotNotAwaited,
        Self::AnswersWhenElected,
    ];
}

/// True when the plan has this mistake; `false` in every build without the feature `simulated`.
macro_rules! planted {
    ($plan:expr, $mistake:ident) => {{
        #[cfg(feature = "simulated")]
        {
            $plan.mistake == Some($crate::shard::planted::Planted::$mistake)
        }
        #[cfg(not(feature = "simulated"))]
        {
            let _ = &$plan;
            false
        }
    }};
}
pub(crate) use planted;
