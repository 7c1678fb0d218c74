use super::*;
use crate::command::bench::{
    run::Span,
    tally::{Got, Phase, Tally},
};

fn outcome(took_ms: u64, stored: f64) -> Outcome {
    let mut tally = Tally::default();
    tally.enter(Phase::Measured);
    tally.answered(Got { records: 1000, ..Got::default() });
    tally.took(Duration::from_millis(took_ms));
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

/// The turns of settings that took so many milliseconds in each of two passes, and store so many bytes.
fn turns(of_settings: &[([u64; 2], f64)]) -> Vec<Vec<Outcome>> {
    let turn = |(took_ms, stored): &([u64; 2], f64)| took_ms.map(|took_ms| outcome(took_ms, *stored)).into();
    of_settings.iter().map(turn).collect()
}

/// A ratio the wrong way round would praise the worst setting.
#[test]
fn each_setting_is_compared_with_the_best_of_its_load() {
    let of_load = of_load(turns(&[([2, 2], 40.0), ([1, 1], 160.0)]));
    let behind = |outcome: &Outcome| -> Vec<i64> {
        outcome.more[1..]
            .iter()
            .map(|(_, _, percent)| format!("{percent:.0}").parse().expect("a number"))
            .collect()
    };
    assert_eq!(behind(&of_load[0]), [100, 100, 0]);
    assert_eq!(behind(&of_load[1]), [0, 0, 300]);
}

/// A machine that is slower in one pass would decide which setting is the best.
#[test]
fn a_slow_pass_is_slow_for_all() {
    let of_load = of_load(turns(&[([100, 1000], 40.0), ([200, 2000], 40.0), ([400, 4000], 40.0)]));
    let behind = of_load.iter().map(|outcome| outcome.more(BEHIND[0]).expect("compared"));
    assert_eq!(behind.map(f64::round).collect::<Vec<_>>(), [0.0, 100.0, 300.0]);
    assert_eq!(of_load[0].tally.measured.records, 2000, "both turns");
}

/// Rows of one setting taken for another's would give the prize to the wrong one.
#[test]
fn the_summary_goes_through_a_settings_loads() {
    let load = |first: u64| {
        let took = (0..SETTINGS.len()).map(|at| if at == 0 { first } else { 1 });
        of_load(turns(&took.map(|took| ([took, took], 40.0)).collect::<Vec<_>>()))
    };
    // The first setting is 100 % behind in one load and the best of the other.
    let outcomes: Vec<Outcome> = [2, 1].into_iter().flat_map(load).collect();
    let mut text = Vec::new();
    write_summary(&mut text, &outcomes).unwrap();
    let text = String::from_utf8(text).unwrap();
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("default")[1..], ["50.0", "100.0", "50.0", "100.0", "0.0", "0.0"]);
    assert!(row("off")[1..].iter().all(|cell| *cell == "0.0"), "{text}");
}

/// Two runs of which one is forgotten would count half.
#[test]
fn two_runs_are_one_twice_as_long() {
    let joined = both(outcome(2, 40.0), outcome(4, 60.0));
    assert_eq!(joined.span.measured, Duration::from_secs(2));
    assert_eq!((joined.tally.measured.records, joined.tally.latencies.count()), (2000, 2));
    assert!(joined.tally.latencies.max() >= 4_000_000);
    assert_eq!(joined.more("stored_bytes_per_record"), Some(40.0));
}
