use std::time::Duration;

use super::{CommitWait, Forming, Verdict, WaitSettings};

const US: Duration = Duration::from_micros(1);
/// How long a commit takes here.
const COMMIT: Duration = Duration::from_micros(200);

/// A closed loop: `producers` answer to each commit after `think` each, one behind the other by `apart`. Gives the items of
/// each commit.
struct Loop {
    wait: CommitWait,
    now: Duration,
    /// When each of those who were answered sends again.
    coming: Vec<Duration>,
    /// When each of those who wait came.
    forming: Vec<Duration>,
}

impl Loop {
    fn new(settings: WaitSettings, first_arrivals: &[Duration]) -> Self {
        let coming = first_arrivals.to_vec();
        Self { wait: CommitWait::new(settings), now: Duration::ZERO, coming, forming: Vec::new() }
    }

    fn arrive_until(&mut self, time: Duration) {
        self.coming.sort_unstable();
        let count = self.coming.partition_point(|at| *at <= time);
        for at in self.coming.drain(..count) {
            self.wait.arrived(at);
            self.forming.push(at);
        }
        self.now = time;
    }

    /// Runs until one more commit is answered.
    fn commit(&mut self, think: Duration, apart: Duration) -> usize {
        if self.forming.is_empty() {
            let next = *self.coming.iter().min().unwrap();
            self.arrive_until(next.max(self.now));
        }
        loop {
            let due_by = self.forming[0] + self.wait.settings().linger;
            let forming = Forming { items: self.forming.len(), due_by, is_budgeted: false };
            let Verdict::Wait { until, items } = self.wait.decide(self.now, &forming) else { break };
            assert!(until > self.now && items > self.forming.len());
            let next = self.coming.iter().min().copied().filter(|next| *next < until);
            self.arrive_until(next.unwrap_or(until));
        }
        self.wait.began(self.now, self.forming[0]);
        let committed = std::mem::take(&mut self.forming).len();
        self.arrive_until(self.now + COMMIT);
        self.wait.ended(self.now, committed + self.forming.len());
        let answered = (0..u32::try_from(committed).unwrap()).map(|at| self.now + think + at * apart);
        self.coming.extend(answered);
        committed
    }
}

fn commits(producers: u32, think: Duration, apart: Duration, settings: WaitSettings) -> Vec<usize> {
    let first: Vec<Duration> = (0..producers).map(|at| at * 37 * US).collect();
    let mut running = Loop::new(settings, &first);
    (0..200).map(|_| running.commit(think, apart)).collect()
}

#[test]
fn one_producer_waits_for_nobody() {
    let first = [Duration::ZERO];
    let mut running = Loop::new(WaitSettings::default(), &first);
    (0..100).for_each(|_| assert_eq!(running.commit(50 * US, US), 1));
    assert_eq!(running.now, 100 * COMMIT + 99 * 50 * US);
}

#[test]
fn two_producers_out_of_step_come_into_step() {
    let settings = WaitSettings::default();
    assert_eq!(commits(2, 50 * US, 5 * US, settings)[100..], [2; 100]);
    // Without a wait each is in the other's way for ever.
    let never = WaitSettings { linger: Duration::ZERO, ..settings };
    assert_eq!(commits(2, 50 * US, 5 * US, never)[100..], [1; 100]);
}

#[test]
fn who_needs_longer_than_a_commit_to_come_back_is_not_waited_for() {
    let settings = WaitSettings::default();
    let think = 500 * US;
    let first = [Duration::ZERO, 300 * US];
    let mut running = Loop::new(settings, &first);
    (0..50).for_each(|_| _ = running.commit(think, 5 * US));
    let begin = running.now;
    (0..100).for_each(|_| _ = running.commit(think, 5 * US));
    assert!(running.now - begin <= 50 * (COMMIT + think) + COMMIT, "{:?}", running.now - begin);
}

#[test]
fn a_group_that_is_large_already_goes_at_once() {
    let mut wait = CommitWait::new(WaitSettings::default());
    wait.began(Duration::ZERO, Duration::ZERO);
    wait.ended(COMMIT, 200);
    (0..100).for_each(|at| wait.arrived(COMMIT + at * 10 * US));
    wait.began(2 * COMMIT, COMMIT);
    wait.ended(3 * COMMIT, 200);
    let forming = |items| Forming { items, due_by: 100 * COMMIT, is_budgeted: false };
    wait.arrived(3 * COMMIT);
    assert_eq!(wait.decide(3 * COMMIT, &forming(100)), Verdict::Go);
    assert!(matches!(wait.decide(3 * COMMIT, &forming(2)), Verdict::Wait { items: 3, .. }));
}

#[test]
fn nobody_is_waited_for_when_all_have_sent() {
    let mut wait = CommitWait::new(WaitSettings::default());
    wait.began(Duration::ZERO, Duration::ZERO);
    wait.ended(COMMIT, 7);
    let budgeted = |items| Forming { items, due_by: 100 * COMMIT, is_budgeted: true };
    assert_eq!(wait.decide(COMMIT, &budgeted(6)), Verdict::Wait { until: 100 * COMMIT, items: 7 });
    assert_eq!(wait.decide(COMMIT, &budgeted(7)), Verdict::Go);
}

#[test]
fn who_left_is_forgotten() {
    let mut wait = CommitWait::new(WaitSettings::default());
    wait.ended(COMMIT, 100);
    (0..128).for_each(|_| wait.ended(COMMIT, 2));
    let forming = Forming { items: 2, due_by: 100 * COMMIT, is_budgeted: true };
    assert_eq!(wait.decide(COMMIT, &forming), Verdict::Go);
}

#[test]
fn what_is_not_adaptive_waits_as_it_is_told() {
    let settings = WaitSettings { is_adaptive: false, linger: COMMIT, items_max: 10 };
    let wait = CommitWait::new(settings);
    let forming = |items| Forming { items, due_by: COMMIT, is_budgeted: false };
    assert_eq!(wait.decide(Duration::ZERO, &forming(9)), Verdict::Wait { until: COMMIT, items: 10 });
    assert_eq!(wait.decide(Duration::ZERO, &forming(10)), Verdict::Go);
    assert_eq!(wait.decide(COMMIT, &forming(1)), Verdict::Go);
}

#[test]
fn an_item_that_is_due_goes_whatever_would_pay() {
    let settings = WaitSettings::default();
    let mut wait = CommitWait::new(settings);
    wait.began(Duration::ZERO, Duration::ZERO);
    wait.ended(COMMIT, 100);
    let forming = Forming { items: 1, due_by: COMMIT, is_budgeted: false };
    assert_eq!(wait.decide(COMMIT, &forming), Verdict::Go);
}
