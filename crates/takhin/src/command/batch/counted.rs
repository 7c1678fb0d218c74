//! What a broker of ours has counted, in words.

use std::io::{self, Write};

use gateway::batching::{Batching, ClientBatching, Sent, TopicBatching};

use super::measure::{header_percent, percent, ratio};
use crate::output::Table;

/// A client whose batches hold fewer records than this on average sends tiny ones ...
const TINY_RECORDS: f64 = 10.0;
/// ... unless they are as large as this.
const TINY_BYTES: f64 = 16384.0;

/// The broker as a whole.
pub(super) fn node(out: &mut dyn Write, batching: &Batching) -> io::Result<()> {
    let Batching { fsyncs, fsync_seconds, uptime_seconds, records, batches, .. } = batching;
    writeln!(
        out,
        "since the start {uptime_seconds:.0} s ago: {batches} record batches of {:.1} records, {fsyncs} fsyncs, one for {:.1} records",
        ratio(*records, *batches),
        ratio(*records, *fsyncs),
    )?;
    let each_ms = if *fsyncs == 0 { 0.0 } else { fsync_seconds * 1000.0 / *fsyncs as f64 };
    writeln!(
        out,
        "an fsync takes {each_ms:.2} ms, and the log was at it {:.0} % of the time",
        fsync_seconds / uptime_seconds.max(f64::MIN_POSITIVE) * 100.0
    )
}

/// One topic.
pub(super) fn topic(out: &mut dyn Write, counted: &TopicBatching) -> io::Result<()> {
    clients(out, counted)?;
    cost(out, counted)?;
    recovered(out, counted)
}

fn clients(out: &mut dyn Write, counted: &TopicBatching) -> io::Result<()> {
    let headings =
        ["CLIENT", "BATCHES", "SHARE", "RECORDS/BATCH", "BYTES/RECORD", "CODECS", "IDEMPOTENT", "LIBRARY"];
    let mut table = Table::new(&headings);
    let mut row = |name: &str, sent: &Sent, software: Option<&str>| {
        table.row([
            name.to_owned(),
            sent.batches.to_string(),
            format!("{:.0} %", percent(sent.batches, counted.sent.batches)),
            format!("{:.1}{}", ratio(sent.records, sent.batches), if is_tiny(sent) { " (tiny)" } else { "" }),
            format!("{:.0}", ratio(sent.bytes, sent.records)),
            sent.codecs.join(","),
            format!("{:.0} %", percent(sent.idempotent_batches, sent.batches)),
            software.unwrap_or("").to_owned(),
        ]);
    };
    for ClientBatching { client_id, software, sent } in &counted.clients {
        row(if client_id.is_empty() { "(no client id)" } else { client_id }, sent, software.as_deref());
    }
    if counted.others.batches > 0 {
        row("(others)", &counted.others, None);
    }
    table.write(out)
}

/// True of clients that merging is for.
fn is_tiny(sent: &Sent) -> bool {
    ratio(sent.records, sent.batches) < TINY_RECORDS && ratio(sent.bytes, sent.batches) < TINY_BYTES
}

fn cost(out: &mut dyn Write, counted: &TopicBatching) -> io::Result<()> {
    let everybody = counted.clients.iter().map(|client| &client.sent).chain([&counted.others]);
    let tiny = everybody.filter(|sent| is_tiny(sent)).map(|sent| sent.batches).sum();
    let Sent { batches, records, bytes, .. } = &counted.sent;
    writeln!(
        out,
        "cost: {:.0} % of {batches} batches are tiny; {:.1} records a batch; headers are {:.0} % of {bytes} bytes",
        percent(tiny, *batches),
        ratio(*records, *batches),
        header_percent(*batches, *bytes),
    )
}

fn recovered(out: &mut dyn Write, counted: &TopicBatching) -> io::Result<()> {
    let Sent { batches, commits, commit_records, wait_seconds, .. } = &counted.sent;
    let wait_ms = if *commits == 0 { 0.0 } else { wait_seconds * 1000.0 / *commits as f64 };
    writeln!(
        out,
        "recovered: {commits} fsyncs instead of {batches}, each shared by {:.1} records of all topics; the first batch of a commit waits {wait_ms:.2} ms, for the commit before it and for company",
        ratio(*commit_records, *commits),
    )?;
    let stored = &counted.stored;
    writeln!(
        out,
        "recovered: {} batches became {} in segments, {} bytes became {} ({:.0} % saved)",
        stored.sent_batches,
        stored.stored_batches,
        stored.sent_bytes,
        stored.stored_bytes,
        percent(stored.sent_bytes.saturating_sub(stored.stored_bytes), stored.sent_bytes),
    )
}
