use super::*;

/// Lanes that forget one another would send in bursts, or at another rate in all.
#[test]
fn lanes_take_turns_and_keep_the_rate_together() {
    let schedule = Schedule::new(1000.0, 10, 4);
    for number in 0..400 {
        let (lane, turn) = (schedule.lane_of(number), number / 4);
        assert_eq!(schedule.due_in_lane(lane, turn), schedule.due(number));
    }
    assert_eq!(schedule.due(0), Duration::ZERO);
    assert_eq!(schedule.due(1), Duration::from_millis(10));
}

/// Adding up a rounded gap would be milliseconds off after hours.
#[test]
fn a_long_run_does_not_drift() {
    let schedule = Schedule::new(3.0, 1, 1);
    let hours = schedule.due(3 * 3600 * 24);
    assert!(hours.abs_diff(Duration::from_secs(3600 * 24)) < Duration::from_micros(1));
}
