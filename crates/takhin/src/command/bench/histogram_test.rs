use super::*;

/// The two formulas of buckets could disagree at a power of two.
#[test]
fn every_bucket_holds_its_bounds() {
    for index in 0..BUCKETS {
        assert_eq!(bucket(lower(index)), index);
        assert_eq!(bucket(upper(index) - 1), index);
        assert!(upper(index) - lower(index) <= (lower(index) / 128).max(1), "bucket {index} is too wide");
    }
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

/// A rank off by one would show in small counts.
#[test]
fn quantiles_of_known_values_are_within_one_percent() {
    let mut histogram = Histogram::default();
    for us in 1..=1000 {
        histogram.record(us * 1000);
    }
    for (per_mille, us) in [(500, 500), (990, 990), (999, 999), (1, 1)] {
        let (found, exact) = (histogram.quantile(per_mille), us * 1000);
        assert!(found >= exact && found - exact <= exact / 100, "p{per_mille}: {found} for {exact}");
    }
    assert_eq!((histogram.count(), histogram.max(), histogram.quantile(1000)), (1000, 1_000_000, 1_000_000));
}

#[test]
fn an_empty_histogram_has_zeros() {
    let mut histogram = Histogram::default();
    assert_eq!((histogram.quantile(500), histogram.max()), (0, 0));
    histogram.record(5);
    histogram.clear();
    assert_eq!((histogram.count(), histogram.quantile(990)), (0, 0));
    assert!(histogram.by_powers_of_two().is_empty());
}

/// A gap between two lines would make the picture lie about distances.
#[test]
fn lines_are_without_gaps_and_add_up() {
    let mut histogram = Histogram::default();
    for ns in [500, 1_500, 3_000, 40_000, 40_001] {
        histogram.record(ns);
    }
    let lines = histogram.by_powers_of_two();
    assert_eq!(lines.first(), Some(&(0, 1_000, 1)));
    assert_eq!(lines.last(), Some(&(32_000, 64_000, 2)));
    assert!(lines.windows(2).all(|pair| pair[0].1 == pair[1].0));
    assert_eq!(lines.iter().map(|line| line.2).sum::<u64>(), 5);
}
