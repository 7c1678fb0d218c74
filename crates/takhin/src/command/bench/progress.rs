//! A line each second on standard error, when a person looks at it.

use std::io::{self, IsTerminal, Write};

use super::{schedule::float, tally::Tally};

/// What the lines are about.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    is_shown: bool,
    seconds: u64,
}

impl Progress {
    /// Lines that begin with `label`.
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), is_shown: io::stderr().is_terminal(), seconds: 0 }
    }

    /// A second is over: says what happened in it, and forgets it.
    pub(crate) fn tick(&mut self, tally: &mut Tally) {
        self.seconds += 1;
        if self.is_shown {
            let latencies = &tally.lately_latencies;
            let ms = |per_mille| float(latencies.quantile(per_mille)) / 1e6;
            let (got, failures) = (tally.lately, tally.failures());
            let mb = float(got.value_bytes) / 1e6;
            // A closed standard error is nobody's fault.
            let _ = writeln!(
                io::stderr().lock(),
                "{} {:>4} s  {:>9} records/s  {mb:>8.2} MB/s  p50 {:.3} ms  p99 {:.3} ms  {failures} errors",
                self.label,
                self.seconds,
                got.records,
                ms(500),
                ms(990),
            );
        }
        tally.forget_lately();
    }
}
