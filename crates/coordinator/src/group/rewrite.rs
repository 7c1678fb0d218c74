//! All that a coordinator remembers, as records: the log then needs nothing before them.
//!
//! Written in pieces while groups go on: each record is what holds when its piece is written, and whatever changes later is
//! written later. So the log from the first piece on gives the state, wherever it is read to behind the last one.

use std::ops::Bound;
use std::sync::Arc;

use super::{Groups, Output};
use crate::record::Record;

/// How far a rewriting has come: the record that was written last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    group: Arc<str>,
    /// A committed offset; `None`: the group's own record.
    offset: Option<(Arc<str>, i32)>,
}

impl Groups {
    /// Records that are needed for what is remembered now.
    #[must_use]
    pub fn live_records(&self) -> usize {
        self.groups.len() + self.offsets.count()
    }

    /// Writes the next of them, one at least and `bytes_max` bytes at most; `None`: that was all.
    pub fn rewrite(
        &self,
        after: Option<&Rewritten>,
        bytes_max: usize,
        out: &mut Output,
    ) -> Option<Rewritten> {
        let (mut last, mut bytes) = (None, 0);
        for (place, record) in self.records_after(after) {
            let size = record.bytes();
            if last.is_some() && bytes + size > bytes_max {
                return last;
            }
            bytes += size;
            out.records.push(record);
            last = Some(place);
        }
        None
    }

    fn records_after<'a>(
        &'a self,
        after: Option<&'a Rewritten>,
    ) -> impl Iterator<Item = (Rewritten, Record)> + 'a {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Included(&*after.group));
        self.groups.range::<str, _>((from, Bound::Unbounded)).flat_map(move |(id, group)| {
            let after = after.filter(|after| after.group == *id);
            let own = group.written().filter(|_| after.is_none());
            let own = own.map(|record| (Rewritten { group: id.clone(), offset: None }, record));
            let last = after.and_then(|after| after.offset.as_ref());
            let is_due = move |topic: &Arc<str>, partition: i32| {
                last.is_none_or(|(last_topic, last)| (topic, partition) > (last_topic, *last))
            };
            let offsets =
                self.offsets.of_group(id).filter(move |(topic, partition, _)| is_due(topic, *partition));
            own.into_iter().chain(offsets.map(|(topic, partition, value)| {
                let record = Record::Offset {
                    group: id.clone(),
                    topic: topic.clone(),
                    partition,
                    value: Some(value.clone()),
                };
                (Rewritten { group: id.clone(), offset: Some((topic.clone(), partition)) }, record)
            }))
        })
    }
}
