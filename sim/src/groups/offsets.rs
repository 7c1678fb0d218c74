//! What must hold of committed offsets: what was answered is there, and nothing comes back.
//!
//! Every offset is committed once only, so that what is read says which commit it is of. Requests overlap: a commit counts from
//! when it was asked for to when its answer came, and so does a read.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::group::command::FetchedOffset;

/// A group, a topic and a partition of it.
pub(super) type Key = (Arc<str>, Arc<str>, i32);

/// A moment of this file's own clock, which counts what happens.
pub(super) type Moment = u64;

/// What became of a commit or of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It had no effect, and never will.
    Refused,
    /// It had its effect by now, or never will.
    Unknown,
    /// It may yet have one: what a failed disk was given is in the log or not, and the next life finds out.
    Open,
}

/// A commit that was asked for, or a deletion: `None`.
struct Write {
    value: Option<i64>,
    asked: Moment,
    /// From here on it has its effect, if ever.
    ended: Option<Moment>,
    is_certain: bool,
    /// From here on something else had been read.
    replaced: Option<Moment>,
}

/// Of one partition.
struct History {
    writes: Vec<Write>,
    /// The write that was read last, if it is known which, and since when.
    read: (Option<usize>, Moment),
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Offsets {
    moment: Moment,
    histories: BTreeMap<Key, History>,
}

/// What the client keeps with an offset, so that it can be seen whether it is kept.
pub(super) fn metadata_of(offset: i64) -> String {
    format!("read up to {offset}")
}

impl Offsets {
    /// The next moment.
    pub(super) fn moment(&mut self) -> Moment {
        self.moment += 1;
        self.moment
    }

    /// Somebody asks for `value` to be committed, or for a deletion; gives its number in the history.
    pub(super) fn ask(&mut self, key: &Key, value: Option<i64>) -> usize {
        let asked = self.moment();
        let history = self.histories.entry(key.clone()).or_default();
        history.writes.push(Write { value, asked, ended: None, is_certain: false, replaced: None });
        history.writes.len() - 1
    }

    /// What came of it.
    pub(super) fn answered(&mut self, key: &Key, number: usize, fate: Fate) {
        let now = self.moment();
        let Some(write) = self.histories.get_mut(key).and_then(|of| of.writes.get_mut(number)) else {
            return;
        };
        if fate != Fate::Open {
            write.ended = Some(write.ended.map_or(now, |ended| ended.min(now)));
        }
        match fate {
            Fate::Done => write.is_certain = true,
            Fate::Refused => write.replaced = Some(0),
            Fate::Unknown | Fate::Open => {}
        }
    }

    /// The broker is dead: what it was asked to commit is in its log now, or never will be.
    pub(super) fn settle(&mut self) {
        let now = self.moment();
        for write in self.histories.values_mut().flat_map(|history| &mut history.writes) {
            if write.value.is_some() {
                write.ended.get_or_insert(now);
            }
        }
    }

    /// A read that was asked for at `asked` says what is committed now.
    pub(super) fn read(
        &mut self,
        key: &Key,
        asked: Moment,
        found: Option<&FetchedOffset>,
    ) -> Result<(), String> {
        let now = self.moment();
        let found = found.filter(|found| found.offset >= 0);
        if let Some(found) = found
            && (*found.metadata != *metadata_of(found.offset) || found.leader_epoch != 0)
        {
            return Err(format!("{key:?}: what was kept with an offset is lost: {found:?}"));
        }
        let value = found.map(|found| found.offset);
        let history = self.histories.entry(key.clone()).or_default();
        history.read(asked, now, value).map_err(|why| format!("{key:?} is read as {value:?}: {why}"))
    }
}

impl Default for History {
    fn default() -> Self {
        let nothing = Write { value: None, asked: 0, ended: Some(0), is_certain: true, replaced: None };
        Self { writes: vec![nothing], read: (None, 0) }
    }
}

impl History {
    fn read(&mut self, asked: Moment, now: Moment, value: Option<i64>) -> Result<(), String> {
        let newest = self.newest_before(asked);
        let is_possible = |at: &usize| {
            let write = &self.writes[*at];
            write.value == value
                && write.replaced.is_none_or(|replaced| replaced > asked)
                && write.ended.is_none_or(|ended| ended >= newest)
        };
        let possible: Vec<usize> = (0..self.writes.len()).filter(is_possible).collect();
        if possible.is_empty() {
            let was_asked = self.writes.iter().any(|write| write.value == value);
            let what = if was_asked { "was replaced" } else { "was never asked for" };
            let newest = self.writes.iter().find(|write| write.asked == newest).map(|write| write.value);
            return Err(format!("that {what}, {newest:?} was answered"));
        }
        let which = if let [which] = possible.as_slice() { Some(*which) } else { None };
        if let Some(which) = which {
            self.is_read(which, asked, now);
        }
        let (before, since) = self.read;
        if since < asked {
            if let Some(before) = before.filter(|before| self.writes[*before].value != value) {
                self.writes[before].replaced = Some(now);
            }
            self.read = (which, now);
        }
        Ok(())
    }

    /// When the newest write was asked for whose effect whoever reads at `asked` must see, or a later one's.
    fn newest_before(&self, asked: Moment) -> Moment {
        let seen = self
            .writes
            .iter()
            .filter(|write| write.is_certain && write.ended.is_some_and(|ended| ended < asked));
        seen.map(|write| write.asked).max().unwrap_or(0)
    }

    /// This write has had its effect. What would have come behind it, and ended before, has had none.
    fn is_read(&mut self, which: usize, asked: Moment, now: Moment) {
        let write = &mut self.writes[which];
        write.is_certain = true;
        let ended = write.ended.map_or(now, |ended| ended.min(now));
        write.ended = Some(ended);
        for other in &mut self.writes {
            if !other.is_certain && other.asked > ended && other.ended.is_some_and(|ended| ended < asked) {
                other.replaced = Some(0);
            }
        }
    }
}
