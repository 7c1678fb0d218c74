use std::time::Duration;

use super::{CommitWait, Forming, Verdict, WaitSettings};

const US: Duration = Duration::from_micros(1);
/// How long a commit takes here.
const COMMIT: Duration = Duration::from_micros(200);

/// A closed loop: producers come back `think` after their answer, one behind the other by `apart`.
struct Loop {
    wait: CommitWait,
    now: Duration,
    /// When each of those who were answered sends again, and the commit that answered it.
    coming: Vec<(Duration, usize)>,
    /// When each of those who wait came.
    forming: Vec<Duration>,
    commits: usize,
}

impl Loop {
    fn new(settings: WaitSettings, first_arrivals: &[Duration]) -> Self {
        let coming = first_arrivals.iter().map(|at| (*at, usize::MAX)).collect();
        let wait = CommitWait::new(settings);
        Self { wait, now: Duration::ZERO, coming, forming: Vec::new(), commits: 0 }
    }

    fn arrive_until(&mut self, time: Duration) {
        self.coming.sort_unstable();
        let count = self.coming.partition_point(|(at, _)| *at <= time);
        for (at, answered_in) in self.coming.drain(..count) {
            if answered_in == self.commits {
                self.wait.returned(at);
            }
            self.forming.push(at);
        }
        self.now = time;
    }

    fn next_arrival(&self) -> Option<Duration> {
        self.coming.iter().map(|(at, _)| *at).min()
    }

