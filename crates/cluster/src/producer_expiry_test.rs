use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[test]
fn a_producer_is_due_when_its_last_entry_is_as_old_as_the_expiration() {
    let now = WallTime(2 * DAY_MS);
    assert_eq!(decide(now, None, DAY), Decision::Nobody);
    assert_eq!(decide(now, Some(DAY_MS + 1), DAY), Decision::Wait);
    let due = Decision::Forget { written_until_ms: DAY_MS };
    assert_eq!(decide(now, Some(DAY_MS), DAY), due);
    assert_eq!(decide(now, Some(0), DAY), due);
}

#[test]
fn a_clock_before_the_entries_forgets_nobody() {
    assert_eq!(decide(WallTime(0), Some(5 * DAY_MS), DAY), Decision::Wait);
}
