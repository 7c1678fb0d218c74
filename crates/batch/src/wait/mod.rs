//! How long the next group of commits waits for company (ADR 14).
//!
//! A commit begins as soon as the disk is free, unless holding it back shortens what everybody waits in sum: who arrives just
//! after a commit began waits for all of it. With `n` items pending, a commit that takes `s` and the next item expected in `g`,
//! waiting for it costs `n * g` and saves it `s - g`; it pays while `n * g < s - g`, and only while somebody is left who may
//! send: as many items as were ever waiting at once, lately, are all there are when producers wait for their answers.
//!
//! At low load `g` is large and nothing waits. Behind a commit of many the next group is large already, and nothing waits
//! either. What it changes is few producers in lock step, each in the other's way.
//!
//! Times are durations since an origin that the caller chooses; nothing here asks for the time.

mod budget;

use std::time::Duration;

pub use budget::LatencyBudget;

/// What is measured counts for so much of its moving average.
const ALPHA: f64 = 0.2;
/// After so many commits it is forgotten how many items waited at once, unless as many did again.
const PEAK_COMMITS: usize = 64;
/// Who has not come after so many times what was expected does not come.
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
    /// Seconds from the end of a commit to the next arrival, and from one arrival to the next behind that.
    return_s: Average,
    gap_s: Average,
    /// Seconds that the first item of a group has waited before its commit began.
    waited_s: Average,
    /// Items that waited or were in flight at once: of these commits, and of those before.
    peak: usize,
    peak_before: usize,
    peak_commits: usize,
    /// When the commit in flight began.
    began_at: Option<Duration>,
    /// When the last commit ended, when the first and the last item came since, and how many did.
    ended_at: Duration,
    first_arrival: Option<Duration>,
    last_arrival: Duration,
    arrivals: u32,
}

impl CommitWait {
    /// Nothing is known yet: the first groups do not wait.
    #[must_use]
    pub fn new(settings: WaitSettings) -> Self {
        Self {
            settings,
            commit_s: Average::default(),
            return_s: Average::default(),
            gap_s: Average::default(),
            waited_s: Average::default(),
            peak: 0,
            peak_before: 0,
            peak_commits: 0,
            began_at: None,
            ended_at: Duration::ZERO,
            first_arrival: None,
            last_arrival: Duration::ZERO,
            arrivals: 0,
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &WaitSettings {
        &self.settings
    }

    /// An item has arrived.
    pub fn arrived(&mut self, now: Duration) {
        if self.first_arrival.is_none() {
            self.first_arrival = Some(now);
            self.return_s.take(seconds(self.ended_at, now));
        }
        self.last_arrival = now;
        self.arrivals = self.arrivals.saturating_add(1);
    }

    /// The commit of a group begins whose first item came at `first_at`.
    pub fn began(&mut self, now: Duration, first_at: Duration) {
        self.began_at = Some(now);
        self.waited_s.take(seconds(first_at, now));
    }

    /// That commit has ended and its producers are about to be answered; so many items waited or were in flight until now.
    pub fn ended(&mut self, now: Duration, outstanding: usize) {
        if let Some(began_at) = self.began_at.take() {
            self.commit_s.take(seconds(began_at, now));
        }
        if let Some(first) = self.first_arrival.take()
            && self.arrivals > 1
        {
            self.gap_s.take(seconds(first, self.last_arrival) / f64::from(self.arrivals - 1));
        }
        self.arrivals = 0;
        self.ended_at = now;
        self.peak = self.peak.max(outstanding);
        self.peak_commits += 1;
        if self.peak_commits >= PEAK_COMMITS {
            self.peak_commits = 0;
            self.peak_before = std::mem::replace(&mut self.peak, outstanding);
        }
    }

    /// Whether the group goes now.
    #[must_use]
    pub fn decide(&self, now: Duration, forming: &Forming) -> Verdict {
        let items_max =
            if self.settings.is_adaptive { self.peak.max(self.peak_before) } else { self.settings.items_max };
        if forming.items >= items_max || now >= forming.due_by {
            return Verdict::Go;
        }
        if forming.is_budgeted || !self.settings.is_adaptive {
            return Verdict::Wait { until: forming.due_by, items: items_max };
        }
        self.decide_by_cost(now, forming)
    }

    fn decide_by_cost(&self, now: Duration, forming: &Forming) -> Verdict {
        let (since, next) = match self.first_arrival {
            None => (self.ended_at, &self.return_s),
            Some(_) => (self.last_arrival, &self.gap_s),
        };
        let (Some(gap_s), Some(commit_s)) = (next.get(), self.commit_s.get()) else { return Verdict::Go };
        let items = u32::try_from(forming.items).unwrap_or(u32::MAX);
        let until = forming.due_by.min(since + Duration::from_secs_f64(PATIENCE * gap_s));
        if f64::from(items) * gap_s >= commit_s - gap_s || now >= until {
            return Verdict::Go;
        }
        Verdict::Wait { until, items: forming.items + 1 }
    }

    /// How long the first item of a group has waited before its commit began, a moving average.
    #[must_use]
    pub fn effective_wait(&self) -> Duration {
        Duration::from_secs_f64(self.waited_s.get().unwrap_or(0.0))
    }
}

/// An exponential moving average.
#[derive(Clone, Copy, Debug, Default)]
struct Average(Option<f64>);

impl Average {
    fn take(&mut self, sample: f64) {
        self.0 = Some(self.0.map_or(sample, |average| average + ALPHA * (sample - average)));
    }

    fn get(&self) -> Option<f64> {
        self.0
    }
}

fn seconds(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64()
}

#[cfg(test)]
#[path = "wait_test.rs"]
mod wait_test;
