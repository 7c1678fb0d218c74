//! The adaptive wait against every fixed one, over twelve loads. Long form: `cargo run --release -p sim -- batching`.

use sim::batching::{Mistake, Row, Setting, loads, run};

/// What the adaptive setting may lose against the best fixed one of each load, and what each fixed one loses somewhere
/// against the best of all.
const REGRET_MAX: f64 = 0.05;

/// Why the adaptive setting is not what everybody should have, if it is not.
fn check(mistake: Option<Mistake>) -> Result<(), String> {
    let rows: Vec<Row> = loads().into_iter().map(|load| run(load, mistake)).collect();
    for row in &rows {
        let regret = row.regret();
        if regret.worst() > REGRET_MAX {
            return Err(format!("{}: {regret:?}", row.load.name));
        }
    }
    for (at, setting) in Setting::fixed().iter().enumerate() {
        if rows.iter().all(|row| row.regret_of(at).worst() <= REGRET_MAX) {
            return Err(format!("'{setting}' does as well"));
        }
    }
    Ok(())
}

#[test]
fn adaptive_is_near_the_best_of_each_load_and_no_fixed_setting_is() {
    assert_eq!(check(None), Ok(()));
}

#[test]
fn every_planted_mistake_shows() {
    for mistake in Mistake::ALL {
        let found = check(Some(mistake)).expect_err(&format!("{mistake:?} is not found"));
        println!("{mistake:?}: {found}");
    }
}
