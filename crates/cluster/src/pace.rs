//! When the group that forms is handed over: `batch::CommitWait` with the clock, the topics' own bounds and their budgets.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use batch::wait::{CommitWait, Forming, LatencyBudget, Verdict, WaitSettings};
use env::Instant;
use rustc_hash::FxBuildHasher;
use storage::id::TopicId;

/// What a topic's own configs say of how long its record batches wait for company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicWait {
    /// `batch.linger.ms`; `None`: the broker's own.
    pub linger: Option<Duration>,
    /// `batch.target.p99.ms`: the produce p99 to stay under, and to use for larger groups; `None`: there is none.
    pub target_p99: Option<Duration>,
}

/// A record batch of a topic with a budget: whose it is, and when it came.
type Budgeted = (TopicId, Duration);

/// The small items that wait, while they are not in flight.
#[derive(Default)]
struct Group {
    items: usize,
    first_at: Duration,
    due_by: Duration,
    /// Members without a budget.
    plain: usize,
    budgeted: Vec<Budgeted>,
    /// Held back until then, or until so many items are there.
    held: Option<(Duration, usize)>,
}

struct TopicBudget {
    of: TopicWait,
    budget: LatencyBudget,
}

/// See the module's head.
pub(crate) struct Pace {
    origin: Instant,
    wait: RefCell<CommitWait>,
    group: RefCell<Group>,
    /// Members with a budget of the groups in flight, and of those that are being answered.
    in_flight: RefCell<Vec<Budgeted>>,
    answering: RefCell<Vec<Budgeted>>,
    /// The commit that ended last, counted from 1.
    commit: Cell<u64>,
    budgets: RefCell<HashMap<TopicId, TopicBudget, FxBuildHasher>>,
}

impl Pace {
    pub(crate) fn new(settings: WaitSettings) -> Self {
        Self {
            origin: Instant::now(),
            wait: RefCell::new(CommitWait::new(settings)),
            group: RefCell::default(),
            in_flight: RefCell::default(),
            answering: RefCell::default(),
            commit: Cell::default(),
            budgets: RefCell::default(),
        }
    }

    fn now(&self) -> Duration {
        Instant::now().since(self.origin)
    }

    /// The commit that ended last, counted from 1; 0 before.
    pub(crate) fn commit(&self) -> u64 {
        self.commit.get()
    }

    /// A small item of `topic` came, from a connection that commit `answered_in` answered last; true when the group was held
    /// back and need not be any more.
    pub(crate) fn added(&self, topic: TopicId, of: TopicWait, answered_in: u64) -> bool {
        let now = self.now();
        let mut wait = self.wait.borrow_mut();
        if answered_in > 0 && answered_in == self.commit.get() {
            wait.returned(now);
        }
        let linger = of.linger.unwrap_or(wait.settings().linger);
        let mut group = self.group.borrow_mut();
        let patience = match of.target_p99 {
            None => {
                group.plain += 1;
                linger
            }
            Some(target) => {
                group.budgeted.push((topic, now));
                self.budgeted_wait(topic, of, target, linger, now)
            }
        };
        if group.items == 0 {
            (group.first_at, group.due_by) = (now, now + patience);
        }
        group.items += 1;
        group.due_by = group.due_by.min(now + patience);
        let is_plain_now = group.plain == 1 && of.target_p99.is_none();
        group.held.is_some_and(|(until, items)| group.items >= items || group.due_by < until || is_plain_now)
    }

    fn budgeted_wait(
        &self,
        topic: TopicId,
        of: TopicWait,
        target: Duration,
        linger: Duration,
        now: Duration,
    ) -> Duration {
        let mut budgets = self.budgets.borrow_mut();
        let new = || TopicBudget { of, budget: LatencyBudget::new(target, linger, now) };
        let known = budgets.entry(topic).or_insert_with(new);
        if known.of != of {
            *known = new();
        }
        known.budget.wait()
    }

    /// Whether the group is to be held back, and until when.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let now = self.now();
        let mut group = self.group.borrow_mut();
        if group.items == 0 {
            return None;
        }
        let forming = Forming { items: group.items, due_by: group.due_by, is_budgeted: group.plain == 0 };
        group.held = match self.wait.borrow().decide(now, &forming) {
            Verdict::Go => None,
            Verdict::Wait { until, items } => Some((until, items)),
        };
        let (until, _) = group.held?;
        Some(Hold { until: self.origin + until, left: until.saturating_sub(now) })
    }

    /// The commit of `items` of the waiting ones, at most of all, begins; gives how long the first of them has waited.
    pub(crate) fn began(&self, items: usize) -> Duration {
        let now = self.now();
        let mut group = self.group.borrow_mut();
        self.wait.borrow_mut().began(now, group.first_at);
        self.in_flight.borrow_mut().append(&mut group.budgeted);
        // What is left did not fit into the entry: it has waited long enough.
        let left = group.items.saturating_sub(items);
        let waited = now.saturating_sub(group.first_at);
        *group = Group { items: left, plain: left, first_at: now, due_by: now, ..Group::default() };
        waited
    }

    /// Nothing waits, whatever was said to come.
    pub(crate) fn none_waits(&self) {
        *self.group.borrow_mut() = Group::default();
    }

    /// A commit of `items` has ended, for good or not.
    pub(crate) fn ended(&self, items: usize) {
        let now = self.now();
        self.wait.borrow_mut().ended(now, items);
        self.commit.set(self.commit.get() + 1);
        self.answering.borrow_mut().append(&mut self.in_flight.borrow_mut());
    }

    /// True when somebody waits for [`Pace::answered`].
    pub(crate) fn is_answering(&self) -> bool {
        !self.answering.borrow().is_empty()
    }

    /// The answers of what has ended are written, and every socket was read once since. What a producer sees is longer than the
    /// time from reading its batch to the end of the commit: its batch lay in the socket while others were read, and its answer waited
    /// for others to be written. A turn of the event loop is about as long as both, so that the latency counts until now.
    pub(crate) fn answered(&self) {
        let now = self.now();
        let mut budgets = self.budgets.borrow_mut();
        for (topic, came_at) in self.answering.borrow_mut().drain(..) {
            if let Some(known) = budgets.get_mut(&topic) {
                known.budget.answered(now, now.saturating_sub(came_at));
            }
        }
    }

    /// How long a group's first item waits before its commit begins, a moving average.
    pub(crate) fn effective_wait(&self) -> Duration {
        self.wait.borrow().effective_wait()
    }
}

/// A group that is held back.
pub(crate) struct Hold {
    /// Until then, if nothing changes.
    pub(crate) until: Instant,
    /// How long that is.
    pub(crate) left: Duration,
}

#[cfg(test)]
#[path = "pace_test.rs"]
mod pace_test;
