//! Mistakes that random lives must find; there are none but in this crate's tests.

#[cfg(test)]
use std::cell::Cell;

/// See the module's head.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A member gets what others have.
    TakenIsFree,
    /// A member gets what another one has still to give up.
    RevokingIsFree,
    /// A group that goes over to the consumer protocol forgets what its members have.
    AssignmentsForgotten,
    /// It isn't written down.
    MigrantsNotWritten,
    /// Whoever waits for a generation isn't told that there will be none.
    WaitersForgotten,
    /// What members have kept while nobody was assigned anything is forgotten.
    OwnedForgotten,
    /// A group between two generations goes over with what everybody has, as if that had been assigned.
    NeverAssigned,
    /// A group that goes back to the classic protocol isn't written down.
    DowngradeNotWritten,
}

#[cfg(test)]
impl Planted {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::TakenIsFree,
        Self::RevokingIsFree,
        Self::AssignmentsForgotten,
        Self::MigrantsNotWritten,
        Self::WaitersForgotten,
        Self::OwnedForgotten,
        Self::NeverAssigned,
        Self::DowngradeNotWritten,
    ];
}

#[cfg(test)]
thread_local! {
    static MADE: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Makes this thread's groups make a mistake from now on, or none.
#[cfg(test)]
pub(super) fn plant(mistake: Option<Planted>) {
    MADE.set(mistake);
}

#[cfg(test)]
pub(super) fn is_planted(mistake: Planted) -> bool {
    MADE.get() == Some(mistake)
}

/// True when this thread is to make the mistake; `false` in every build but that of the tests.
macro_rules! planted {
    ($mistake:ident) => {{
        #[cfg(test)]
        {
            $crate::group::planted::is_planted($crate::group::planted::Planted::$mistake)
        }
        #[cfg(not(test))]
        {
            false
        }
    }};
}
pub(crate) use planted;
