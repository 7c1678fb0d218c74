//! How long a member counts as alive without being heard of.

use std::time::Duration;

use super::timers::{Timer, Timers};

/// A member's session, and the timer that somebody looks at it with.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    ends: Duration,
    /// When somebody looks whether it has ended; at that time or before it.
    looked_at: Option<Duration>,
}

impl Session {
    /// The member need not be heard of until then. An earlier look stays: it will see that there is time left, so that a
    /// heartbeat costs no more than writing down a number.
    pub(super) fn extend(&mut self, timers: &mut Timers, timer: Timer, until: Duration) {
        self.ends = until;
        if self.looked_at.is_some_and(|at| at <= until) {
            return;
        }
        if let Some(at) = self.looked_at.replace(until) {
            timers.remove(at, timer.clone());
        }
        timers.insert(until, timer);
    }

    /// Somebody looks: whether it has ended. If not, the timer is set for the time that is left.
    pub(super) fn has_ended(&mut self, timers: &mut Timers, timer: Timer, now: Duration) -> bool {
        self.looked_at = None;
        if self.ends <= now {
            return true;
        }
        self.extend(timers, timer, self.ends);
        false
    }

    /// Nobody looks any more.
    pub(super) fn forget(&mut self, timers: &mut Timers, timer: Timer) {
        if let Some(at) = self.looked_at.take() {
            timers.remove(at, timer);
        }
    }
}
