//! How good the wait of a commit is: twelve loads, every fixed setting and the adaptive one, on a simulated clock.
//!
//! For each load one of the fixed settings is best: the one with the most records a second where producers wait for their
//! answers, else the one with the smallest p99. What the adaptive setting loses against it, in records a second, p99 and
//! stored bytes, is its *regret*. No fixed setting is near the best one of every load; the adaptive one has to be.

mod loads;
mod model;

use std::fmt::Write as _;

pub use loads::{Load, Setting, loads};
use model::Model;
pub use model::Outcome;

/// Mistakes that must show as regret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A group never waits.
    NeverWaits,
    /// A group always waits for its linger.
    AlwaysWaits,
    /// Who waits does not see who has come back.
    MissesWhoReturns,
    /// Who waits takes everybody who sends for one who has come back.
    TakesAllForReturned,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::NeverWaits, Self::AlwaysWaits, Self::MissesWhoReturns, Self::TakesAllForReturned];
}

/// What the adaptive setting lost against the best fixed one of a load, as shares: 0.05 is five percent worse; negative:
/// better.
#[derive(Clone, Copy, Debug)]
pub struct Regret {
    /// Of records a second.
    pub records_per_s: f64,
    /// Of the p99.
    pub p99: f64,
    /// Of stored bytes.
    pub stored_bytes: f64,
}

impl Regret {
    fn of(this: &Outcome, best: &Outcome) -> Self {
        let more = |this: f64, best: f64| this / best - 1.0;
        Self {
            records_per_s: more(best.records_per_s, this.records_per_s),
            p99: more(this.p99.as_secs_f64(), best.p99.as_secs_f64()),
            stored_bytes: more(this.stored_bytes, best.stored_bytes),
        }
    }

    /// The largest of the three.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.records_per_s.max(self.p99).max(self.stored_bytes)
    }
}

/// One load under all settings.
#[derive(Clone, Debug)]
pub struct Row {
    /// The load.
    pub load: Load,
    /// What each fixed setting made of it, in the order of [`Setting::fixed`].
    pub fixed: Vec<Outcome>,
    /// Which of them is best.
    pub best: usize,
    /// What the adaptive one made of it.
    pub adaptive: Outcome,
}

impl Row {
    /// Of the adaptive setting.
    #[must_use]
    pub fn regret(&self) -> Regret {
        Regret::of(&self.adaptive, &self.fixed[self.best])
    }

    /// Of a fixed one against the best of all, the adaptive one among them.
    #[must_use]
    pub fn regret_of(&self, fixed: usize) -> Regret {
        self.against_all(&self.fixed[fixed])
    }

    /// Of the adaptive one against the best of all.
    #[must_use]
    pub fn regret_among_all(&self) -> Regret {
        self.against_all(&self.adaptive)
    }

    fn against_all(&self, this: &Outcome) -> Regret {
        let best = &self.fixed[self.best];
        let is_adaptive_best = cost(&self.load, &self.adaptive) < cost(&self.load, best);
        Regret::of(this, if is_adaptive_best { &self.adaptive } else { best })
    }
}

/// What the settings of a load are compared by: time for a record in a closed loop, else the p99.
fn cost(load: &Load, outcome: &Outcome) -> f64 {
    if load.rate == 0 { 1.0 / outcome.records_per_s } else { outcome.p99.as_secs_f64() }
}

/// Runs a load under every setting.
#[must_use]
pub fn run(load: Load, mistake: Option<Mistake>) -> Row {
    let one = |setting: Setting| Model::new(load, setting, mistake).run(setting);
    let fixed: Vec<Outcome> = Setting::fixed().into_iter().map(one).collect();
    let of = |at: &usize| cost(&load, &fixed[*at]);
    let best = (0..fixed.len()).min_by(|a, b| of(a).total_cmp(&of(b))).unwrap_or(0);
    Row { load, best, adaptive: one(Setting::adaptive()), fixed }
}

/// The table that `sim batching` prints, in Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let settings = Setting::fixed();
    let mut out = String::from(
        "| load | best fixed | records/s | p99 µs | stored bytes | adaptive: records/s | p99 µs | stored bytes | records a commit | regret |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let best = &row.fixed[row.best];
        let figures = |outcome: &Outcome| {
            let Outcome { records_per_s, p99, stored_bytes, .. } = outcome;
            format!("{records_per_s:.0} | {} | {stored_bytes:.1}", p99.as_micros())
        };
        let (adaptive, worst) = (&row.adaptive, row.regret().worst() * 100.0);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.1} | {worst:.1} % |",
            row.load.name,
            settings[row.best],
            figures(best),
            figures(adaptive),
            adaptive.records_per_commit,
        );
    }
    out.push_str("\n| setting, against the best of all | worst regret | load |\n|---|---|---|\n");
    let mut line = |name: &str, regret: &dyn Fn(&Row) -> Regret| {
        let worst = rows.iter().map(|row| (regret(row).worst(), row.load.name));
        let (worst, load) = worst.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, ""));
        let _ = writeln!(out, "| {name} | {:.1} % | {load} |", worst * 100.0);
    };
    line("adaptive", &Row::regret_among_all);
    for (at, setting) in settings.iter().enumerate() {
        line(&setting.to_string(), &|row: &Row| row.regret_of(at));
    }
    out
}
