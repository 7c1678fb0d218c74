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
        span: Span { measured: Duration::from_secs(1), cpu: Duration::ZERO },
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
