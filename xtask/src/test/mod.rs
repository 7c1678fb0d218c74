//! `cargo xtask test`: installs what the tests need and passes all of them, from a clean clone.
//!
//! One table of named steps, run one after the other, each with a time limit; a failed step does not keep later ones from
//! running, unless they need what it makes. The first failure's output is shown whole. Everything ends with a table, and
//! the last line is `N passed, N failed`, counted in steps.
//!
//! The steps share one target directory and one profile, so that clippy and rustdoc use the same checked dependencies
//! and nothing is built twice.

mod counts;
#[cfg(test)]
mod counts_test;
mod run;
#[cfg(test)]
mod run_test;
mod steps;
#[cfg(test)]
mod steps_test;

use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use run::{Report, Runner};
use steps::{STEPS, Step};

/// Runs the steps named in `only`, or all of them when none is. The closing line says what failed, so no error
/// message follows it.
///
/// # Errors
/// When a name is none of a step, or output cannot be kept.
pub(crate) fn run(root: &Path, only: &[&str]) -> anyhow::Result<ExitCode> {
    let chosen = chosen(only)?;
    let runner = Runner::new(root)?;
    let mut report = Report::default();
    for step in chosen {
        runner.run(step, &mut report)?;
    }
    println!("\n{report}");
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the steps' names and what each holds.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:13} {}", step.name, step.says);
    }
}

fn chosen(only: &[&str]) -> anyhow::Result<Vec<&'static Step>> {
    for name in only {
        ensure!(
            STEPS.iter().any(|step| step.name == *name),
            "no step is named {name}: see cargo xtask test --list"
        );
    }
    Ok(STEPS.iter().filter(|step| only.is_empty() || only.contains(&step.name)).collect())
}
