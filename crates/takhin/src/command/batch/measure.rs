//! What a sample is like, and what it would become under other settings: found out by doing it.

use batch::merge::{CodecChoice, MergeOptions, Merger, PASSED_BYTES, Part};
use serde::Serialize;
use wire::record::{Codec, header::HEADER_BYTES};

use super::sample::{Run, Sample};

/// How record batches are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Batches of one record.
    pub(super) single_record_batches: u64,
    /// Producers with an id, that is idempotent or transactional ones.
    pub(super) producer_ids: u64,
    /// Kafka's names of the codecs.
    pub(super) codecs: Vec<&'static str>,
}

/// What a sample would take under some settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alternative {
    /// The settings, in words.
    pub(super) settings: &'static str,
    pub(super) batches: u64,
    pub(super) bytes: u64,
}

/// `kafka.batch.max.size`, as it comes.
const RECORDS_MAX: i32 = 1000;
/// What is tried: settings in words, the codec, the records of a batch at most.
const TRIED: [(&str, CodecChoice, i32); 6] = [
    ("Takhin's defaults", CodecChoice::Producers { of_uncompressed: Codec::None }, RECORDS_MAX),
    ("compression.type=snappy", CodecChoice::Always(Codec::Snappy), RECORDS_MAX),
    ("compression.type=lz4", CodecChoice::Always(Codec::Lz4), RECORDS_MAX),
    ("compression.type=gzip", CodecChoice::Always(Codec::Gzip), RECORDS_MAX),
    ("compression.type=zstd", CodecChoice::Always(Codec::Zstd), RECORDS_MAX),
    ("the same, kafka.batch.max.size=5000", CodecChoice::Always(Codec::Zstd), 5000),
];

/// How the batches of a sample are.
pub(super) fn shape(sample: &Sample) -> Shape {
    let mut shape = Shape::default();
    let (mut producers, mut codecs) = (std::collections::HashSet::new(), [false; Codec::ALL.len()]);
    for (header, batch) in sample.runs.iter().flat_map(|run| &run.batches) {
        shape.batches += 1;
        shape.records += u64::from(header.record_count.unsigned_abs());
        shape.bytes += batch.len() as u64;
        shape.single_record_batches += u64::from(header.record_count == 1);
        if header.has_producer_id() {
            producers.insert(header.producer_id);
        }
        if let Ok(codec) = header.codec() {
            codecs[codec as usize] = true;
        }
    }
    shape.producer_ids = producers.len() as u64;
    shape.codecs = Codec::ALL.into_iter().filter(|codec| codecs[*codec as usize]).map(Codec::name).collect();
    shape
}

/// True when merging has been at work already, or producers batch well: larger bounds would do nothing more.
fn is_large(sample: &Sample) -> bool {
    let Shape { batches, bytes, .. } = shape(sample);
    bytes >= batches * PASSED_BYTES as u64
}

/// What the sample would take, with tails that are stored after `tail_ms` milliseconds (`kafka.batch.tail.max.ms`).
pub(super) fn alternatives(sample: &Sample, tail_ms: i64) -> Vec<Alternative> {
    let mut merger = Merger::default();
    let mut tried = |&(settings, codec, records_max): &(&'static str, CodecChoice, i32)| {
        let options = MergeOptions { codec, records_max, ..MergeOptions::default() };
        let mut alternative = Alternative { settings, batches: 0, bytes: 0 };
        for cut in sample.runs.iter().flat_map(|run| cuts(run, tail_ms)) {
            store(&mut merger, &cut, &options, &mut alternative);
        }
        alternative
    };
    let worth_trying = |tried: &&(_, _, i32)| tried.2 == RECORDS_MAX || !is_large(sample);
    TRIED.iter().filter(worth_trying).map(&mut tried).collect()
}

/// What of a partition would have been stored together: by the batches' own timestamps, since nothing else says when they came.
fn cuts(run: &Run, tail_ms: i64) -> Vec<Vec<Part<'_>>> {
    let (mut cuts, mut began_at) = (Vec::<Vec<Part<'_>>>::new(), 0);
    for (header, batch) in &run.batches {
        let part = Part {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            leader_epoch: header.partition_leader_epoch,
            bytes: batch,
        };
        match cuts.last_mut() {
            Some(cut) if header.max_timestamp.abs_diff(began_at) <= tail_ms.unsigned_abs() => cut.push(part),
            _ => {
                began_at = header.max_timestamp;
                cuts.push(vec![part]);
            }
        }
    }
    cuts
}

fn store(merger: &mut Merger, cut: &[Part<'_>], options: &MergeOptions, into: &mut Alternative) {
    let mut rest = cut;
    while !rest.is_empty() {
        let stored = merger.next(rest, options);
        let (parts, behind) = rest.split_at(stored.parts);
        rest = behind;
        match stored.batch {
            Some(batch) => {
                into.batches += 1;
                into.bytes += batch.len() as u64;
            }
            None => {
                into.batches += parts.len() as u64;
                into.bytes += parts.iter().map(|part| part.bytes.len() as u64).sum::<u64>();
            }
        }
    }
}

/// How much of `bytes` is headers of `batches`, in percent.
pub(super) fn header_percent(batches: u64, bytes: u64) -> f64 {
    percent(batches * HEADER_BYTES as u64, bytes)
}

/// `part` of `whole` in percent; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    ratio(part, whole) * 100.0
}

/// `a` for each of `b`; 0 where there is none.
pub(super) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

#[cfg(test)]
#[path = "measure_test.rs"]
mod measure_test;
