//! How long the next group of commits waits for company (ADR 14).
//!
//! A commit begins as soon as the disk is free, unless holding it back shortens what everybody waits in sum. That can be
//! known of producers that wait for their answers: those who were answered by the last commit come back, in about the time
//! that they took before. With `n` items pending, `m` producers about to come back, the last of them in `t`, and commits that take
//! `s`: waiting costs `n * t`, and saves each of the `m` the rest of a commit that began without it, `s - t`. It pays while
//! `n * t < m * (s - t)`.
//!
//! Producers that do not wait for answers do not come back: for them nothing waits. Nor does it behind a commit of many, when the
//! next group is large already. What it changes is a few producers out of step, each in the other's way.
//!
//! Times are durations since an origin that the caller chooses; nothing here asks for the time.

mod budget;

use std::time::Duration;

pub use budget::LatencyBudget;

use crate::average::Average;

/// What is measured counts for so much of its moving average.
const ALPHA: f64 = 0.2;
/// A commit that takes so many times as long as usual counts no more than that: disks stall now and then.
const CLIP: f64 = 2.0;
/// Below this share of producers that come back nobody is expected.
const SHARE_MIN: f64 = 0.5;
/// Who has not come back after so many times what was expected does not come.
const PATIENCE: f64 = 3.0;

/// How waits are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSettings {
    /// Longest that an item waits for company (`linger.ms`); zero: nothing waits on purpose.
    pub linger: Duration,
    /// False: every group waits until it is due or has `items_max` items (`adaptive.enabled`).
    pub is_adaptive: bool,
    /// With so many items a group that is not adaptive waits no longer (`max.size`).
    pub items_max: usize,
}

impl Default for WaitSettings {
    /// The contract's: adaptive, 10 ms, 1000.
    fn default() -> Self {
        Self { linger: Duration::from_millis(10), is_adaptive: true, items_max: 1000 }
    }
}

/// The group that forms, while no commit is in flight.
#[derive(Clone, Copy, Debug)]
pub struct Forming {
    /// How many items are in it; at least one.
    pub items: usize,
    /// The least of its members' own bounds: when they came, and how long each may wait.
    pub due_by: Duration,
    /// All its members have a latency budget and want the largest group that `due_by` allows.
    pub is_budgeted: bool,
}

/// What to do with the group that forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Commit it.
    Go,
    /// Ask again at this time, or when so many items are there.
    Wait {
        /// The time.
        until: Duration,
        /// The number of items.
        items: usize,
    },
}

/// See the module's head.
#[derive(Debug)]
pub struct CommitWait {
    settings: WaitSettings,
    /// Seconds that a commit takes.
    commit_s: Average,
    /// The share of those who were answered that came back before the next commit ended.
    share: Average,
    /// Seconds from an answer to the first one back, and from one to the next behind that.
    return_s: Average,
    gap_s: Average,
    /// Seconds that the first item of a group has waited before its commit began.
    waited_s: Average,
    /// When the commit in flight began.
    began_at: Option<Duration>,
    last: LastCommit,
}

/// The commit that ended last, and who of those it answered is back.
#[derive(Debug, Default)]
struct LastCommit {
    ended_at: Duration,
    answered: usize,
    returned: usize,
    first_return: Duration,
    last_return: Duration,
}

impl CommitWait {
    /// Nothing is known yet: the first groups do not wait.
    #[must_use]
    pub fn new(settings: WaitSettings) -> Self {
        Self {
            settings,
            commit_s: Average::new(ALPHA),
            share: Average::new(ALPHA),
            return_s: Average::new(ALPHA),
            gap_s: Average::new(ALPHA),
            waited_s: Average::new(ALPHA),
            began_at: None,
            last: LastCommit::default(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &WaitSettings {
        &self.settings
    }

    /// A producer that the last commit answered has sent an item again.
    pub fn returned(&mut self, now: Duration) {
        if self.last.returned == 0 {
            self.last.first_return = now;
        }
        self.last.last_return = now;
        self.last.returned += 1;
    }

    /// The commit of a group begins whose first item came at `first_at`.
    pub fn began(&mut self, now: Duration, first_at: Duration) {
        self.began_at = Some(now);
        self.waited_s.take(seconds(first_at, now));
    }

    /// That commit has ended, and the producers of so many items are about to be answered.
    pub fn ended(&mut self, now: Duration, answered: usize) {
        if let Some(began_at) = self.began_at.take() {
            let commit_s = seconds(began_at, now);
            self.commit_s.take(self.commit_s.get().map_or(commit_s, |usual| commit_s.min(CLIP * usual)));
        }
        let last = std::mem::replace(
            &mut self.last,
            LastCommit { ended_at: now, answered, ..LastCommit::default() },
        );
        if last.answered > 0 {
            self.share.take((count(last.returned) / count(last.answered)).min(1.0));
        }
        if last.returned > 0 {
            self.return_s.take(seconds(last.ended_at, last.first_return));
        }
        if last.returned > 1 {
            self.gap_s.take(seconds(last.first_return, last.last_return) / count(last.returned - 1));
        }
    }

    /// Whether the group goes now.
    #[must_use]
    pub fn decide(&self, now: Duration, forming: &Forming) -> Verdict {
        if now >= forming.due_by {
            return Verdict::Go;
        }
        match self.settings.is_adaptive {
            false if forming.items >= self.settings.items_max => Verdict::Go,
            false => Verdict::Wait { until: forming.due_by, items: self.settings.items_max },
            true => self.decide_by_who_returns(now, forming),
        }
    }

    fn decide_by_who_returns(&self, now: Duration, forming: &Forming) -> Verdict {
        let answered = count(self.last.answered);
        let returns = self.share.get().filter(|share| *share >= SHARE_MIN).map(|share| share * answered);
        let missing = returns.map(|returns| returns - count(self.last.returned));
        match missing {
            None if forming.is_budgeted => Verdict::Wait { until: forming.due_by, items: usize::MAX },
            // Everybody is here.
            Some(missing) if missing < 0.5 => Verdict::Go,
            Some(missing) => self.decide_by_cost(now, forming, answered, missing),
            None => Verdict::Go,
        }
    }

    fn decide_by_cost(&self, now: Duration, forming: &Forming, answered: f64, missing: f64) -> Verdict {
        let (Some(commit_s), Some(return_s)) = (self.commit_s.get(), self.return_s.get()) else {
            return Verdict::Go;
        };
        let all_s = return_s + (answered - 1.0) * self.gap_s.get().unwrap_or(0.0);
        let patience = self.last.ended_at + Duration::from_secs_f64(PATIENCE * all_s);
        let until = if forming.is_budgeted { forming.due_by } else { forming.due_by.min(patience) };
        let left_s = (all_s - seconds(self.last.ended_at, now)).max(0.0);
        // Who takes longer than a commit to come back is no company, also when the time for it is nearly over: it may have
        // come back by chance.
        let is_prompt = all_s < commit_s;
        let pays = is_prompt && count(forming.items) * left_s < missing * (commit_s - left_s);
        if !(pays || forming.is_budgeted) || now >= until {
            return Verdict::Go;
        }
        // Asked again with each that comes back: less is left to wait for then.
        Verdict::Wait { until, items: forming.items + 1 }
    }

    /// How long the first item of a group has waited before its commit began, a moving average.
    #[must_use]
    pub fn effective_wait(&self) -> Duration {
        Duration::from_secs_f64(self.waited_s.get().unwrap_or(0.0))
    }
}

fn seconds(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64()
}

fn count(items: usize) -> f64 {
    u32::try_from(items).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
#[path = "wait_test.rs"]
mod wait_test;
