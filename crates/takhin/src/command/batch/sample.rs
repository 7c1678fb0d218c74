//! The newest record batches of a topic, as a broker stores them: read, never written.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use client::{At, Client, Fetched};
use wire::record::{BatchError, BatchHeader, header::check_crc};

/// Partitions that are looked at, evenly chosen.
const PARTITIONS_MAX: usize = 16;
/// Records of a topic that are looked at, about.
const RECORDS_MAX: u64 = 100_000;
/// Bytes that are read at most, and at most one answer more.
const BYTES_MAX: usize = 16 << 20;
/// Nothing is waited for: what is asked for is there.
const WAIT: Duration = Duration::from_millis(100);

/// Whole record batches that follow each other in a partition.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) batches: Vec<(BatchHeader, Vec<u8>)>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Sample {
    /// One of each partition that was looked at.
    pub(super) runs: Vec<Run>,
    /// Partitions of the topic.
    pub(super) partitions: usize,
}

/// How far a partition is read.
#[derive(Clone, Copy)]
struct Reach {
    earliest: i64,
    next: i64,
    end: i64,
}

/// Reads the end of a topic.
///
/// # Errors
/// What the broker says; a batch that can't be read.
pub(super) fn take(client: &mut Client, topic: &str) -> Result<Sample> {
    let topics = client.topics()?;
    let Some(found) = topics.into_iter().find(|found| found.name == topic) else {
        bail!("there is no topic {topic}");
    };
    let partitions = found.partitions.len();
    let step = partitions.div_ceil(PARTITIONS_MAX).max(1);
    let chosen: Vec<i32> = found.partitions.iter().map(|partition| partition.index).step_by(step).collect();
    let mut reaches = BTreeMap::new();
    for partition in chosen {
        let mut offset = |at| client.offset(topic, partition, at).map(|offset| offset.unwrap_or(0));
        let (earliest, end) = (offset(At::Earliest)?, offset(At::Latest)?);
        reaches.insert(partition, Reach { earliest, next: earliest.max(end - 1), end });
    }
    let last = read(client, topic, reaches.clone())?;
    let runs = read(client, topic, back(reaches, &last))?;
    Ok(Sample { runs: runs.into_values().collect(), partitions })
}

/// Where to begin to read so that neither too many records nor too many bytes come, judged by the last batch of each partition.
fn back(reaches: BTreeMap<i32, Reach>, last: &BTreeMap<i32, Run>) -> BTreeMap<i32, Reach> {
    let count = reaches.len().max(1) as u64;
    let (records_each, bytes_each) = (RECORDS_MAX / count, BYTES_MAX as u64 / count);
    let from = |(partition, reach): (i32, Reach)| {
        let batches = last.get(&partition).map_or(&[][..], |run| &run.batches);
        let bytes: u64 = batches.iter().map(|(_, batch)| batch.len() as u64).sum();
        let records: u64 =
            batches.iter().map(|(header, _)| u64::from(header.record_count.unsigned_abs())).sum();
        let record_bytes = bytes.div_ceil(records.max(1)).max(1);
        let records = records_each.min(bytes_each / record_bytes).max(1);
        let next = reach.end.saturating_sub_unsigned(records).max(reach.earliest);
        (partition, Reach { next, ..reach })
    };
    reaches.into_iter().map(from).collect()
}

fn read(client: &mut Client, topic: &str, mut reaches: BTreeMap<i32, Reach>) -> Result<BTreeMap<i32, Run>> {
    let (mut runs, mut bytes) = (BTreeMap::<i32, Run>::new(), 0);
    loop {
        reaches.retain(|_, reach| reach.next < reach.end);
        if reaches.is_empty() || bytes >= BYTES_MAX {
            return Ok(runs);
        }
        let offsets = reaches.iter().map(|(partition, reach)| (*partition, reach.next)).collect();
        let mut came = 0;
        for Fetched { partition, records, .. } in client.fetch(topic, &offsets, WAIT)? {
            let Some(reach) = reaches.get_mut(&partition) else { continue };
            let from = reach.next;
            let about = || format!("partition {topic}-{partition} at offset {from}");
            for batch in client::whole_batches(&records) {
                let (header, batch) = batch.and_then(checked).with_context(about)?;
                reach.next = reach.next.max(header.last_offset().saturating_add(1));
                came += batch.len();
                runs.entry(partition).or_default().batches.push((header, batch));
            }
        }
        bytes += came;
        if came == 0 {
            // What was there has just been deleted: retention goes on while we look.
            return Ok(runs);
        }
    }
}

fn checked(batch: &[u8]) -> Result<(BatchHeader, Vec<u8>), BatchError> {
    check_crc(batch)?;
    Ok((BatchHeader::parse(batch)?, batch.to_vec()))
}
