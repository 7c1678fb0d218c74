//! `takhin bench preset batcher` and `versus-single`: the library `batch` alone, without a broker.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use batch::{
    Backend, Batcher, PolicyName, Settings,
    batcher::{Appended, Record},
};
use env::Instant;
use serde_json::Map;

use super::{
    args::PresetArgs,
    load::Length,
    logs::{Cached, Durable, Nowhere},
    payload::{Dice, Payload},
    preset, produce,
    report::Outcome,
    run::Span,
    schedule::float,
    tally::{Got, Phase, Tally},
};

/// Bytes of a value.
const VALUE_BYTES: usize = 1 << 10;
/// Different values.
const VALUES: usize = 256;
/// Partitions of `batcher`.
const PARTITIONS: i32 = 16;
/// Records of the batches of `versus-single`.
const BATCHES: [usize; 3] = [10, 100, 1000];
/// Comparisons of a batch with as many single appends, at least.
const ROUNDS_MIN: u32 = 5;

/// The settings of `batcher`: records and bytes of a batch at most, and who chooses within that.
const SETTINGS: [(&str, usize, usize, Option<PolicyName>); 5] = [
    ("small", 10, 10 << 10, None),
    ("medium", 100, 100 << 10, None),
    ("large", 1000, 1 << 20, None),
    ("adaptive", 1000, 1 << 20, Some(PolicyName::Company)),
    ("adaptive, throughput", 1000, 1 << 20, Some(PolicyName::Throughput)),
];

fn values() -> Result<Vec<Record>> {
    let mut dice = Dice::new(produce::seed()?);
    let value = |_| Record { value: Some(Payload::Json.value(&mut dice, VALUE_BYTES)), ..Record::default() };
    Ok((0..VALUES).map(value).collect())
}

/// Each setting for as long as the length says; batches are encoded and thrown away.
///
/// # Errors
/// A batch can't be encoded.
pub(crate) fn batcher(length: &Length) -> Result<Vec<Outcome>> {
    let values = values()?;
    let one = |(name, max_size, max_bytes, policy): (&str, usize, usize, Option<PolicyName>)| {
        let settings = Settings {
            max_size,
            max_bytes,
            is_adaptive: policy.is_some(),
            policy: policy.unwrap_or(PolicyName::Company),
            ..Settings::default()
        };
        batch_up(name, settings, &values, length)
    };
    SETTINGS.into_iter().map(one).collect()
}

fn batch_up(name: &str, settings: Settings, values: &[Record], length: &Length) -> Result<Outcome> {
    let (mut batcher, mut nowhere, mut tally) =
        (Batcher::new(settings)?, Nowhere::default(), Tally::default());
    let (started, warm_up) = (Instant::now(), length.warm_up);
    let end = warm_up + length.measured.unwrap_or_default();
    let (mut began, mut entries_before, mut added) = (None, 0, 0_usize);
    let mut now = Duration::ZERO;
    while now < end {
        if began.is_none() && now >= warm_up {
            (began, entries_before) = (Some(now), nowhere.entries);
            tally.enter(Phase::Measured);
        }
        let partition = i32::try_from(added % PARTITIONS.unsigned_abs() as usize)?;
        let due = batcher.add(partition, values[added % values.len()].clone(), (), now)?;
        added += 1;
        while due.is_due()
            && let Some(batch) = batcher.take_due(now)
        {
            let records = batch.records;
            let clock = || started.elapsed();
            let answers =
                batcher.process(batch, clock, |partition, items| nowhere.append_batch(partition, items));
            if let Some((_, Err(error))) = answers.into_iter().next() {
                bail!("a batch could not be encoded: {error}");
            }
            tally.took(started.elapsed().saturating_sub(now));
            tally.answered(got(records));
        }
        now = started.elapsed();
    }
    let measured = now.saturating_sub(began.unwrap_or(now));
    let flushes = nowhere.entries - entries_before;
    let more = vec![
        ("flushes", "flushes", float(flushes)),
        ("records/flush", "records_per_flush", float(tally.measured.records) / float(flushes.max(1))),
        ("target", "target_batch_size", float(batcher.stats().target_batch_size as u64)),
    ];
    Ok(outcome(name, "a batch, from when it was due until it was encoded", measured, tally, more))
}

