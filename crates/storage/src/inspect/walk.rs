//! A segment's batches one after another, whole, from its file.

use std::sync::Arc;

use env::disk::{DiskError, DiskFile};
use wire::record::BatchHeader;
use wire::record::header::{HEADER_BYTES, LENGTH_COVERS_FROM};

/// Read at once; batches come out of it.
const WINDOW_BYTES: usize = 1 << 20;

/// Walks over `..end` of a file.
pub(super) struct BatchWalk {
    file: Arc<dyn DiskFile>,
    end: u64,
    position: u64,
    window: Vec<u8>,
    window_begin: u64,
}

/// What lies at a position.
pub(super) enum Walked<'a> {
    /// A whole batch, by its header; its CRC was not tested.
    Batch { position: u64, header: BatchHeader, bytes: &'a [u8] },
    /// No batch; nothing behind it can be found.
    Nothing { position: u64, what: String },
    /// The end was reached exactly.
    End,
}

impl BatchWalk {
    pub(super) fn new(file: Arc<dyn DiskFile>, end: u64) -> Self {
        Self { file, end, position: 0, window: Vec::new(), window_begin: 0 }
    }

    /// The next batch.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn next(&mut self) -> Result<Walked<'_>, DiskError> {
        let (position, left) = (self.position, self.end - self.position);
        if left == 0 {
            return Ok(Walked::End);
        }
        let nothing = |what: String| Ok(Walked::Nothing { position, what });
        if left < HEADER_BYTES as u64 {
            return nothing(format!("{left} bytes are left, too few for a batch"));
        }
        let header = match BatchHeader::parse(self.read(position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(error) => return nothing(error.to_string()),
        };
        let len = i64::from(header.batch_length) + i64::try_from(LENGTH_COVERS_FROM).expect("12");
        let len = match usize::try_from(len) {
            Ok(len) if (HEADER_BYTES as u64..=left).contains(&(len as u64)) => len,
            _ => return nothing(format!("a batch of {len} bytes, where {left} are left")),
        };
        let bytes = self.read(position, len)?;
        if bytes.len() < len {
            return nothing("the file ends inside a batch".to_owned());
        }
        self.position = position + len as u64;
        let from = usize::try_from(position - self.window_begin).expect("inside the window");
        Ok(Walked::Batch { position, header, bytes: &self.window[from..from + len] })
    }

    /// `count` bytes at `position`, fewer at the end of the file.
    fn read(&mut self, position: u64, count: usize) -> Result<&[u8], DiskError> {
        let window_end = self.window_begin + self.window.len() as u64;
        if position < self.window_begin || position + count as u64 > window_end {
            self.window.resize(count.max(WINDOW_BYTES), 0);
            let filled = self.file.read_at(&mut self.window, position)?;
            self.window.truncate(filled);
            self.window_begin = position;
        }
        let from = usize::try_from(position - self.window_begin).expect("inside the window");
        Ok(&self.window[from..self.window.len().min(from + count)])
    }
}
