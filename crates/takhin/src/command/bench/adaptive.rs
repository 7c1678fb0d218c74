//! `takhin bench preset adaptive`: is what the broker does by itself as good as the best fixed setting of each load?
//!
//! Each setting gets a broker of its own, of this executable, with an empty data directory. Each load is run against it twice,
//! and what was stored is read back, to see how it was stored.

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
};

use super::{
    args::PresetArgs,
    consume,
    load::{Length, Load, per_s},
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
    ["behind_best_records_per_s_percent", "behind_best_p99_percent", "behind_best_stored_percent"];
/// How it is read back.
const ASK: Ask =
    Ask { answer_bytes: 50 << 20, partition_bytes: 1 << 20, wait_ms: consume::WAIT_MS, again: false };

/// Runs every load against every setting, there and back again, so that drift of the machine hits all alike. Brokers whose turn it is
/// not have nothing to do.
///
/// # Errors
/// A broker can't be started; what it says.
pub(crate) fn measure(arguments: &PresetArgs, length: &Length) -> Result<Vec<Outcome>> {
    preset::with_work_dir(arguments, |dir| all_loads(dir, length))
}

fn all_loads(dir: &Path, length: &Length) -> Result<Vec<Outcome>> {
    RealDisk.create_dir_all(dir)?;
    let start = |setting: &'static Setting| Contender::start(setting, &dir.join(setting.name));
    let mut contenders = SETTINGS.iter().map(start).collect::<Result<Vec<_>>>()?;
    let mut outcomes = Vec::new();
    for load in &LOADS {
        let mut there = Vec::new();
        for contender in &mut contenders {
            there.push(contender.run(load, length)?);
        }
        let mut back = Vec::new();
        for contender in contenders.iter_mut().rev() {
            back.push(contender.run(load, length)?);
        }
        let pairs = there.into_iter().zip(back.into_iter().rev());
        let mut of_load: Vec<Outcome> = pairs.map(|(there, back)| both(there, back)).collect();
        compare(&mut of_load);
        outcomes.append(&mut of_load);
    }
    for contender in &mut contenders {
        contender.broker.stop().context("stopping a broker")?;
    }
    Ok(outcomes)
}

/// How far each setting is behind the best one over all loads: the mean and the worst, in percent.
///
/// # Errors
/// `out` can't be written.
pub(crate) fn write_summary(out: &mut dyn Write, outcomes: &[Outcome]) -> io::Result<()> {
    let mut table = Table::new(&["setting", "rate -%", "worst", "p99 +%", "worst", "stored +%", "worst"]);
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
    writeln!(out, "\nbehind the best setting of each load, mean and worst of {} loads", LOADS.len())?;
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
        Ok(Self { setting, broker, client: Client::new(vec![address], options) })
    }

    fn run(&mut self, load: &NamedLoad, length: &Length) -> Result<Outcome> {
        one(&mut self.client, load, self.setting, length)
            .with_context(|| format!("load {}, setting {}", load.name, self.setting.name))
    }
}

/// Two runs of the same as one.
fn both(mut there: Outcome, back: Outcome) -> Outcome {
    there.span.measured += back.span.measured;
    there.span.cpu = there.span.cpu.zip(back.span.cpu).map(|(there, back)| there + back);
    there.tally.absorb(&back.tally);
    for ((_, _, value), (_, _, other)) in there.more.iter_mut().zip(&back.more) {
        *value = f64::midpoint(*value, *other);
    }
    there
}

/// One load, and how its records were stored.
fn one(client: &mut Client, named: &NamedLoad, setting: &Setting, length: &Length) -> Result<Outcome> {
    let load = Load {
        rate: named.records_per_s.map(f64::from),
        ..preset::load(named.producers.into(), 1, named.record_bytes.into())
    };
    let label = format!("{} {}", named.name, setting.name);
    preset::with_topic(client, named.partitions, Vec::new(), |client, topic| {
        let mut outcome = produce::measure(client, topic.clone(), load, length, &label)?;
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

/// Adds how far each of a load's settings is behind the best one, in percent.
fn compare(of_load: &mut [Outcome]) {
    let rate = |outcome: &Outcome| per_s(outcome.tally.measured.records, outcome.span.measured.as_secs_f64());
    let p99 = |outcome: &Outcome| float(outcome.tally.latencies.quantile(990));
    let stored = |outcome: &Outcome| outcome.more.first().map_or(0.0, |(_, _, bytes)| *bytes);
    let best_rate = of_load.iter().map(rate).fold(0.0, f64::max);
    let best_p99 = of_load.iter().map(p99).fold(f64::INFINITY, f64::min);
    let best_stored = of_load.iter().map(stored).fold(f64::INFINITY, f64::min);
    for outcome in of_load {
        let [of_rate, of_p99, of_stored] = BEHIND;
        let behind = [
            ("rate -%", of_rate, percent_above(best_rate, rate(outcome))),
            ("p99 +%", of_p99, percent_above(p99(outcome), best_p99)),
            ("stored +%", of_stored, percent_above(stored(outcome), best_stored)),
        ];
        outcome.more.extend(behind);
    }
}

/// By how many percent `more` is above `less`; 0 where there is nothing to compare with.
fn percent_above(more: f64, less: f64) -> f64 {
    if less > 0.0 { (more / less - 1.0) * 100.0 } else { 0.0 }
}

#[cfg(test)]
#[path = "adaptive_test.rs"]
mod adaptive_test;
