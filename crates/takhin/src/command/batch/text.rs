//! A topic, explained in a few lines.

use std::io::{self, Write};

use gateway::batching::OldReader;

use super::{
    Explained, Sampled, counted,
    measure::{header_percent, percent, ratio},
};
use crate::output::Table;

/// See the module's head.
pub(super) fn topic(out: &mut dyn Write, explained: &Explained) -> io::Result<()> {
    writeln!(out, "\ntopic {}", explained.topic.escape_debug())?;
    if let Some(of_broker) = &explained.counted {
        counted::topic(out, of_broker)?;
    }
    match (&explained.sample, &explained.not_sampled) {
        (Some(sample), _) => sampled(out, sample)?,
        (None, Some(why)) => writeln!(out, "not sampled: {why}")?,
        (None, None) => {}
    }
    readers(out, &explained.old_readers)?;
    if explained.counted.is_some() {
        knobs(out)?;
    }
    Ok(())
}

fn sampled(out: &mut dyn Write, sample: &Sampled) -> io::Result<()> {
    let stored = &sample.stored;
    if stored.batches == 0 {
        return writeln!(out, "nothing is stored in it");
    }
    writeln!(
        out,
        "the newest {} records that are stored, of {} partitions: {:.1} records a batch, {:.0} % of the batches of one record, headers are {:.0} %; codecs: {}; producers with an id: {}",
        stored.records,
        sample.partitions,
        ratio(stored.records, stored.batches),
        percent(stored.single_record_batches, stored.batches),
        header_percent(stored.batches, stored.bytes),
        stored.codecs.join(", "),
        stored.producer_ids,
    )?;
    let mut table = Table::new(&["STORED WITH", "BYTES/RECORD", "OF NOW", "RECORDS/BATCH"]);
    let mut row = |settings: &str, batches: u64, bytes: u64| {
        table.row([
            settings.to_owned(),
            format!("{:.1}", ratio(bytes, stored.records)),
            format!("{:.0} %", percent(bytes, stored.bytes)),
            format!("{:.1}", ratio(stored.records, batches)),
        ]);
    };
    row("what is in force now", stored.batches, stored.bytes);
    sample.alternatives.iter().for_each(|tried| row(tried.settings, tried.batches, tried.bytes));
    table.write(out)
}

fn readers(out: &mut dyn Write, old_readers: &[OldReader]) -> io::Result<()> {
    for OldReader { client_id, fetch_version, .. } in old_readers {
        let client_id = client_id.escape_debug();
        writeln!(
            out,
            "client {client_id} has read it with Fetch {fetch_version} within the hour: it may not know zstd (Fetch 10 does)"
        )?;
    }
    Ok(())
}

/// What the measured settings are not: what can be said of them without knowing more.
fn knobs(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "other knobs: batch.merge.enable=false stores what is sent, as sent. kafka.batch.tail.max.ms: longer makes larger batches of slow partitions. kafka.batch.linger.ms: shorter only where company is waited for too long. A producer's own linger.ms and batch.size save requests, and their CPU"
    )
}
