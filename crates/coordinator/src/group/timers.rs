//! What happens to groups when nothing else does: who is due when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) group: Arc<str>,
    pub(super) about: About,
}

/// Which of a group's times is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// The members' time to join.
    Join,
    /// The members' time to sync.
    Sync,
    /// A member's session.
    Session(Arc<str>),
    /// A member's time to give partitions up.
    Revocation(Arc<str>),
    /// The time to join again of a member that speaks the classic protocol in a group of the other.
    Rejoin(Arc<str>),
    /// Its time to ask for its assignment.
    Collection(Arc<str>),
}

/// Deadlines on a clock of their own, in order.
#[derive(Default)]
pub(super) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    pub(super) fn insert(&mut self, at: Duration, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn remove(&mut self, at: Duration, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the first of what is due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
