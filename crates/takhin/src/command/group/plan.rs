//! Where a reset takes a partition: pure, so that it can be shown before it is done.

/// Where reading is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Earliest,
    Latest,
    /// Where the group is.
    Current,
    ShiftBy(i64),
    Offset(i64),
    /// Of a partition's first record of a time or later; `None` where no record is as late.
    Found(Option<i64>),
}

/// A partition as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// What the group has committed.
    pub(super) committed: Option<i64>,
    /// The log start offset.
    pub(super) first: i64,
    /// Behind the last record.
    pub(super) end: i64,
}

/// Where a partition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) to: i64,
    /// Why it is another offset than the one asked for.
    pub(super) note: Option<&'static str>,
}

/// Where `target` takes a partition; `None` where it says nothing, as a shift from nowhere does.
pub(super) fn plan(target: Target, now: Now) -> Option<Move> {
    let as_asked = |to| Move { to, note: None };
    let moved = match target {
        Target::Earliest => as_asked(now.first),
        Target::Latest => as_asked(now.end),
        Target::Offset(offset) => as_asked(offset),
        Target::ShiftBy(records) => as_asked(now.committed?.saturating_add(records)),
        Target::Current => match now.committed {
            Some(offset) => as_asked(offset),
            None => Move { to: now.end, note: Some("nothing was committed: the end") },
        },
        Target::Found(Some(offset)) => as_asked(offset),
        Target::Found(None) => Move { to: now.end, note: Some("no record is as late: the end") },
    };
    Some(within(moved, now))
}

fn within(moved: Move, now: Now) -> Move {
    if moved.to < now.first {
        Move { to: now.first, note: Some("below the first offset there is: that one") }
    } else if moved.to > now.end {
        Move { to: now.end, note: Some("beyond the end: the end") }
    } else {
        moved
    }
}
