//! `cargo run --release -p sim -- wal --seeds 100000`: the long form of the simulations. See the library's head.

use std::fmt::Debug;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, Parser, Subcommand};
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
    Wal(Seeds),
    /// Three voters that replicate a shard.
    Cluster(Seeds),
}

#[derive(Args)]
struct Seeds {
    /// How many seeds to run.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Threads to run them on.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// A mistake to make, as named in the simulation's list of them.
    #[arg(long)]
    planted: Option<String>,
}

fn main() -> ExitCode {
    match Arguments::parse().simulation {
        Simulation::Wal(seeds) => seeds.run(&Planted::ALL, sim::wal::run),
        Simulation::Cluster(seeds) => seeds.run(&sim::cluster::Mistake::all(), sim::cluster::run),
    }
}

impl Seeds {
    /// Runs them, and says what came of it.
    fn run<M, O>(&self, mistakes: &[M], run: fn(u64, Option<M>) -> Result<O, String>) -> ExitCode
    where
        M: Copy + Debug + Send + 'static,
        O: Default + Debug + AddAssign + Copy + Send + 'static,
    {
        let planted = match &self.planted {
            None => None,
            Some(name) => match mistakes.iter().find(|mistake| format!("{mistake:?}") == *name) {
                Some(mistake) => Some(*mistake),
                None => {
                    eprintln!("no mistake is called {name}; there are {mistakes:?}");
                    return ExitCode::FAILURE;
                }
            },
        };
        let to = self.from.saturating_add(self.seeds);
        let (total, failed) = run_all(self.from, to, self.threads.max(1), move |seed| run(seed, planted));
        println!("{} seeds from {}: {failed} failed; {total:?}", self.seeds, self.from);
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs the seeds from `from` up to but without `to`, and prints those that fail.
fn run_all<O>(
    from: u64,
    to: u64,
    threads: u64,
    run: impl Fn(u64) -> Result<O, String> + Clone + Send + 'static,
) -> (O, u64)
where
    O: Default + AddAssign + Copy + Send + 'static,
{
    let next = Arc::new(AtomicU64::new(from));
    let results = Arc::new(Mutex::new((O::default(), 0)));
    let worker = {
        let results = results.clone();
        move || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= to {
                    return;
                }
                let outcome = run(seed);
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
