//! Mistakes that the simulation must find. Without the feature `simulated` there is none that could be asked for.

/// The mistake to make, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "simulated"), expect(unreachable_pub, reason = "of simulations only"))]
pub struct Plan {
    /// Which.
    #[cfg(feature = "simulated")]
    pub mistake: Option<Planted>,
}

/// Mistakes in the hosting of coordinators.
#[cfg(feature = "simulated")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A step is answered before its records are durable.
    AnsweredUnwritten,
    /// What writes nothing is answered at once, though it may say what is not durable yet.
    ReadsOvertake,
    /// A step that was not committed is gone on from.
    KeptAfterFailure,
    /// The partition's last record batch is not replayed.
    LastBatchNotReplayed,
    /// Records that delete are not replayed.
    TombstonesNotReplayed,
    /// Epochs of groups of the consumer protocol are not written.
    EpochNotWritten,
    /// Members of groups of the consumer protocol that leave are not written down as gone.
    LeavingNotWritten,
    /// Of a rewritten log only the first piece is written.
    RewritingEndsEarly,
    /// A log begins where its rewriting ended, not where it began.
    StartTooFar,
}

#[cfg(feature = "simulated")]
impl Planted {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AnsweredUnwritten,
        Self::ReadsOvertake,
        Self::KeptAfterFailure,
        Self::LastBatchNotReplayed,
        Self::TombstonesNotReplayed,
        Self::EpochNotWritten,
        Self::LeavingNotWritten,
        Self::RewritingEndsEarly,
        Self::StartTooFar,
    ];
}

/// True when the plan has this mistake; `false` in every build without the feature `simulated`.
macro_rules! planted {
    ($plan:expr, $mistake:ident) => {{
        #[cfg(feature = "simulated")]
        {
            $plan.mistake == Some($crate::groups::planted::Planted::$mistake)
        }
        #[cfg(not(feature = "simulated"))]
        {
            let _ = &$plan;
            false
        }
    }};
}
pub(crate) use planted;