/// Batches against single appends, in turn, so that what happens to the machine happens to both.
///
/// # Errors
/// The disk refuses.
pub(crate) fn versus_single(arguments: &PresetArgs, length: &Length) -> Result<Vec<Outcome>> {
    let values = values()?;
    preset::with_work_dir(arguments, |dir| {
        all_sizes(dir, &values, length).with_context(|| format!("in {}", dir.display()))
    })
}

fn all_sizes(dir: &Path, values: &[Record], length: &Length) -> Result<Vec<Outcome>> {
    let mut durable = Durable::create(&dir.join("durable"))?;
    let mut outcomes = Vec::new();
    for records in BATCHES {
        outcomes.extend(versus("durable", &mut durable, records, values, length)?);
    }
    let mut cached = Cached::create(&dir.join("cached"))?;
    for records in BATCHES {
        outcomes.extend(versus("not durable", &mut cached, records, values, length)?);
    }
    Ok(outcomes)
}

/// So many records one by one, and in one batch.
fn versus(
    how: &str,
    log: &mut impl Backend<i32, Record, Error = anyhow::Error>,
    records: usize,
    values: &[Record],
    length: &Length,
) -> Result<[Outcome; 2]> {
    let batch: Vec<Record> = values.iter().cycle().take(records).cloned().collect();
    let (mut single, mut batched) = (Tally::default(), Tally::default());
    let (mut single_took, mut batched_took) = (Duration::ZERO, Duration::ZERO);
    let (mut rounds, mut since, mut is_measured) = (0, Instant::now(), false);
    let measured = length.measured.unwrap_or_default();
    while !is_measured || rounds < ROUNDS_MIN || since.elapsed() < measured {
        if !is_measured && since.elapsed() >= length.warm_up {
            (rounds, since, is_measured) = (0, Instant::now(), true);
            (single_took, batched_took) = (Duration::ZERO, Duration::ZERO);
            [&mut single, &mut batched].into_iter().for_each(|tally| tally.enter(Phase::Measured));
        }
        for record in &batch {
            single_took += timed(&mut single, 1, || log.append(&0, record))?;
        }
        batched_took += timed(&mut batched, records, || log.append_batch(&0, &batch))?;
        rounds += 1;
    }
    let median_us =
        |tally: &Tally, records: usize| float(tally.latencies.quantile(500)) / 1e3 / float(records as u64);
    let (one_us, many_us) = (median_us(&single, 1), median_us(&batched, records));
    let label = |what: &str| format!("{records} x 1 KiB, {how}, {what}");
    let more = |us: f64| {
        vec![("us/record", "us_per_record", us), ("times as fast", "times_as_fast_as_single", one_us / us)]
    };
    let about = "an append";
    Ok([
        outcome(&label("one by one"), about, single_took, single, more(one_us)),
        outcome(&label("one batch"), about, batched_took, batched, more(many_us)),
    ])
}

fn timed(tally: &mut Tally, records: usize, append: impl FnOnce() -> Result<Appended>) -> Result<Duration> {
    let began = Instant::now();
    append()?;
    let took = began.elapsed();
    tally.took(took);
    tally.answered(got(records));
    Ok(took)
}

fn got(records: usize) -> Got {
    let records = records as u64;
    Got { records, value_bytes: records * VALUE_BYTES as u64, batches: 1, wire_bytes: 0 }
}

fn outcome(
    label: &str,
    latency_of: &'static str,
    measured: Duration,
    tally: Tally,
    more: Vec<(&'static str, &'static str, f64)>,
) -> Outcome {
    let settings = Map::from_iter([("record_bytes".to_owned(), VALUE_BYTES.into())]);
    // The processor is what is measured here, not what may be in the way.
    let span = Span { measured, cpu: None };
    Outcome { label: label.to_owned(), about: label.to_owned(), settings, span, tally, latency_of, more }
}
