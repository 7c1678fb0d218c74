//! `cargo run --release -p sim -- storage --seeds 1000000`: the long form of the simulations. See the library's head.

use std::fmt::Debug;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, Parser, Subcommand};

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
    /// All of storage: WAL, tails, cuts, segments, checkpoint, retention, deletion.
    Storage(Seeds),
    /// The adaptive wait of a commit against every fixed one, over twelve loads.
    Batching,
    /// Consumer groups on a broker that dies.
    Groups(Seeds),
    /// Three voters that replicate a shard.
    Cluster(Seeds),
}

#[derive(Args)]
struct Seeds {
    /// How many seeds to run.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Threads to run them on.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// A mistake to make, as named in the simulated room's `Planted`.
    #[arg(long)]
    planted: Option<String>,
}

fn main() -> ExitCode {
    match Arguments::parse().simulation {
        Simulation::Wal(seeds) => run_all(&seeds, &storage::wal::Planted::ALL, sim::wal::run),
        Simulation::Storage(seeds) => run_all(&seeds, &storage::Planted::ALL, sim::storage::run),
        Simulation::Batching => {
            print!(
                "{}",
                sim::batching::table(&sim::batching::loads().map(|load| sim::batching::run(load, None)))
            );
            ExitCode::SUCCESS
        }
        Simulation::Groups(seeds) => run_all(&seeds, &sim::groups::Mistake::all(), sim::groups::run),
        Simulation::Cluster(seeds) => run_all(&seeds, &sim::cluster::Mistake::all(), sim::cluster::run),
    }
}

/// Runs the seeds, prints those that fail, and what all of them did.
fn run_all<P, O>(arguments: &Seeds, mistakes: &[P], run: fn(u64, Option<P>) -> Result<O, String>) -> ExitCode
where
    P: Copy + Debug + Send + 'static,
    O: AddAssign + Default + Debug + Send + 'static,
{
    let Seeds { seeds, from, threads, planted } = arguments;
    let named = |name: &String| mistakes.iter().find(|mistake| format!("{mistake:?}") == *name).copied();
    let mistake = planted.as_ref().and_then(named);
    if let (Some(name), None) = (planted, mistake) {
        eprintln!("no mistake is called {name}; there are {mistakes:?}");
        return ExitCode::FAILURE;
    }
    let next = Arc::new(AtomicU64::new(*from));
    let to = from.saturating_add(*seeds);
    let results = Arc::new(Mutex::new((O::default(), 0)));
    let worker = {
        let results = results.clone();
        move || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= to {
                    return;
                }
                let outcome = run(seed, mistake);
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
    let others: Vec<_> = (1..*threads).map(|_| env::spawn_thread("sim", worker.clone())).collect();
    worker();
    let panicked = others.into_iter().filter_map(Result::ok).filter_map(|thread| thread.join().err()).count();
    let (total, failed) = &*results.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = failed + panicked;
    println!("{seeds} seeds from {from}: {failed} failed; {total:?}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
