//! How metadata changes: by records that the metadata shard commits.

use env::WallTime;

use super::Node;
use crate::metadata::{Applied, Record};
use crate::shard::entry::{self, EntryKind};
use crate::shard::outcome::{Outcome, ProposeError};

impl<W: 'static> Node<W> {
    pub(super) async fn change(&self, record: Record) -> Result<Applied, ProposeError> {
        Ok(self.change_together([record]).await?.pop().expect("one record, one outcome"))
    }

    /// All of the records or none, whatever happens: they are one entry. What each of them did, in their order.
    pub(super) async fn change_together(
        &self,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Vec<Applied>, ProposeError> {
        let mut bytes = entry::header(EntryKind::Metadata);
        entry::stamp(&mut bytes, WallTime::now().0);
        records.into_iter().for_each(|record| record.write(&mut bytes));
        match self.metadata.write(bytes.into()).await? {
            Outcome::Metadata(applied) => Ok(applied),
            other => unreachable!("a metadata record came to {other:?}"),
        }
    }
}
