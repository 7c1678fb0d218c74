//! Reading one file frame by frame, and telling a torn tail from damage.
//!
//! Reads go past the page cache: after a failed sync the cache may show bytes that the disk never got, and a process that is
//! started again without the machine would take them for stored.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::disk::{Access, AlignedBuffer, BLOCK_BYTES, Caching, Disk, DiskError, DiskFile};

use super::files::Generation;
use super::frame::{FileHeader, HEADER_BYTES, Header, Kind, checksum, next_position};
use super::options::{WalOptions, planted};

/// Read at once; headers and small frames come out of it.
const WINDOW_BYTES: usize = 1 << 20;
/// Read first: of most files only the header is wanted.
const FIRST_WINDOW_BYTES: usize = 16 << 10;

/// A valid frame.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) position: u64,
    pub(super) header: Header,
    pub(super) payload: Bytes,
}

/// One file being read.
pub(super) struct Scanner<'a> {
    file: Arc<dyn DiskFile>,
    generation: Generation,
    bytes: u64,
    window: AlignedBuffer,
    window_begin: u64,
    /// How much the next read takes in.
    window_bytes: usize,
    options: &'a WalOptions,
    /// Where the next frame begins.
    position: u64,
}

impl<'a> Scanner<'a> {
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        generation: Generation,
        options: &'a WalOptions,
    ) -> Result<Self, DiskError> {
        let file = disk.open(path, Access::Read, Caching::Direct)?;
        let bytes = file.size()?;
        let (window, window_begin, window_bytes) = (AlignedBuffer::new(), 0, FIRST_WINDOW_BYTES);
        Ok(Self { file, generation, bytes, window, window_begin, window_bytes, options, position: 0 })
    }

    /// The file's length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the next frame begins, or the first invalid one was.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`, a frame's first byte.
    pub(super) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The header at the file's beginning; `None` when there is no valid one, `Some(Err)` with a version not ours.
    pub(super) fn file_header(&mut self) -> Result<Option<Result<FileHeader, u32>>, DiskError> {
        let frame = self.frame_at(0)?;
        let header = frame.filter(|frame| frame.header.kind == Kind::FileHeader);
        Ok(header.and_then(|frame| FileHeader::parse(&frame.payload)))
    }

    /// The next frame but for pads; `None` at the first invalid one, which stays at [`Scanner::position`].
    pub(super) fn next(&mut self) -> Result<Option<Scanned>, DiskError> {
        loop {
            let Some(frame) = self.frame_at(self.position)? else { return Ok(None) };
            self.position =
                next_position(self.position + HEADER_BYTES as u64 + u64::from(frame.header.length));
            if frame.header.kind != Kind::Pad {
                return Ok(Some(frame));
            }
        }
    }

    /// A later valid frame that says [`Scanner::position`] had been synced: where it lies.
    pub(super) fn proof_of_damage(&mut self) -> Result<Option<u64>, DiskError> {
        if planted!(self.options, SyncedTailTakenAsTorn) {
            return Ok(None);
        }
        let block = BLOCK_BYTES as u64;
        let mut candidate = (self.position / block + 1) * block;
        while candidate + HEADER_BYTES as u64 <= self.bytes {
            if let Some(frame) = self.frame_at(candidate)?
                && u64::from(frame.header.synced_blocks) * block > self.position
            {
                return Ok(Some(candidate));
            }
            candidate += block;
        }
        Ok(None)
    }

    /// The valid frame at `position`, if there is one.
    pub(super) fn frame_at(&mut self, position: u64) -> Result<Option<Scanned>, DiskError> {
        let Some(bytes) = self.read(position, HEADER_BYTES)? else { return Ok(None) };
        let head: [u8; HEADER_BYTES] = bytes.try_into().expect("as long as asked for");
        let Some((header, crc)) = Header::parse(&head) else { return Ok(None) };
        let ours = header.generation == self.generation.0 || planted!(self.options, CrcWithoutGeneration);
        // The length is tested against the file before anything is allocated for it.
        if !ours || position + HEADER_BYTES as u64 + u64::from(header.length) > self.bytes {
            return Ok(None);
        }
        let options = self.options;
        let Some(frame) = self.read(position, HEADER_BYTES + header.length as usize)? else {
            return Ok(None);
        };
        if checksum(frame, position, options) != crc {
            return Ok(None);
        }
        let payload = Bytes::copy_from_slice(&frame[HEADER_BYTES..]);
        Ok(Some(Scanned { position, header, payload }))
    }

    /// `count` bytes at `position`, `None` beyond the end.
    fn read(&mut self, position: u64, count: usize) -> Result<Option<&[u8]>, DiskError> {
        let inside = position >= self.window_begin
            && position + count as u64 <= self.window_begin + self.window.len() as u64;
        if !inside {
            self.window_begin = position - position % BLOCK_BYTES as u64;
            let needed = count + BLOCK_BYTES;
            self.window.resize(needed.max(self.window_bytes).next_multiple_of(BLOCK_BYTES));
            self.window_bytes = WINDOW_BYTES.min(self.window_bytes * 4);
            let filled = self.file.read_at(self.window.as_mut_slice(), self.window_begin)?;
            self.window.resize(filled);
            if position + count as u64 > self.window_begin + filled as u64 {
                return Ok(None);
            }
        }
        let begin = usize::try_from(position - self.window_begin).expect("inside the window");
        Ok(Some(&self.window.as_slice()[begin..begin + count]))
    }
}
