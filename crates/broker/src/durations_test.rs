//! A duration is counted below the bound that it is not longer than.

use super::*;

#[test]
fn bounds_ascend_and_are_inclusive_and_nothing_is_lost() {
    // Could break: what takes as long as a bound, or longer than all, is counted elsewhere or nowhere.
    assert!(BOUNDS_US.is_sorted());
    let cells = DurationCells::default();
    for us in [0, 1, 100, 101, 250, 10_000_000, 10_000_001, 60_000_000] {
        cells.add(Duration::from_micros(us));
    }
    cells.add(Duration::from_nanos(100_001));
    let read = cells.read();
    let counted: Vec<_> = read.buckets().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(0.0001, 3), (0.00025, 3), (10.0, 1), (f64::INFINITY, 2)]);
    assert_eq!((read.count(), read.sum), (9, Duration::from_nanos(80_000_553_001)));
}
