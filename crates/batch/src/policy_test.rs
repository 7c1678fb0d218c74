use std::time::Duration;

use super::SizePolicy;
use crate::settings::{PolicyName, Settings};

fn settings() -> Settings {
    Settings { policy: PolicyName::Throughput, ..Settings::default() }
}

/// Runs `periods` periods, in each of which batches of 1 MB take as long as `elapsed` says; the target after each.
fn targets(settings: &Settings, periods: u64, elapsed: impl Fn(u64) -> Duration) -> Vec<usize> {
    let mut policy = SizePolicy::new(settings);
    policy.observe(1, 1_000_000, elapsed(0), Duration::ZERO);
    let mut targets = Vec::new();
    for period in 1..=periods {
        // The average reaches what the period has before it ends.
        for at in 0..100 {
            let now = Duration::from_millis((period - 1) * 5000 + 10 + at);
            policy.observe(1, 1_000_000, elapsed(period), now);
        }
        policy.observe(1, 1_000_000, elapsed(period), Duration::from_secs(period * 5));
        targets.push(policy.target());
    }
    targets
}

fn faster_and_faster(period: u64) -> Duration {
    Duration::from_secs(100) / u32::try_from(period + 1).unwrap()
}

fn slower_and_slower(period: u64) -> Duration {
    Duration::from_secs(1) * u32::try_from(period + 1).unwrap()
}

#[test]
fn it_grows_by_a_tenth_from_small_values_to_the_exact_bound() {
    let grown = targets(&settings(), 60, faster_and_faster);
    assert_eq!(grown[..6], [17, 18, 19, 20, 22, 24]);
    assert_eq!(grown.last(), Some(&1000));
}

#[test]
fn it_shrinks_by_a_tenth_when_throughput_falls_to_the_exact_bound() {
    let mut settings = settings();
    let shrunk = targets(&settings, 20, slower_and_slower);
    assert_eq!(shrunk[..3], [17, 16, 16]);
    settings.adaptive_min_size = 1;
    assert_eq!(targets(&settings, 20, slower_and_slower)[..3], [2, 1, 1]);
    let up_and_down =
        |period| if period <= 40 { faster_and_faster(period) } else { slower_and_slower(period) };
    let there_and_back = targets(&settings, 120, up_and_down);
    assert!(there_and_back[39] > 60, "{there_and_back:?}");
    assert_eq!(there_and_back.last(), Some(&1));
}

#[test]
fn what_neither_improves_nor_falls_stays() {
    // The first period grows: there is nothing to compare with.
    assert_eq!(targets(&settings(), 5, |_| Duration::from_secs(1)), [17; 5]);
}

#[test]
fn nothing_changes_before_a_period_is_over() {
    let mut policy = SizePolicy::new(&settings());
    for ms in 0..5000 {
        policy.observe(10, 1000, Duration::from_millis(1), Duration::from_millis(ms));
    }
    assert_eq!(policy.target(), 16);
}

#[test]
fn the_smaller_upper_bound_holds() {
    let narrow = Settings { max_size: 20, ..settings() };
    assert_eq!(targets(&narrow, 20, faster_and_faster).last(), Some(&20));
    let narrower = Settings { max_size: 5, ..settings() };
    assert_eq!(targets(&narrower, 20, faster_and_faster).last(), Some(&5));
}

#[test]
fn company_aims_at_the_bound_at_any_load_and_without_adaptation_at_max_size() {
    let slow = |settings: &Settings| targets(settings, 5, slower_and_slower);
    assert_eq!(slow(&Settings { adaptive_max_size: 300, ..Settings::default() }), [300; 5]);
    let fixed = Settings { is_adaptive: false, adaptive_max_size: 300, ..settings() };
    assert_eq!(slow(&fixed), [1000; 5]);
}

#[test]
fn averages_have_alpha_a_fifth() {
    let mut policy = SizePolicy::new(&settings());
    policy.observe(10, 2_000_000, Duration::from_secs(1), Duration::ZERO);
    policy.observe(20, 4_000_000, Duration::from_secs(1), Duration::ZERO);
    assert!((policy.batch_size() - 12.0).abs() < 1e-9);
    assert!((policy.throughput() - 2.4).abs() < 1e-9);
}
