use super::*;
use crate::command::bench::{
    run::Span,
    tally::{Got, Phase, Tally},
};

fn outcome(records: u64, p99_ms: u64, stored: f64) -> Outcome {
    let mut tally = Tally::default();
    tally.enter(Phase::Measured);
    tally.answered(Got { records, ..Got::default() });
    tally.took(Duration::from_millis(p99_ms));
    Outcome {
        label: String::new(),
        about: String::new(),
        settings: serde_json::Map::new(),
        span: Span { measured: Duration::from_secs(1), cpu: None },
        tally,
        latency_of: "",
        more: vec![("", "stored_bytes_per_record", stored)],
    }
}

/// A ratio the wrong way round would praise the worst setting.
#[test]
fn each_setting_is_compared_with_the_best_of_its_load() {
    let mut of_load = [outcome(1000, 2, 40.0), outcome(500, 1, 160.0)];
    compare(&mut of_load);
    let behind = |outcome: &Outcome| -> Vec<i64> {
        outcome.more[1..]
            .iter()
            .map(|(_, _, percent)| format!("{percent:.0}").parse().expect("a number"))
            .collect()
    };
    assert_eq!(behind(&of_load[0]), [0, 100, 0]);
    assert_eq!(behind(&of_load[1]), [100, 0, 300]);
}

/// Rows of one setting taken for another's would give the prize to the wrong one.
#[test]
fn the_summary_goes_through_a_settings_loads() {
    let of_load = |first: u64| -> Vec<Outcome> {
        let rates = (0..SETTINGS.len() as u64).map(|at| if at == 0 { first } else { 1000 });
        let mut outcomes: Vec<Outcome> = rates.map(|rate| outcome(rate, 1, 40.0)).collect();
        compare(&mut outcomes);
        outcomes
    };
    // The first setting is 100 % behind in one load and the best of the other.
    let outcomes: Vec<Outcome> = [500, 1000].into_iter().flat_map(of_load).collect();
    let mut text = Vec::new();
    write_summary(&mut text, &outcomes).unwrap();
    let text = String::from_utf8(text).unwrap();
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("default")[1..], ["50.0", "100.0", "0.0", "0.0", "0.0", "0.0"]);
    assert!(row("off")[1..].iter().all(|cell| *cell == "0.0"), "{text}");
}

/// Two runs of which one is forgotten would count half.
#[test]
fn two_runs_are_one_twice_as_long() {
    let joined = both(outcome(1000, 2, 40.0), outcome(500, 4, 60.0));
    assert_eq!(joined.span.measured, Duration::from_secs(2));
    assert_eq!((joined.tally.measured.records, joined.tally.latencies.count()), (1500, 2));
    assert!(joined.tally.latencies.max() >= 4_000_000);
    assert_eq!(joined.more("stored_bytes_per_record"), Some(50.0));
}
