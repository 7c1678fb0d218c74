//! A segment's index in a file beside it, so that the first read after a start need not scan the segment.
//!
//! The segment writer appends to it and never syncs it. What counts of it is an [`IndexMark`], which the checkpoint has: so
//! many entries, with this CRC. A file that is missing, short, torn, of another version or of another life does not give
//! that CRC, and is then as good as none: the index is built from headers again.
//!
//! Invariant: bytes that a mark covers are never written again with others.
//!
//! Bytes: docs/format/index.md. Why: docs/adr/0007-formats-frozen.md.

use std::path::Path;

use env::disk::{Access, Caching, Disk, DiskError};

use super::offset_index::{INDEX_INTERVAL_BYTES, IndexEntry};

/// The layout that is written and read.
pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const MAGIC: [u8; 8] = *b"TAKHIIDX";
/// Bytes of the header, and of an entry.
pub(crate) const ENTRY_BYTES: usize = 24;

/// A segment has no index file before it has so many entries: up to there a scan is as fast.
const ENTRIES_MIN: usize = 16;
/// Entries by which a file grows, but for its last piece when the segment is sealed.
const ENTRIES_STEP: usize = 64;

/// How much of an index file counts: its header and so many entries, whose bytes have this CRC32C. None: there is no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexMark {
    pub(crate) entries: u32,
    pub(crate) crc: u32,
}

impl IndexMark {
    /// Entries that a mark covers.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.entries).unwrap_or(usize::MAX)
    }

    /// True when a file at this mark should get the rest of `entries` in all.
    pub(crate) fn is_due(self, entries: usize, is_sealed: bool) -> bool {
        let step = match (self.entries, is_sealed) {
            (0, _) => ENTRIES_MIN,
            (_, true) => 1,
            (_, false) => ENTRIES_STEP,
        };
        entries >= self.count().saturating_add(step)
    }
}

/// An index's file name, beside its segment's. Not `.index`: Kafka's tools take that for theirs.
pub(crate) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.idx")
}

fn header(base_offset: i64) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let interval = u32::try_from(INDEX_INTERVAL_BYTES).expect("some kilobytes");
    bytes[12..16].copy_from_slice(&interval.to_le_bytes());
    bytes[16..].copy_from_slice(&base_offset.to_le_bytes());
    bytes
}

/// Writes the entries behind `mark` into the file; the mark that covers all of `entries`.
///
/// # Errors
/// When the disk refuses: `mark` holds as before.
pub(crate) fn append(
    disk: &dyn Disk,
    path: &Path,
    base_offset: i64,
    mark: IndexMark,
    entries: &[IndexEntry],
) -> Result<IndexMark, DiskError> {
    let mut bytes = Vec::with_capacity((entries.len() - mark.count() + 1) * ENTRY_BYTES);
    if mark.entries == 0 {
        bytes.extend_from_slice(&header(base_offset));
    }
    for entry in &entries[mark.count()..] {
        bytes.extend_from_slice(&entry.offset.to_le_bytes());
        bytes.extend_from_slice(&entry.position.to_le_bytes());
        bytes.extend_from_slice(&entry.max_timestamp_before.to_le_bytes());
    }
    let file = match disk.open(path, Access::Write, Caching::Cached) {
        Err(error) if error.is_not_found() => disk.open(path, Access::CreateNew, Caching::Cached)?,
        opened => opened?,
    };
    let position = if mark.entries == 0 { 0 } else { (mark.count() + 1) * ENTRY_BYTES };
    file.write_at(&bytes, position as u64)?;
    let count = u32::try_from(entries.len()).expect("a segment of gigabytes has some hundred thousand");
    Ok(IndexMark { entries: count, crc: crc32c::crc32c_append(mark.crc, &bytes) })
}

/// The entries that `mark` covers; `None` when the file is not what the mark is of.
pub(crate) fn read(
    disk: &dyn Disk,
    path: &Path,
    base_offset: i64,
    mark: IndexMark,
) -> Option<Vec<IndexEntry>> {
    let file = disk.open(path, Access::Read, Caching::Cached).ok()?;
    let wanted = mark.count().checked_add(1)?.checked_mul(ENTRY_BYTES)?;
    // The length is tested before anything is allocated for it.
    if file.size().ok()? < wanted as u64 {
        return None;
    }
    let mut bytes = vec![0; wanted];
    let filled = file.read_at(&mut bytes, 0).ok()?;
    let is_whole = filled == wanted && bytes.starts_with(&header(base_offset));
    if !is_whole || crc32c::crc32c(&bytes) != mark.crc {
        return None;
    }
    Some(bytes[ENTRY_BYTES..].as_chunks::<ENTRY_BYTES>().0.iter().map(entry).collect())
}

/// True when these bytes begin a file of the layout that is read here.
pub(crate) fn is_header(bytes: &[u8; ENTRY_BYTES]) -> bool {
    *bytes == header(base_offset(bytes))
}

/// The base offset of the segment whose index begins with these bytes.
pub(crate) fn base_offset(header: &[u8; ENTRY_BYTES]) -> i64 {
    i64::from_le_bytes(header[16..].try_into().expect("eight bytes"))
}

/// The entry in these bytes.
pub(crate) fn entry(bytes: &[u8; ENTRY_BYTES]) -> IndexEntry {
    let field = |at: usize| bytes[at..at + 8].try_into().expect("eight bytes");
    IndexEntry {
        offset: i64::from_le_bytes(field(0)),
        position: u64::from_le_bytes(field(8)),
        max_timestamp_before: i64::from_le_bytes(field(16)),
    }
}
