//! One file, a line for each thing in it; which kind of file it is, its name says.

use std::path::Path;

use bytes::Bytes;
use env::disk::{Access, Caching, Disk, DiskError};
use wire::record::header::check_crc;
use wire::record::{BatchHeader, Limits, Record, read};

use super::line::Line;
use super::walk::{BatchWalk, Walked};
use crate::partition_log::index_file::{self, ENTRY_BYTES};
use crate::{checkpoint, wal};

/// The file could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It is none of ours.
    #[error("{0}: no segment (.log), index (.idx), write-ahead log (.wal) or checkpoint.log")]
    Unknown(String),
    /// It can't be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Whoever takes the lines wants no more.
    #[error(transparent)]
    Taker(std::io::Error),
}

/// Hands `take` a line for each thing in the file at `path`, in the file's order; with `with_records` the records of
/// batches, too. What is not valid is a line as well, and the last one when nothing behind it can be found.
///
/// `describe_entry` says what an entry of the write-ahead log is, whose bytes storage does not know.
///
/// # Errors
/// [`DumpError`].
pub fn dump(
    disk: &dyn Disk,
    path: &Path,
    with_records: bool,
    describe_entry: &dyn Fn(&Bytes) -> String,
    take: &mut dyn FnMut(Line) -> std::io::Result<()>,
) -> Result<(), DumpError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()) {
        _ if name == checkpoint::FILE_NAME => {
            let lines = checkpoint::dump(disk, path)?;
            lines.into_iter().try_for_each(take).map_err(DumpError::Taker)
        }
        Some("log") => segment(disk, path, with_records, take),
        Some("idx") => index(disk, path, take),
        Some("wal") => wal::dump(disk, path, describe_entry, take),
        _ => Err(DumpError::Unknown(path.display().to_string())),
    }
}

fn segment(
    disk: &dyn Disk,
    path: &Path,
    with_records: bool,
    take: &mut dyn FnMut(Line) -> std::io::Result<()>,
) -> Result<(), DumpError> {
    let file = disk.open(path, Access::Read, Caching::Cached)?;
    let end = file.size()?;
    let mut walk = BatchWalk::new(file, end);
    loop {
        match walk.next()? {
            Walked::End => return Ok(()),
            Walked::Nothing { position, what } => {
                return take(Line::new(position, "invalid").text("what", what)).map_err(DumpError::Taker);
            }
            Walked::Batch { position, header, bytes } => {
                take(batch(position, &header, bytes)).map_err(DumpError::Taker)?;
                if with_records {
                    records(position, bytes, take).map_err(DumpError::Taker)?;
                }
            }
        }
    }
}

fn batch(position: u64, header: &BatchHeader, bytes: &[u8]) -> Line {
    let mut line = Line::new(position, "batch")
        .number("base_offset", header.base_offset)
        .number("last_offset", header.last_offset())
        .number("records", header.record_count)
        .number("bytes", bytes.len() as u64)
        .number("leader_epoch", header.partition_leader_epoch)
        .number("max_timestamp", header.max_timestamp)
        .text("timestamp_type", format!("{:?}", header.timestamp_type()))
        .text(
            "codec",
            header.codec().map_or_else(|error| error.to_string(), |codec| codec.name().to_owned()),
        );
    if header.has_producer_id() {
        line = line
            .number("producer_id", header.producer_id)
            .number("producer_epoch", header.producer_epoch)
            .number("base_sequence", header.base_sequence);
    }
    let marks = [(header.is_transactional(), "transactional"), (header.is_control(), "control")];
    line = line.list("marks", marks.iter().filter(|(is, _)| *is).map(|(_, mark)| (*mark).to_owned()));
    line.text("crc", if check_crc(bytes).is_ok() { "right" } else { "wrong" })
}

fn records(
    position: u64,
    bytes: &[u8],
    take: &mut dyn FnMut(Line) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let limits = Limits { decompressed_bytes_max: 1 << 30, ..Limits::default() };
    let opened = match read(bytes, &limits) {
        Ok(opened) => opened,
        Err(error) => return take(Line::new(position, "invalid").text("what", error.to_string())),
    };
    for record in &opened {
        take(match record {
            Ok(record) => record_line(position, &record),
            Err(error) => Line::new(position, "invalid").text("what", error.to_string()),
        })?;
    }
    Ok(())
}

fn record_line(position: u64, record: &Record<'_>) -> Line {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut line =
        Line::new(position, "record").number("offset", record.offset).number("timestamp", record.timestamp);
    if let Some(key) = record.key {
        line = line.text("key", text(key));
    }
    if let Some(value) = record.value {
        line = line.text("value", text(value));
    }
    let headers = record.headers.map(|header| {
        let value = header.value.map_or("null".to_owned(), text);
        format!("{}={value}", text(header.key)).escape_debug().to_string()
    });
    line.list("headers", headers)
}

/// An index file as it is: which of it counts, only the checkpoint knows.
fn index(
    disk: &dyn Disk,
    path: &Path,
    take: &mut dyn FnMut(Line) -> std::io::Result<()>,
) -> Result<(), DumpError> {
    let file = disk.open(path, Access::Read, Caching::Cached)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(usize::MAX)];
    let filled = file.read_at(&mut bytes, 0)?;
    let (pieces, rest) = bytes[..filled].as_chunks::<ENTRY_BYTES>();
    let Some((header, entries)) = pieces.split_first().filter(|(header, _)| index_file::is_header(header))
    else {
        let what = "no index of a version that this program reads";
        return take(Line::new(0, "invalid").text("what", what)).map_err(DumpError::Taker);
    };
    take(Line::new(0, "header").number("base_offset", index_file::base_offset(header)))
        .map_err(DumpError::Taker)?;
    for (at, entry) in entries.iter().map(index_file::entry).enumerate() {
        let line = Line::new(((at + 1) * ENTRY_BYTES) as u64, "entry")
            .number("offset", entry.offset)
            .number("position", entry.position)
            .number("max_timestamp_before", entry.max_timestamp_before);
        take(line).map_err(DumpError::Taker)?;
    }
    if !rest.is_empty() {
        let line = Line::new((filled - rest.len()) as u64, "invalid").text("what", "a part of an entry");
        take(line).map_err(DumpError::Taker)?;
    }
    Ok(())
}
