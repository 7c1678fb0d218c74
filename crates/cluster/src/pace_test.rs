use std::time::Duration;

use batch::wait::WaitSettings;
use storage::id::TopicId;

use super::{Pace, TopicWait};

const HOUR: Duration = Duration::from_secs(3600);
const FIXED: WaitSettings = WaitSettings { linger: HOUR, is_adaptive: false, items_max: 3 };
const PLAIN: TopicWait = TopicWait { linger: None, target_p99: None };
const BUDGETED: TopicWait = TopicWait { linger: None, target_p99: Some(HOUR) };

fn topic(number: u8) -> TopicId {
    TopicId([number; 16])
}

#[test]
fn a_fixed_group_is_held_until_it_is_full() {
    let pace = Pace::new(FIXED);
    assert!(pace.hold().is_none());
    assert!(!pace.added(topic(1), PLAIN, 0));
    assert!(pace.hold().is_some());
    assert!(!pace.added(topic(2), PLAIN, 0));
    assert!(pace.hold().is_some());
    assert!(pace.added(topic(3), PLAIN, 0));
    assert!(pace.hold().is_none());
    pace.began(3);
    pace.ended(3);
    assert!(!pace.added(topic(1), PLAIN, 0));
    assert!(pace.hold().is_some());
}

#[test]
fn the_least_patient_member_decides() {
    let pace = Pace::new(FIXED);
    pace.added(topic(1), PLAIN, 0);
    assert!(pace.hold().is_some());
    let at_once = TopicWait { linger: Some(Duration::ZERO), ..PLAIN };
    assert!(pace.added(topic(2), at_once, 0));
    assert!(pace.hold().is_none());
}

#[test]
fn what_did_not_fit_waits_no_longer() {
    let pace = Pace::new(FIXED);
    (0..2).for_each(|_| _ = pace.added(topic(1), PLAIN, 0));
    assert!(pace.hold().is_some());
    pace.began(1);
    assert!(pace.hold().is_none());
}

#[test]
fn a_topic_has_a_wait_of_its_own_once_it_has_shown_that_it_can_keep_its_budget() {
    let pace = Pace::new(WaitSettings { linger: HOUR, ..WaitSettings::default() });
    // A budget begins without any wait; nothing was measured yet.
    pace.added(topic(1), BUDGETED, 0);
    assert!(pace.hold().is_none());
    pace.began(1);
    pace.ended(1);
    let budgets = pace.budgets.borrow();
    assert_eq!(budgets.keys().collect::<Vec<_>>(), [&topic(1)]);
    assert_eq!(budgets[&topic(1)].budget.wait(), Duration::ZERO);
}

#[test]
fn a_budget_that_was_changed_begins_anew() {
    let pace = Pace::new(WaitSettings::default());
    pace.added(topic(1), BUDGETED, 0);
    let other = TopicWait { target_p99: Some(HOUR / 2), ..BUDGETED };
    pace.added(topic(1), other, 0);
    assert_eq!(pace.budgets.borrow()[&topic(1)].of, other);
}
