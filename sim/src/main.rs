//! `cargo run --release -p sim -- wal --seeds 100000`: the long form of the simulations. See the library's head.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Parser, Subcommand};
use sim::wal::Outcome;
use storage::wal::Planted;

#[derive(Parser)]
#[command(about = "Simulations from seeds, on a disk that fails wherever it may")]
struct Arguments {
    #[command(subcommand)]
    simulation: Simulation,
}

#[derive(Subcommand)]
enum Simulation {
    /// The write-ahead log and its recovery.
    Wal {
        /// How many seeds to run.
        #[arg(long, default_value_t = 300)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Threads to run them on.
        #[arg(long, default_value_t = 1)]
        threads: u64,
        /// A mistake to make, as named in `storage::wal::Planted`.
        #[arg(long)]
        planted: Option<String>,
    },
}

fn main() -> ExitCode {
    let Simulation::Wal { seeds, from, threads, planted } = Arguments::parse().simulation;
    let planted = match planted {
        None => None,
        Some(name) => match Planted::ALL.into_iter().find(|mistake| format!("{mistake:?}") == name) {
            Some(mistake) => Some(mistake),
            None => {
                eprintln!("no mistake is called {name}; there are {:?}", Planted::ALL);
                return ExitCode::FAILURE;
            }
        },
    };
    let (total, failed) = run_all(from, from.saturating_add(seeds), threads.max(1), planted);
    println!("{seeds} seeds from {from}: {failed} failed; {total:?}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the seeds from `from` up to but without `to`, and prints those that fail.
fn run_all(from: u64, to: u64, threads: u64, planted: Option<Planted>) -> (Outcome, u64) {
    let next = Arc::new(AtomicU64::new(from));
    let results = Arc::new(Mutex::new((Outcome::default(), 0)));
    let worker = {
        let results = results.clone();
        move || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= to {
                    return;
                }
                let outcome = sim::wal::run(seed, planted);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(outcome) => results.0 += outcome,
                    Err(broken) => {
                        results.1 += 1;
                        println!("seed {seed}: {broken}");
                    }
                }
            }
        }
    };
    let others: Vec<_> = (1..threads).map(|_| env::spawn_thread("sim", worker.clone())).collect();
    worker();
    let panicked = others.into_iter().filter_map(Result::ok).filter_map(|thread| thread.join().err()).count();
    let (total, failed) = *results.lock().unwrap_or_else(PoisonError::into_inner);
    (total, failed + panicked as u64)
}
