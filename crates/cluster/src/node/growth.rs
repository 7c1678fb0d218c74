//! Topics that get more partitions, in the two steps in which they were created: see the head of [`super`].

use storage::id::TopicId;

use super::{DATA_SHARD, Node, partitions_of};
use crate::metadata::{Applied, Record};
use crate::shard::entry;
use crate::shard::outcome::ProposeError;

/// A topic did not get more partitions.
#[derive(Debug, thiserror::Error)]
pub enum CreatePartitionsError {
    /// There is none with this id.
    #[error("there is no topic with this id")]
    Unknown,
    /// It has as many, or more.
    #[error("Topic already has {0} partition(s).")]
    There(usize),
    /// Nothing is written at present; it may get more when that is over.
    #[error("writes are refused: {0}")]
    WritesRefused(String),
    /// It could not be committed.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

impl<W: 'static> Node<W> {
    /// Has a topic grow to `count` partitions, and comes back when the new ones take records.
    ///
    /// # Errors
    /// [`CreatePartitionsError`].
    pub async fn create_partitions(&self, id: TopicId, count: u32) -> Result<(), CreatePartitionsError> {
        let before = self.image().topic_by_id(id).map(|topic| topic.shards.len());
        let before = before.ok_or(CreatePartitionsError::Unknown)?;
        let first = u32::try_from(before).unwrap_or(u32::MAX);
        if count <= first {
            return Err(CreatePartitionsError::There(before));
        }
        if let Some(why) = self.refuses_writes() {
            return Err(CreatePartitionsError::WritesRefused(why));
        }
        let shards = (first..count).map(|_| DATA_SHARD).collect();
        let (topic, first) = match self.change(Record::PartitionsAdded { id, first, shards }).await? {
            Applied::PartitionsAdded { topic, first } => (topic, first),
            Applied::PartitionsThere(topic) => return Err(CreatePartitionsError::There(topic.shards.len())),
            Applied::TopicUnknown => return Err(CreatePartitionsError::Unknown),
            other => unreachable!("adding partitions came to {other:?}"),
        };
        // A deletion behind it in the log may have told the data shard already.
        if self.image().topic_by_id(id).is_none() {
            return Err(CreatePartitionsError::Unknown);
        }
        let epoch_base = self.first_epoch_base();
        let partitions = partitions_of(&topic).skip(first).map(|id| (id, epoch_base));
        self.tell_data_shard(entry::partitions_created(partitions)).await?;
        Ok(())
    }
}
