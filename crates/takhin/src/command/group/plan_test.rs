use super::plan::{Now, Target, plan};

const NOW: Now = Now { committed: Some(50), first: 10, end: 100 };

fn to(target: Target, now: Now) -> (i64, bool) {
    let moved = plan(target, now).unwrap();
    (moved.to, moved.note.is_some())
}

#[test]
fn each_target_takes_a_partition_where_it_says() {
    for (target, offset) in [
        (Target::Earliest, 10),
        (Target::Latest, 100),
        (Target::Current, 50),
        (Target::ShiftBy(7), 57),
        (Target::ShiftBy(-7), 43),
        (Target::Offset(99), 99),
        (Target::Offset(10), 10),
        (Target::Offset(100), 100),
        (Target::Found(Some(60)), 60),
    ] {
        assert_eq!(to(target, NOW), (offset, false), "{target:?}");
    }
}

// An offset outside of the log would be taken for none by a consumer, which then goes where its own setting says.
#[test]
fn offsets_stay_within_the_log_and_that_is_said() {
    for (target, offset) in [
        (Target::Offset(9), 10),
        (Target::Offset(101), 100),
        (Target::ShiftBy(-50), 10),
        (Target::ShiftBy(i64::MAX), 100),
        (Target::ShiftBy(i64::MIN), 10),
        (Target::Found(None), 100),
    ] {
        assert_eq!(to(target, NOW), (offset, true), "{target:?}");
    }
    assert_eq!(to(Target::Current, Now { committed: Some(5), ..NOW }), (10, true));
    assert_eq!(to(Target::Current, Now { committed: Some(500), ..NOW }), (100, true));
}

#[test]
fn without_an_offset_current_is_the_end_and_a_shift_is_nowhere() {
    let now = Now { committed: None, ..NOW };
    assert_eq!(to(Target::Current, now), (100, true));
    assert_eq!(plan(Target::ShiftBy(1), now), None);
}
