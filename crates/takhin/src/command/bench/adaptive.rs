//! `takhin bench preset adaptive`: is what the broker does by itself as good as the best fixed setting of each load?
//!
//! Each setting gets a broker of its own, of this executable, with an empty data directory; the brokers have one half of the
//! processors and the producers the other. All settings take turns at a load, there and back again, `--rounds` times; whose turn it
//! is not is paused. What is told of a setting is the median of its turns, each as a share of what the settings of that pass came
//! to: drift of the machine hits all alike. What was stored is read back once, to see how it was stored.
//!
//! `medium` has the values of `default`: how far the two are apart says what the machine's noise is.

use std::{
    io::{self, Write},
    path::Path,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use batch::loads::{LOADS, Load as NamedLoad};
use client::{Client, Options};
use env::{
    child::OwnChild,
    disk::{Disk, RealDisk},
    machine::Processors,
};

use super::{
    args::PresetArgs,
    consume,
    load::{Length, Load},
    preset, produce,
    reader::Ask,
    report::Outcome,
    schedule::float,
};
use crate::output::Table;

/// How a broker is set up.
struct Setting {
    name: &'static str,
    /// What differs from the defaults.
    keys: &'static [&'static str],
}

/// What is compared: the defaults first.
const SETTINGS: [Setting; 8] = [
    Setting { name: "default", keys: &[] },
    Setting { name: "small", keys: &["kafka.batch.max.size=10", "kafka.batch.max.bytes=102400"] },
    Setting { name: "medium", keys: &["kafka.batch.max.size=1000", "kafka.batch.max.bytes=1048576"] },
    Setting { name: "large", keys: &["kafka.batch.max.size=5000", "kafka.batch.max.bytes=10485760"] },
    Setting { name: "no-wait", keys: &["kafka.batch.linger.ms=0"] },
    Setting { name: "wait-1ms", keys: &["kafka.batch.adaptive.enabled=false", "kafka.batch.linger.ms=1"] },
    Setting { name: "wait-5ms", keys: &["kafka.batch.adaptive.enabled=false", "kafka.batch.linger.ms=5"] },
    Setting {
        name: "off",
        keys: &["kafka.batch.adaptive.enabled=false", "kafka.batch.linger.ms=0", "kafka.batch.max.size=1"],
    },
];
/// Tails have been written into segments after so long: `kafka.batch.tail.max.ms` and some.
const SETTLED: Duration = Duration::from_millis(1500);
/// Reading back takes no longer; what was read until then is enough to see how it is stored.
const READ_MAX: Duration = Duration::from_secs(20);
/// Names of what a setting is behind by.
const BEHIND: [&str; 3] =
    ["behind_best_mean_percent", "behind_best_p99_percent", "behind_best_stored_percent"];
/// How it is read back.
const ASK: Ask =
    Ask { answer_bytes: 50 << 20, partition_bytes: 1 << 20, wait_ms: consume::WAIT_MS, again: false };

/// Runs every load against every setting.
///
/// # Errors
/// A broker can't be started; what it says.
pub(crate) fn measure(arguments: &PresetArgs, length: &Length) -> Result<Vec<Outcome>> {
    let all = Processors::of_this_thread()?;
    let measured = preset::with_work_dir(arguments, |dir| all_loads(arguments, dir, length, &all));
    all.bind_this_thread()?;
    measured
}

fn all_loads(
    arguments: &PresetArgs,
    dir: &Path,
    length: &Length,
    processors: &Processors,
) -> Result<Vec<Outcome>> {
    RealDisk.create_dir_all(dir)?;
    let halves = processors.halves();
    if let Some((_, of_brokers)) = &halves {
        of_brokers.bind_this_thread()?;
    }
    let start = |setting: &'static Setting| Contender::start(setting, &dir.join(setting.name));
    let mut contenders = SETTINGS.iter().map(start).collect::<Result<Vec<_>>>()?;
    if let Some((of_producers, _)) = &halves {
        of_producers.bind_this_thread()?;
    }
    let mut outcomes = Vec::new();
    let is_wanted = |load: &&NamedLoad| arguments.loads.is_empty() || arguments.loads.contains(load);
    for load in LOADS.iter().filter(is_wanted) {
        outcomes.append(&mut of_load(take_turns(&mut contenders, load, length, arguments.rounds)?));
    }
    for contender in &mut contenders {
        contender.broker.stop().context("stopping a broker")?;
    }
    Ok(outcomes)
}

/// The turns of each setting at one load, in the order of time.
fn take_turns(
    contenders: &mut [Contender],
    load: &NamedLoad,
    length: &Length,
    rounds: u64,
) -> Result<Vec<Vec<Outcome>>> {
    let mut turns: Vec<Vec<Outcome>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for (contender, mine) in contenders.iter_mut().zip(&mut turns) {
            mine.push(contender.run(load, length, round == 0)?);
        }
        for (contender, mine) in contenders.iter_mut().zip(&mut turns).rev() {
            mine.push(contender.run(load, length, false)?);
        }
    }
    Ok(turns)
}

/// How far each setting is behind the best one over all loads: the mean and the worst, in percent.
///
/// # Errors
/// `out` can't be written.
pub(crate) fn write_summary(out: &mut dyn Write, outcomes: &[Outcome]) -> io::Result<()> {
    let mut table = Table::new(&["setting", "mean +%", "worst", "p99 +%", "worst", "stored +%", "worst"]);
    for (at, setting) in SETTINGS.iter().enumerate() {
        let mine = || outcomes.iter().skip(at).step_by(SETTINGS.len());
        let mut cells = vec![setting.name.to_owned()];
        for name in BEHIND {
            let behind: Vec<f64> = mine().filter_map(|outcome| outcome.more(name)).collect();
            let mean = behind.iter().sum::<f64>() / float(behind.len().max(1) as u64);
            let worst = behind.iter().copied().fold(0.0, f64::max);
            cells.extend([format!("{mean:.1}"), format!("{worst:.1}")]);
        }
        table.row(cells);
    }
    writeln!(
        out,
        "\nbehind the best setting of each load, mean and worst of {} loads",
        outcomes.len() / SETTINGS.len()
    )?;
    table.write(out)
}

