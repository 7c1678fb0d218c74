use std::time::Duration;

use super::LatencyBudget;

const MS: Duration = Duration::from_millis(1);

/// A broker that answers `base` after an item's wait: what the wait settles at, and the p99 then.
fn settled(budget: &mut LatencyBudget, base: impl Fn(u32) -> Duration) -> (Duration, Duration) {
    let mut now = Duration::ZERO;
    for at in 0..200_000 {
        now += MS;
        budget.answered(now, budget.wait() + base(at));
    }
    (budget.wait(), budget.p99().unwrap())
}

#[test]
fn the_wait_grows_until_most_of_the_budget_is_used() {
    let mut budget = LatencyBudget::new(20 * MS, 100 * MS, Duration::ZERO);
    let (wait, p99) = settled(&mut budget, |_| MS);
    assert!(wait >= 10 * MS, "{wait:?}");
    assert!(p99 <= 20 * MS, "{p99:?}");
}

#[test]
fn the_slow_hundredth_counts_and_not_the_mean() {
    // Three of a hundred take 15 ms by themselves: there is next to nothing to wait with.
    let mut budget = LatencyBudget::new(20 * MS, 100 * MS, Duration::ZERO);
    let (wait, p99) = settled(&mut budget, |at| if at % 33 == 0 { 15 * MS } else { MS });
    assert!(wait <= 5 * MS, "{wait:?}");
    assert!(p99 <= 20 * MS, "{p99:?}");
}

#[test]
fn who_can_not_keep_the_budget_does_not_wait() {
    let mut budget = LatencyBudget::new(5 * MS, 100 * MS, Duration::ZERO);
    let (wait, _) = settled(&mut budget, |_| 8 * MS);
    assert!(wait < MS, "{wait:?}");
}

#[test]
fn nothing_waits_longer_than_its_linger() {
    let mut budget = LatencyBudget::new(1000 * MS, 3 * MS, Duration::ZERO);
    assert_eq!(settled(&mut budget, |_| MS).0, 3 * MS);
}

#[test]
fn a_few_latencies_change_nothing() {
    let mut budget = LatencyBudget::new(20 * MS, 100 * MS, Duration::ZERO);
    for at in 0..199 {
        budget.answered(at * MS, MS);
    }
    assert_eq!((budget.wait(), budget.p99()), (Duration::ZERO, None));
}
