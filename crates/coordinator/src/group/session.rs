//! How long a member counts as alive without being heard of, and until when something else is awaited of it.

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

/// Until when something is awaited of a member, if it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadline(Option<Duration>);

impl Deadline {
    /// It is awaited until then; an earlier deadline is gone.
    pub(super) fn set(&mut self, timers: &mut Timers, timer: Timer, at: Duration) {
        self.clear(timers, timer.clone());
        self.0 = Some(at);
        timers.insert(at, timer);
    }

    /// Likewise, where it was not awaited yet.
    pub(super) fn set_if_none(&mut self, timers: &mut Timers, timer: Timer, at: Duration) {
        if self.0.is_none() {
            self.set(timers, timer, at);
        }
    }

    /// It has come, or is not awaited any more.
    pub(super) fn clear(&mut self, timers: &mut Timers, timer: Timer) {
        if let Some(at) = self.0.take() {
            timers.remove(at, timer);
        }
    }
}