/// A setting with its broker.
struct Contender {
    setting: &'static Setting,
    broker: OwnChild,
    client: Client,
}

impl Contender {
    fn start(setting: &'static Setting, dir: &Path) -> Result<Self> {
        let mut words = vec!["serve".to_owned(), "--data-dir".to_owned(), dir.display().to_string()];
        words.extend(["--port".to_owned(), "0".to_owned()]);
        let own =
            ["server.host=127.0.0.1", "metrics.enabled=false", "health.enabled=false", "logging.level=warn"];
        for key in own.iter().chain(setting.keys) {
            words.extend(["--set".to_owned(), (*key).to_owned()]);
        }
        let about = || format!("starting a broker with the setting {}", setting.name);
        let (broker, address) = OwnChild::start(&words, "listening on ").with_context(about)?;
        let options = Options { client_id: "takhin-bench".to_owned(), ..Options::default() };
        broker.pause()?;
        Ok(Self { setting, broker, client: Client::new(vec![address], options) })
    }

    fn run(&mut self, load: &NamedLoad, length: &Length, and_read: bool) -> Result<Outcome> {
        self.broker.resume()?;
        let ran = one(&mut self.client, load, self.setting, length, and_read)
            .with_context(|| format!("load {}, setting {}", load.name, self.setting.name))?;
        self.broker.pause()?;
        Ok(ran)
    }
}

/// Two runs of the same as one; how it was stored was read in the first.
fn both(mut first: Outcome, second: Outcome) -> Outcome {
    first.span.measured += second.span.measured;
    first.span.cpu = first.span.cpu.zip(second.span.cpu).map(|(first, second)| first + second);
    first.tally.absorb(&second.tally);
    first
}

/// One load, and how its records were stored.
fn one(
    client: &mut Client,
    named: &NamedLoad,
    setting: &Setting,
    length: &Length,
    and_read: bool,
) -> Result<Outcome> {
    let load = Load {
        rate: named.records_per_s.map(f64::from),
        ..preset::load(named.producers.into(), 1, named.record_bytes.into())
    };
    let label = format!("{} {}", named.name, setting.name);
    preset::with_topic(client, named.partitions, Vec::new(), |client, topic| {
        let mut outcome = produce::measure(client, topic.clone(), load, length, &label)?;
        if !and_read {
            return Ok(outcome);
        }
        env::task::park_timeout(SETTLED);
        let positions = consume::positions(client, &topic)?;
        let (read, _) = consume::read(client, &Rc::new(topic), &positions, 1, ASK, READ_MAX)?;
        let (records, batches) = (float(read.total.records.max(1)), float(read.total.batches.max(1)));
        outcome.tally.errors.extend(read.errors);
        outcome.more = vec![
            ("stored B/record", "stored_bytes_per_record", float(read.total.wire_bytes) / records),
            ("records/batch", "stored_records_per_batch", float(read.total.records) / batches),
        ];
        Ok(outcome)
    })
}

/// One outcome of each setting's turns, with how far it is behind the best one, in percent.
fn of_load(turns: Vec<Vec<Outcome>>) -> Vec<Outcome> {
    let mean = shares(&turns, |outcome| float(outcome.tally.latencies.mean()));
    let p99 = shares(&turns, |outcome| float(outcome.tally.latencies.quantile(990)));
    let mut outcomes: Vec<Outcome> =
        turns.into_iter().filter_map(|mine| mine.into_iter().reduce(both)).collect();
    let stored: Vec<f64> =
        outcomes.iter().map(|outcome| outcome.more.first().map_or(0.0, |(_, _, bytes)| *bytes)).collect();
    let figures = [("mean +%", mean), ("p99 +%", p99), ("stored +%", stored)];
    for ((heading, of_settings), name) in figures.into_iter().zip(BEHIND) {
        let best = of_settings.iter().copied().fold(f64::INFINITY, f64::min);
        for (outcome, value) in outcomes.iter_mut().zip(of_settings) {
            outcome.more.push((heading, name, percent_above(value, best)));
        }
    }
    outcomes
}

/// What each setting's turns came to: the median of their shares of what all settings' turns of the same pass came to.
fn shares(turns: &[Vec<Outcome>], figure: fn(&Outcome) -> f64) -> Vec<f64> {
    let passes = turns.iter().map(Vec::len).min().unwrap_or(0);
    let of_pass = |pass: usize| median(turns.iter().map(|mine| figure(&mine[pass])).collect());
    let of_passes: Vec<f64> = (0..passes).map(of_pass).collect();
    let share = |mine: &Vec<Outcome>| {
        median(mine.iter().zip(&of_passes).map(|(turn, of_pass)| figure(turn) / of_pass).collect())
    };
    turns.iter().map(share).collect()
}

/// The middle one, or between the two in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => 0.0,
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// By how many percent `more` is above `less`; 0 where there is nothing to compare with.
fn percent_above(more: f64, less: f64) -> f64 {
    if less > 0.0 { (more / less - 1.0) * 100.0 } else { 0.0 }
}

#[cfg(test)]
#[path = "adaptive_test.rs"]
mod adaptive_test;
