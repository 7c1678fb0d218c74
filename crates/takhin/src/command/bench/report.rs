//! What a run came to, as a table for people and as JSON for programs.

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{
    histogram::Histogram,
    load::per_s,
    run::Span,
    schedule::float,
    tally::{Got, Tally},
};
use crate::output::{Output, Table};

/// Characters of the longest bar.
const BAR: f64 = 40.0;

/// One run's result.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Short, for a row.
    pub(crate) label: String,
    /// What was done, in words.
    pub(crate) about: String,
    /// The same for programs.
    pub(crate) settings: Map<String, Value>,
    pub(crate) span: Span,
    pub(crate) tally: Tally,
    /// What the latencies are of.
    pub(crate) latency_of: &'static str,
    /// What only this kind of run has: a heading, the JSON name, the value.
    pub(crate) more: Vec<(&'static str, &'static str, f64)>,
}

impl Outcome {
    /// What only this kind of run has, by its JSON name.
    pub(crate) fn more(&self, name: &str) -> Option<f64> {
        self.more.iter().find(|(_, known, _)| *known == name).map(|(_, _, value)| *value)
    }

    fn json(&self) -> Value {
        let Self { tally, span, .. } = self;
        let (seconds, cpu) = (span.measured.as_secs_f64(), span.cpu.map(|cpu| cpu.as_secs_f64()));
        let Got { records, value_bytes, .. } = tally.measured;
        let lines = tally.latencies.by_powers_of_two();
        let lines: Vec<Value> = lines
            .into_iter()
            .map(|(from, to, count)| json!({ "from_us": from / 1000, "to_us": to / 1000, "count": count }))
            .collect();
        let mut object = self.settings.clone();
        let fields = json!({
            "name": self.label,
            "seconds": seconds,
            "records": records,
            "records_in_all": tally.total.records,
            "requests": tally.requests,
            "records_per_s": per_s(records, seconds),
            "mb_per_s": per_s(value_bytes, seconds) / 1e6,
            "latency_of": self.latency_of,
            "latency_us": latency_us(&tally.latencies),
            "latency_histogram": lines,
            "errors": tally.errors,
            "unanswered": tally.unanswered,
            "bench_cpu_s": cpu,
        });
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        object.extend(self.more.iter().map(|(_, name, value)| ((*name).to_owned(), json!(value))));
        Value::Object(object)
    }

    fn cells(&self) -> Vec<String> {
        let Self { tally, span, .. } = self;
        let seconds = span.measured.as_secs_f64();
        let Got { records, value_bytes, .. } = tally.measured;
        let ms = |ns: u64| format!("{:.3}", float(ns) / 1e6);
        let mut cells = vec![
            self.label.clone(),
            format!("{:.0}", per_s(records, seconds)),
            format!("{:.2}", per_s(value_bytes, seconds) / 1e6),
        ];
        cells.extend([500, 990, 999].map(|per_mille| ms(tally.latencies.quantile(per_mille))));
        cells.push(ms(tally.latencies.max()));
        cells.extend(self.more.iter().map(|(_, _, value)| figure(*value)));
        cells.push(tally.failures().to_string());
        cells
    }

    /// What a reader must know beside the figures.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> =
            self.tally.errors.iter().map(|(what, count)| format!("{count} x {what}")).collect();
        if self.tally.unanswered > 0 {
            notes.push(format!("{} requests were not answered", self.tally.unanswered));
        }
        let (busy, all) = (self.span.cpu.unwrap_or_default().as_secs_f64(), self.span.measured.as_secs_f64());
        if busy > 0.95 * all && all > 0.5 {
            notes.push("the load generator used all of its processor: it may be what limits".to_owned());
        }
        notes.into_iter().map(|note| format!("{}: {note}", self.label)).collect()
    }
}

fn latency_us(latencies: &Histogram) -> Value {
    let us = |per_mille| float(latencies.quantile(per_mille)) / 1e3;
    json!({
        "p50": us(500), "p90": us(900), "p99": us(990), "p999": us(999),
        "max": float(latencies.max()) / 1e3, "count": latencies.count(),
    })
}

/// Prints one run with its latencies, or several in one table.
///
/// # Errors
/// Standard output can't be written; requests failed or were not answered, once all is printed.
pub(crate) fn print(output: &Output, outcomes: &[Outcome]) -> Result<()> {
    print_with(output, outcomes, |_| Ok(()))
}

/// As [`print()`], with what `summary` writes below the table.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_with(
    output: &Output,
    outcomes: &[Outcome],
    summary: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let json = match outcomes {
        [one] => one.json(),
        several => json!({ "runs": several.iter().map(Outcome::json).collect::<Vec<_>>() }),
    };
    output.value(&json, |out| {
        table(out, outcomes)?;
        summary(out)
    })?;
    crate::output::finish()?;
    let failures: u64 = outcomes.iter().map(|o| o.tally.failures()).sum();
    let unanswered: u64 = outcomes.iter().map(|o| o.tally.unanswered).sum();
    if failures + unanswered > 0 {
        bail!("{failures} requests failed, {unanswered} were not answered");
    }
    Ok(())
}

fn table(out: &mut dyn Write, outcomes: &[Outcome]) -> io::Result<()> {
    let Some(first) = outcomes.first() else { return Ok(()) };
    if outcomes.len() == 1 {
        writeln!(out, "{}\n", first.about)?;
    }
    let mut headings = vec!["run", "records/s", "MB/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];
    headings.extend(first.more.iter().map(|(heading, ..)| *heading));
    headings.push("errors");
    let mut table = Table::new(&headings);
    outcomes.iter().for_each(|outcome| table.row(outcome.cells()));
    table.write(out)?;
    if outcomes.len() == 1 {
        writeln!(out, "\nlatency of {}", first.latency_of)?;
        histogram(out, &first.tally.latencies)?;
    }
    for note in outcomes.iter().flat_map(Outcome::notes) {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

fn histogram(out: &mut dyn Write, latencies: &Histogram) -> io::Result<()> {
    for (from, to, count) in latencies.by_powers_of_two() {
        let share = float(count) / float(latencies.count());
        let bar: String =
            std::iter::repeat_n('#', (0..40).filter(|at| f64::from(*at) < share * BAR).count()).collect();
        let line =
            format!("{:>9} to {:>9}  {count:>10}  {:>5.1} %  {bar}", span(from), span(to), share * 100.0);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A bound of the histogram.
fn span(ns: u64) -> String {
    match ns {
        0 => "0".to_owned(),
        1..1_000_000 => format!("{} us", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} ms", float(ns) / 1e6),
        _ => format!("{:.1} s", float(ns) / 1e9),
    }
}

/// Four digits or so.
fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}