    /// Runs until one more commit is answered; its items.
    fn commit(&mut self, think: Duration, apart: Duration) -> usize {
        if self.forming.is_empty() {
            let next = self.next_arrival().unwrap();
            self.arrive_until(next.max(self.now));
        }
        loop {
            let due_by = self.forming[0] + self.wait.settings().linger;
            let forming = Forming { items: self.forming.len(), due_by, is_budgeted: false };
            let Verdict::Wait { until, items } = self.wait.decide(self.now, &forming) else { break };
            assert!(until > self.now && items > self.forming.len());
            let next = self.next_arrival().filter(|next| *next < until);
            self.arrive_until(next.unwrap_or(until));
        }
        self.wait.began(self.now, self.forming[0]);
        let committed = std::mem::take(&mut self.forming).len();
        self.arrive_until(self.now + COMMIT);
        self.wait.ended(self.now, committed);
        self.commits += 1;
        let answered = (0..u32::try_from(committed).unwrap()).map(|at| self.now + think + at * apart);
        self.coming.extend(answered.map(|at| (at, self.commits)));
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
    let mut running = Loop::new(WaitSettings::default(), &[Duration::ZERO]);
    (0..100).for_each(|_| assert_eq!(running.commit(50 * US, US), 1));
    assert_eq!(running.now, 100 * COMMIT + 99 * 50 * US);
}

#[test]
fn producers_out_of_step_come_into_step() {
    let settings = WaitSettings::default();
    assert_eq!(commits(2, 50 * US, 5 * US, settings)[100..], [2; 100]);
    assert_eq!(commits(8, 50 * US, 5 * US, settings)[100..], [8; 100]);
    // Without a wait they are in each other's way for ever.
    let never = WaitSettings { linger: Duration::ZERO, ..settings };
    assert_eq!(commits(2, 50 * US, 5 * US, never)[100..], [1; 100]);
    assert_eq!(commits(8, 50 * US, 5 * US, never)[100..], [[3, 5]; 50].concat());
}

#[test]
fn who_needs_longer_than_a_commit_to_come_back_is_not_waited_for() {
    let think = 500 * US;
    let mut running = Loop::new(WaitSettings::default(), &[Duration::ZERO, 300 * US]);
    (0..50).for_each(|_| _ = running.commit(think, 5 * US));
    let begin = running.now;
    (0..100).for_each(|_| assert_eq!(running.commit(think, 5 * US), 1));
    assert!(running.now - begin <= 50 * (COMMIT + think) + COMMIT, "{:?}", running.now - begin);
}

/// A commit of `answered` has ended, the usual time ago `US` each for those who come back.
fn usual(answered: u32) -> CommitWait {
    let mut wait = CommitWait::new(WaitSettings::default());
    for round in 0..20 {
        let begin = round * 2 * COMMIT;
        wait.began(begin, begin);
        wait.ended(begin + COMMIT, usize::try_from(answered).unwrap());
        if round < 19 {
            (0..answered).for_each(|at| wait.returned(begin + COMMIT + 50 * US + at * US));
        }
    }
    wait
}

const NOW: Duration = Duration::from_micros(19 * 400 + 200);

fn forming(items: usize) -> Forming {
    Forming { items, due_by: 2 * NOW, is_budgeted: false }
}

#[test]
fn a_group_waits_while_that_costs_it_less_than_it_saves_the_others() {
    let wait = usual(10);
    // Ten come back within 59 µs: they are saved 141 µs each.
    assert!(matches!(wait.decide(NOW, &forming(23)), Verdict::Wait { items: 24, .. }));
    assert_eq!(wait.decide(NOW, &forming(25)), Verdict::Go);
}

#[test]
fn nobody_is_waited_for_when_all_are_back_or_late() {
    let mut wait = usual(3);
    let Verdict::Wait { until, .. } = wait.decide(NOW, &forming(1)) else { panic!("it does not wait") };
    assert!(until > NOW + 52 * US && until < NOW + 160 * US, "{until:?}");
    assert_eq!(wait.decide(until, &forming(1)), Verdict::Go);
    (0..3).for_each(|_| wait.returned(NOW + 50 * US));
    assert_eq!(wait.decide(NOW + 50 * US, &forming(3)), Verdict::Go);
}

#[test]
fn who_does_not_come_back_is_not_expected() {
    let mut wait = usual(4);
    for round in 0..10 {
        wait.began(NOW + round * COMMIT, NOW);
        wait.ended(NOW + (round + 1) * COMMIT, 4);
    }
    assert_eq!(wait.decide(NOW + 10 * COMMIT, &Forming { due_by: 9 * NOW, ..forming(1) }), Verdict::Go);
}

// A few producers that send by the clock: each may be the next one by chance.
#[test]
fn who_came_back_late_is_not_waited_for_however_late_it_is() {
    let mut wait = CommitWait::new(WaitSettings::default());
    let mut now = Duration::ZERO;
    for _ in 0..20 {
        wait.began(now, now);
        now += COMMIT;
        wait.ended(now, 1);
        now += 50 * COMMIT;
        wait.returned(now);
    }
    wait.began(now, now);
    now += COMMIT;
    wait.ended(now, 1);
    for later in [0, 40, 49, 50, 51, 60] {
        let now = now + later * COMMIT;
        assert_eq!(wait.decide(now, &Forming { due_by: 2 * now, ..forming(1) }), Verdict::Go, "{later}");
    }
}

#[test]
fn a_disk_that_stalled_once_changes_little() {
    let mut wait = usual(2);
    wait.began(NOW, NOW);
    wait.ended(NOW + 1000 * COMMIT, 2);
    assert!(wait.commit_s.get().unwrap() <= 1.2 * COMMIT.as_secs_f64() + 1e-9);
}

#[test]
fn a_budget_is_used_unless_everybody_is_here() {
    let budgeted = |items| Forming { is_budgeted: true, ..forming(items) };
    let mut wait = usual(3);
    assert!(
        matches!(wait.decide(NOW + COMMIT, &budgeted(30)), Verdict::Wait { until, .. } if until == 2 * NOW)
    );
    (0..3).for_each(|_| wait.returned(NOW + 50 * US));
    assert_eq!(wait.decide(NOW + COMMIT, &budgeted(30)), Verdict::Go);
    // Nothing is known of an open loop: there is always company to come.
    let wait = CommitWait::new(WaitSettings::default());
    let until = 2 * NOW;
    assert_eq!(wait.decide(NOW, &budgeted(30)), Verdict::Wait { until, items: usize::MAX });
    assert_eq!(wait.decide(until, &budgeted(30)), Verdict::Go);
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
    assert_eq!(usual(10).decide(NOW, &Forming { due_by: NOW, ..forming(1) }), Verdict::Go);
}
