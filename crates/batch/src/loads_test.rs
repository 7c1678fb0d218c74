use std::collections::BTreeSet;

use super::*;

/// A policy tuned on half of the space would be called good.
#[test]
fn the_loads_span_producers_sizes_loops_and_partitions() {
    let range = |of: fn(&Load) -> u32| {
        (LOADS.iter().map(of).min().expect("some"), LOADS.iter().map(of).max().expect("some"))
    };
    assert_eq!(range(|load| load.producers), (1, 256));
    assert_eq!(range(|load| load.record_bytes), (100, 64 << 10));
    assert_eq!(range(|load| load.partitions), (1, 1000));
    assert!(LOADS.iter().any(|load| load.records_per_s.is_none()));
    assert!(LOADS.iter().any(|load| load.records_per_s.is_some()));
    let names: BTreeSet<&str> = LOADS.iter().map(|load| load.name).collect();
    assert_eq!(names.len(), LOADS.len());
}
