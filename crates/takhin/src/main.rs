//! The `takhin` binary: the broker's process, and the tools that talk to one.
//!
//! It holds what belongs to a process and to nobody else: the configuration, signals, the data
//! directory's owner, what is printed and the exit status. What a broker does is in crate `broker`.
//!
//! Exit status: 0 done, 1 failed, 2 used wrongly.

mod cli;
mod command;
mod config;
mod data_dir;
#[cfg(test)]
mod data_dir_test;
mod logging;
mod output;
mod progress;
mod serve;
mod signals;
mod started_with;

use std::process::ExitCode;

use clap::Parser;

/// Requests are many small allocations on one thread that other threads free.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse_from(cli::with_short_config(std::env::args_os()));
    match command::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(e) if output::is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            output::complain(&with_causes(&e));
            ExitCode::from(if e.is::<command::UsageError>() { 2 } else { 1 })
        }
    }
}

/// The error and its causes in one line; a cause that the text before it tells already is left out.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |mut told, cause| {
        if !told.ends_with(&cause) {
            let colon = if told.is_empty() { "" } else { ": " };
            told.push_str(colon);
            told.push_str(&cause);
        }
        told
    })
}
