//! The record batch that forms while a coordinator decides: one for all steps between two commits.

use coordinator::group::BATCH_BYTES_MAX;
use coordinator::record::Record;
use wire::record::{Builder, Codec};

/// A batch of so many bytes is written at once, and a step of so many goes into a batch of its own: two such together are
/// still small (`batch::Lane`).
pub(super) const FORMING_BYTES_MAX: usize = 8 << 10;

/// See the module's head.
pub(super) struct Forming {
    /// The timestamp of all its records, in milliseconds: when the first was decided.
    wall_ms: i64,
    builder: Builder,
    /// Steps that were announced.
    requests: usize,
}

impl Forming {
    pub(super) fn new(wall_ms: i64) -> Self {
        Self { wall_ms, builder: Builder::new(Codec::None.into()), requests: 0 }
    }

    /// Adds records; the batch's size if that is too much: it is of no use then.
    pub(super) fn append<'a>(&mut self, records: impl Iterator<Item = &'a Record>) -> Result<(), usize> {
        for record in records {
            let (key, value) = record.encode();
            let added = self.builder.append(self.wall_ms, Some(&key), value.as_deref(), &[]);
            added.map_err(|_| self.builder.bytes())?;
        }
        let bytes = self.builder.bytes();
        if bytes > BATCH_BYTES_MAX { Err(bytes) } else { Ok(()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.builder.record_count() == 0
    }

    /// Counts a step that was announced; how many were, and the bytes of all.
    pub(super) fn announced(&mut self) -> (usize, usize) {
        self.requests += 1;
        (self.requests, self.builder.bytes())
    }

    /// Its timestamp, how many steps were announced, and the batch.
    pub(super) fn finish(self) -> (i64, usize, Vec<u8>) {
        let batch = self.builder.finish().expect("a bounded batch of records that are not compressed");
        (self.wall_ms, self.requests, batch)
    }
}
