//! Where batches go.

use std::collections::BTreeMap;

/// What a batcher needs to know of what it is given: a record, or a batch of them.
pub trait Item {
    /// Records in it; at least one.
    fn records(&self) -> usize;
    /// Bytes of their keys, values and headers.
    fn bytes(&self) -> usize;
}

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

impl Item for Record {
    fn records(&self) -> usize {
        1
    }

    fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + len(value));
        len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

impl<I: Item> Item for Vec<I> {
    fn records(&self) -> usize {
        self.iter().map(Item::records).sum()
    }

    fn bytes(&self) -> usize {
        self.iter().map(Item::bytes).sum()
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record; the others follow.
    pub base_offset: i64,
    /// Bytes that it took where it is stored.
    pub bytes_stored: usize,
}

/// A log that takes batches: each is **one** entry and one sync, never a loop of single appends.
///
/// An append that fails has written nothing. A partition that is not there is an error that says so.
pub trait Backend<P, I> {
    /// Why nothing was appended.
    type Error;

    /// Appends items in their order, all or none.
    ///
    /// # Errors
    /// Nothing was written.
    fn append_batch(&mut self, partition: &P, items: &[I]) -> Result<Appended, Self::Error>;

    /// Appends one: the batch of one.
    ///
    /// # Errors
    /// Nothing was written.
    fn append(&mut self, partition: &P, item: &I) -> Result<Appended, Self::Error> {
        self.append_batch(partition, std::slice::from_ref(item))
    }
}

/// There is no such partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no partition {0:?}")]
pub struct UnknownPartition<P: std::fmt::Debug>(pub P);

/// Logs in memory, for examples and tests.
#[derive(Clone, Debug)]
pub struct MemoryBackend<P, I> {
    logs: BTreeMap<P, Vec<I>>,
    ends: BTreeMap<P, i64>,
    entries: u64,
}

impl<P: Ord + Clone, I> MemoryBackend<P, I> {
    /// With these partitions.
    #[must_use]
    pub fn new(partitions: impl IntoIterator<Item = P>) -> Self {
        let logs: BTreeMap<P, Vec<I>> =
            partitions.into_iter().map(|partition| (partition, Vec::new())).collect();
        let ends = logs.keys().map(|partition| (partition.clone(), 0)).collect();
        Self { logs, ends, entries: 0 }
    }

    /// A partition's items.
    #[must_use]
    pub fn log(&self, partition: &P) -> &[I] {
        self.logs.get(partition).map_or(&[], Vec::as_slice)
    }

    /// How many batches were appended.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

impl<P: Ord + Clone + std::fmt::Debug, I: Item + Clone> Backend<P, I> for MemoryBackend<P, I> {
    type Error = UnknownPartition<P>;

    fn append_batch(&mut self, partition: &P, items: &[I]) -> Result<Appended, Self::Error> {
        let (Some(log), Some(end)) = (self.logs.get_mut(partition), self.ends.get_mut(partition)) else {
            return Err(UnknownPartition(partition.clone()));
        };
        let base_offset = *end;
        let records: usize = items.iter().map(Item::records).sum();
        *end += i64::try_from(records).unwrap_or(i64::MAX);
        log.extend_from_slice(items);
        self.entries += 1;
        Ok(Appended { base_offset, bytes_stored: items.iter().map(Item::bytes).sum() })
    }
}
