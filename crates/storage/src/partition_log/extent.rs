//! What a log consists of and how much of the disk it takes: for those who decide what is deleted, and who tell its size.

use super::reader::{LogReader, ReadError};
use super::view::SegmentView;

/// A part of a log that is deleted as a whole, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentExtent {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset after the last record.
    pub end_offset: i64,
    /// Bytes of record batches.
    pub bytes: u64,
    /// No record has a larger timestamp, in milliseconds; negative when none has one.
    pub max_timestamp: i64,
}

/// A log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogExtent {
    /// The first offset that may be read.
    pub log_start: i64,
    /// The offset that the next record gets: log end offset and high watermark.
    pub log_end: i64,
    /// Oldest first; the last is what is appended to, the tail in memory included. None when the log has no record.
    pub segments: Vec<SegmentExtent>,
}

impl LogExtent {
    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl LogReader {
    /// Segments and tail, as sizes. Cost: one load of the view, then what the number of segments costs.
    ///
    /// # Errors
    /// [`ReadError::Deleted`].
    pub fn extent(&self) -> Result<LogExtent, ReadError> {
        let view = self.log.view();
        if view.is_deleted {
            return Err(ReadError::Deleted);
        }
        let (stored, log_start, log_end) = (view.stored.clone(), view.log_start, view.log_end);
        let (tail_bytes, tail_timestamp) = (view.tail.bytes(), view.tail.timestamp_bound());
        drop(view);
        let mut segments: Vec<SegmentExtent> = stored.segments().map(extent_of).collect();
        if let Some(timestamp) = tail_timestamp {
            // Where the tail will be stored: behind the active segment, or in a new one.
            let is_appended_to = stored.active.is_some();
            let mut last = segments.pop_if(|_| is_appended_to).unwrap_or(SegmentExtent {
                base_offset: stored.end,
                end_offset: stored.end,
                bytes: 0,
                max_timestamp: timestamp,
            });
            last.end_offset = log_end;
            last.bytes += tail_bytes;
            last.max_timestamp = last.max_timestamp.max(timestamp);
            segments.push(last);
        }
        Ok(LogExtent { log_start, log_end, segments })
    }
}

fn extent_of(view: &SegmentView) -> SegmentExtent {
    SegmentExtent {
        base_offset: view.segment.base_offset(),
        end_offset: view.end_offset,
        bytes: view.readable,
        max_timestamp: view.max_timestamp,
    }
}
