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
    place: Place,
}

/// A record's place among those of its group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// One of the group itself.
    Own(Own),
    /// A committed offset.
    Offset(Arc<str>, i32),
}

/// The place of a group's own record: what it is about, and whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Own(pub(super) u8, pub(super) Arc<str>);

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
            let last = after.filter(|after| after.group == *id).map(|after| &after.place);
            let own = group.written().into_iter().map(|(own, record)| (Place::Own(own), record));
            let offsets = self.offsets.of_group(id).map(|(topic, partition, value)| {
                let (group, topic, value) = (id.clone(), topic.clone(), Some(value.clone()));
                (Place::Offset(topic.clone(), partition), Record::Offset { group, topic, partition, value })
            });
            let due = own.chain(offsets).filter(move |(place, _)| last.is_none_or(|last| place > last));
            due.map(|(place, record)| (Rewritten { group: id.clone(), place }, record))
        })
    }
}
