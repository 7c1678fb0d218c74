//! `takhin bench`: a load generator for any Kafka broker, one thread, many connections.
//!
//! - `produce`, `consume`, `e2e` measure what the command line says; `preset` has the benchmarks of docs/bench.md.
//! - [`lane`] is a connection that writes, [`reader`] one that reads; [`mod@run`] is what they share and who watches them.
//! - [`batches`] are encoded before the run; [`schedule`] says when an open loop sends.
//! - [`tally`] counts, [`report`] prints.
//!
//! Invariant: a record is counted once its batch was acknowledged with a base offset, never before (acks 0 has no such
//! thing, and says so). In an open loop latency counts from the time that a request was due: a broker that stalls is
//! charged for everybody who had to wait.

mod adaptive;
pub(crate) mod args;
mod batches;
mod consume;
mod e2e;
mod histogram;
mod lane;
mod library;
mod load;
mod logs;
mod payload;
mod preset;
mod produce;
mod progress;
mod reader;
mod report;
mod run;
mod schedule;
mod tally;
mod topic;

use anyhow::Result;

use args::BenchCommand;

/// Runs `takhin bench`.
///
/// # Errors
/// Options that don't go together; what the broker says; that requests failed.
pub(crate) fn run(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Produce(arguments) => produce::run(arguments),
        BenchCommand::Consume(arguments) => consume::run(arguments),
        BenchCommand::E2e(arguments) => e2e::run(arguments),
        BenchCommand::Preset(arguments) => preset::run(arguments),
    }
}
