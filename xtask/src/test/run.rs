//! Runs a step: its commands in turn, output into a file, under a time limit, and what came of it into the report.
//!
//! Every command runs under `timeout`, which ends all that it started, and under `setpriv --pdeathsig`, so that ctrl-C
//! here ends it too: no test's broker outlives the tests.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::counts::{Counts, counts};
use super::steps::Step;

/// Lines of output shown of a failure that is not the first.
const TAIL_LINES: usize = 30;
/// A line that is shown although its step passed: something was not looked at.
const LOUD: &str = "NOT CHECKED";
/// What `timeout` exits with when the time was up.
const TIMED_OUT: i32 = 124;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// What it needs had failed.
    NotRun,
}

#[derive(Debug)]
struct Line {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
    tests: Option<Counts>,
}

/// What became of all steps; prints as the closing table.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    loud: Vec<String>,
}

/// Where steps run and leave their output.
pub(super) struct Runner {
    root: PathBuf,
    logs: PathBuf,
    this_program: PathBuf,
}

impl Runner {
    /// # Errors
    /// When the directory for output cannot be made.
    pub(super) fn new(root: &Path) -> anyhow::Result<Runner> {
        let logs = root.join("target").join("xtask-test");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        Ok(Runner { root: root.to_owned(), logs, this_program: std::env::current_exe()? })
    }

    /// Runs one step, unless what it needs has failed.
    ///
    /// # Errors
    /// When its output cannot be kept; a failed step is no error here.
    pub(super) fn run(&self, step: &Step, report: &mut Report) -> anyhow::Result<()> {
        if step
            .needs
            .is_some_and(|need| report.outcome_of(need).is_some_and(|outcome| outcome != Outcome::Passed))
        {
            println!("{:13} not run: it needs {}", step.name, step.needs.unwrap_or_default());
            report.lines.push(Line {
                name: step.name,
                outcome: Outcome::NotRun,
                took: Duration::ZERO,
                tests: None,
            });
            return Ok(());
        }
        print!("{:13} ", step.name);
        std::io::stdout().flush()?;
        let log = self.logs.join(format!("{}.log", step.name));
        let begin = Instant::now();
        let outcome = self.run_commands(step, &log)?;
        let took = begin.elapsed();
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let tests = counts(&output);
        println!("{}", brief(outcome, took, tests));
        if outcome == Outcome::Failed {
            show_failure(&output, &log, report.failed() == 0);
        }
        report.loud.extend(output.lines().filter(|line| line.contains(LOUD)).map(str::to_owned));
        report.lines.push(Line { name: step.name, outcome, took, tests });
        Ok(())
    }

    fn run_commands(&self, step: &Step, log: &Path) -> anyhow::Result<Outcome> {
        let mut output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let end = Instant::now() + Duration::from_secs(step.minutes_max * 60);
        for command in step.commands {
            writeln!(
                output,
                "{}$ {}",
                if command.dir == "." { "" } else { command.dir },
                command.words.join(" ")
            )?;
            let seconds = end.saturating_duration_since(Instant::now()).as_secs().max(1).to_string();
            let (first, rest) = command.words.split_first().context("a step without words")?;
            let program = if *first == "xtask" { self.this_program.as_os_str() } else { first.as_ref() };
            let mut wrapped = Command::new("setpriv");
            wrapped
                .args(["--pdeathsig", "TERM", "timeout", "--kill-after=30", &seconds])
                .arg(program)
                .args(rest);
            without_cargos_own(&mut wrapped);
            let wrapped = wrapped.current_dir(self.root.join(command.dir)).stdin(Stdio::null());
            let status = wrapped.stdout(output.try_clone()?).stderr(output.try_clone()?).status();
            let status = status.context("running setpriv (Debian: util-linux)")?;
            if status.code() == Some(TIMED_OUT) {
                writeln!(output, "ended: {} took more than {} minutes", step.name, step.minutes_max)?;
            }
            if !status.success() {
                writeln!(output, "{first}: {status}")?;
                return Ok(Outcome::Failed);
            }
        }
        Ok(Outcome::Passed)
    }
}

/// Takes out what `cargo run` put into the environment for this program: it would make cargo build things anew whose build
/// scripts look at it.
fn without_cargos_own(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if own.iter().any(|prefix| name.starts_with(prefix)) || name == "LD_LIBRARY_PATH" || name == "OUT_DIR"
        {
            command.env_remove(name);
        }
    }
}

fn show_failure(output: &str, log: &Path, whole: bool) {
    let lines: Vec<&str> = output.lines().collect();
    let from = if whole { 0 } else { lines.len().saturating_sub(TAIL_LINES) };
    println!("----");
    for line in &lines[from..] {
        println!("{line}");
    }
    println!("---- {}", log.display());
}

fn brief(outcome: Outcome, took: Duration, tests: Option<Counts>) -> String {
    let outcome = match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::NotRun => "not run",
    };
    let tests = tests.map_or(String::new(), |t| {
        let also = |n: u64, what: &str| if n == 0 { String::new() } else { format!(", {n} {what}") };
        format!("   {} tests{}{}", t.passed + t.failed, also(t.failed, "failed"), also(t.skipped, "skipped"))
    });
    format!("{outcome:8} {:7.1} s{tests}", took.as_secs_f64())
}

impl Report {
    fn outcome_of(&self, name: &str) -> Option<Outcome> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.outcome)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.lines.iter().filter(|line| line.outcome == outcome).count()
    }

    /// How many steps have failed.
    pub(super) fn failed(&self) -> usize {
        self.count(Outcome::Failed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{:13} {}", line.name, brief(line.outcome, line.took, line.tests))?;
        }
        let total: Duration = self.lines.iter().map(|line| line.took).sum();
        writeln!(f, "{:13} {:8} {:7.1} s", "all", "", total.as_secs_f64())?;
        for line in &self.loud {
            writeln!(f, "{line}")?;
        }
        write!(f, "{} passed, {} failed", self.count(Outcome::Passed), self.failed())?;
        match self.count(Outcome::NotRun) {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}
