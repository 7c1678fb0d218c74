//! `takhin data verify|dump`: looks at a data directory without a broker.
//!
//! Exit status of `verify`: 0 all is as it was written, 1 something is damaged, 2 it could not be checked: that is told
//! apart, so that a script never takes "in use" for "good" or for "damaged".

use std::{io::Write, path::Path};

use anyhow::{Result, bail};
use bytes::Bytes;
use cluster::shard::entry::{self, EntryKind};
use env::disk::RealDisk;
use serde_json::{Map, json};
use storage::inspect::{self, DumpError, Finding, Line, Part, Report, Value};
use wire::record::{BatchHeader, header::check_crc};

use super::UsageError;
use crate::{
    cli::{DataCommand, OutputArgs, OutputForm},
    data_dir::DataDir,
    output::{self, Output, Table},
    progress::{Progress, Unit},
};

/// Runs `takhin data …`.
///
/// # Errors
/// What is damaged, or why nothing could be looked at, or that the result can't be printed.
pub(crate) fn run(command: &DataCommand) -> Result<()> {
    match command {
        DataCommand::Verify { dir, output } => verify(dir, output),
        DataCommand::Dump { file, records, output } => dump(file, *records, output),
    }
}

fn verify(dir: &Path, form: &OutputArgs) -> Result<()> {
    let unchecked = |why: String| UsageError(format!("{why}: not checked"));
    let _held = DataDir::open_existing(&RealDisk, dir).map_err(|error| unchecked(error.to_string()))?;
    let progress = Progress::new("segments", Unit::Bytes, false);
    let looked_at = &mut |bytes, total| {
        progress.set_total(total);
        progress.set(bytes);
    };
    let report = inspect::verify(&RealDisk, dir, &check_entry, looked_at);
    drop(progress);
    let report = report.map_err(|error| unchecked(error.to_string()))?;
    Output::new(form).value(&report_json(&report), |out| report_table(&report, out))?;
    output::finish()?;
    match report.damages.len() {
        0 => Ok(()),
        1 => bail!("{}: 1 damage", dir.display()),
        count => bail!("{}: {count} damages", dir.display()),
    }
}

/// What an entry of the write-ahead log must be, as far as its own bytes say.
fn check_entry(bytes: &Bytes) -> Result<(), String> {
    let (kind, _) = entry::read_header(bytes).map_err(|error| error.to_string())?;
    let checked = match kind {
        EntryKind::Batches => return check_batches(bytes),
        EntryKind::PartitionsCreated => entry::created(bytes).try_for_each(|created| created.map(|_| ())),
        EntryKind::PartitionsDeleted => entry::deleted(bytes).try_for_each(|deleted| deleted.map(|_| ())),
        EntryKind::LogStartsAdvanced => entry::advanced(bytes).try_for_each(|start| start.map(|_| ())),
        EntryKind::ProducersForgotten => entry::forgotten_until(bytes).map(|_| ()),
        _ => Ok(()),
    };
    checked.map_err(|error| error.to_string())
}

fn check_batches(bytes: &Bytes) -> Result<(), String> {
    for item in entry::items(bytes) {
        let item = item.map_err(|error| error.to_string())?;
        BatchHeader::parse(&item.batch).map_err(|error| error.to_string())?;
        check_crc(&item.batch).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn describe_entry(bytes: &Bytes) -> String {
    let (kind, time_ms) = match entry::read_header(bytes) {
        Ok(header) => header,
        Err(error) => return error.to_string(),
    };
    match kind {
        EntryKind::Batches => {
            let items = entry::items(bytes);
            let records = items.map(|item| {
                let header = item.ok().and_then(|item| BatchHeader::parse(&item.batch).ok());
                header.map_or(0, |header| i64::from(header.record_count))
            });
            let records: Vec<i64> = records.collect();
            let (batches, records) = (records.len(), records.iter().sum::<i64>());
            format!("{batches} batches of {records} records at {time_ms}")
        }
        kind => format!("{kind:?} at {time_ms}"),
    }
}

fn parts(report: &Report) -> [(&'static str, &'static str, Part); 4] {
    [
        ("write-ahead log", "frames", report.wal),
        ("checkpoint", "records", report.checkpoint),
        ("segments", "batches", report.segments),
        ("indexes", "entries", report.indexes),
    ]
}

fn report_json(report: &Report) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "file": finding.path.display().to_string(),
            "position": finding.position,
            "what": finding.what,
        })
    };
    let part = |(name, items, part): (&str, &str, Part)| json!({ "part": name, "files": part.files, "bytes": part.bytes, items: part.items });
    json!({
        "damaged": !report.damages.is_empty(),
        "checked": parts(report).map(part),
        "records": report.records,
        "damages": report.damages.iter().map(finding).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn report_table(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&["CHECKED", "FILES", "BYTES", "ITEMS"]);
    for (name, items, part) in parts(report) {
        let Part { files, bytes, items: count } = part;
        table.row([name.to_owned(), files.to_string(), bytes.to_string(), format!("{count} {items}")]);
    }
    table.write(out)?;
    writeln!(out, "{} records in segments", report.records)?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for damage in &report.damages {
        writeln!(out, "damage: {damage}")?;
    }
    Ok(())
}

fn dump(file: &Path, records: bool, form: &OutputArgs) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut take = |line: Line| match form.output {
        OutputForm::Table => writeln!(out, "{line}"),
        OutputForm::Json => writeln!(out, "{}", line_json(line)),
    };
    match inspect::dump(&RealDisk, file, records, &describe_entry, &mut take) {
        Err(error @ DumpError::Unknown(_)) => return Err(UsageError(error.to_string()).into()),
        Err(DumpError::Taker(error)) => return Err(error.into()),
        other => other?,
    }
    out.flush()?;
    Ok(())
}

fn line_json(line: Line) -> serde_json::Value {
    let mut object = Map::new();
    object.insert("position".to_owned(), json!(line.position));
    object.insert("kind".to_owned(), json!(line.kind));
    for (name, value) in line.fields {
        let value = match value {
            // What is no i64 is a u64: nothing larger is on disk.
            Value::Number(number) => match i64::try_from(number) {
                Ok(number) => json!(number),
                Err(_) => json!(u64::try_from(number).unwrap_or(u64::MAX)),
            },
            Value::Text(text) => json!(text),
            Value::List(values) => json!(values),
        };
        object.insert(name.to_owned(), value);
    }
    object.into()
}
