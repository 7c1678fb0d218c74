//! The project's own tasks: `cargo xtask <task>`.
//!
//! - `codegen [--check]`: messages and API table of crate `wire`, see [`codegen`].
//! - `check`: dependencies and invariants that the compiler cannot hold, see [`check`].
//! - `dependencies [ADVISORY-DB]`: licences and advisories of everything that is built in, see [`dependencies`].
//! - `micro`: nanoseconds and instructions a record of the pure parts (`benches/micro`).
//! - `test [--list | --only STEP ...]`: everything above and all tests, see [`mod@test`].

// A tool beside the stack: it reads and writes source files, and no simulation ever runs it.
#![allow(clippy::disallowed_methods)]

mod check;
mod codegen;
mod dependencies;
mod graph;
mod test;

use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask codegen [--check]
       cargo xtask check
       cargo xtask dependencies [ADVISORY-DB]
       cargo xtask micro
       cargo xtask test [--list | --only STEP ...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    match *arguments {
        ["codegen"] => codegen::write(&root())?,
        ["codegen", "--check"] => codegen::check(&root())?,
        ["check"] => check::run(&root())?,
        ["dependencies"] => dependencies::run(&root(), None)?,
        ["dependencies", database] => dependencies::run(&root(), Some(Path::new(database)))?,
        ["micro"] => return micro(),
        ["test", "--list"] => test::list(),
        ["test"] => return test::run(&root(), &[]),
        ["test", "--only", ref only @ ..] if !only.is_empty() => return test::run(&root(), only),
        _ => bail!("{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the micro-benchmarks, which Cargo builds as it builds the product.
fn micro() -> anyhow::Result<ExitCode> {
    let arguments = ["bench", "--quiet", "--locked", "--package", "xtask", "--bench", "micro"];
    let status = std::process::Command::new(env!("CARGO")).args(arguments).current_dir(root()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The workspace's directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace").to_owned()
}
