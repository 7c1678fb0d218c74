//! Which leader epoch began at which offset (KIP-101), for followers and consumers that ask where an epoch ended.

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: i32,
    /// Offset of its first batch.
    pub start: i64,
}

/// A partition's leader epochs, ascending in epoch and start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    starts: Vec<EpochStart>,
}

impl LeaderEpochs {
    /// A table of starts that ascend in epoch and offset; others are left out.
    #[must_use]
    pub fn of(starts: &[EpochStart]) -> Self {
        let mut epochs = Self::default();
        for start in starts {
            epochs.assign(start.epoch, start.start);
        }
        epochs
    }

    /// Notes that a batch of `epoch` begins at `start`. True when that began a new epoch; one that began there before, and
    /// has no record then, is forgotten.
    pub fn assign(&mut self, epoch: i32, start: i64) -> bool {
        if self.starts.last().is_some_and(|last| epoch <= last.epoch || start < last.start) {
            return false;
        }
        self.starts.pop_if(|last| last.start == start);
        self.starts.push(EpochStart { epoch, start });
        true
    }

    /// The epochs in force, oldest first.
    #[must_use]
    pub fn starts(&self) -> &[EpochStart] {
        &self.starts
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<i32> {
        self.starts.last().map(|last| last.epoch)
    }

    /// The epoch of the record at `offset`.
    #[must_use]
    pub fn at(&self, offset: i64) -> Option<i32> {
        let after = self.starts.partition_point(|start| start.start <= offset);
        after.checked_sub(1).map(|at| self.starts[at].epoch)
    }

    /// Where `epoch` ended: the largest known epoch that is not above it, and the offset at which the next one began.
    ///
    /// The newest epoch ends at `log_end`. An epoch before the first known one is answered with itself and the first
    /// start; one above the newest, or −1, which is none, with `None`. All as Kafka's OffsetForLeaderEpoch.
    #[must_use]
    pub fn end_of(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if epoch == -1 || epoch > latest {
            return None;
        }
        if epoch == latest {
            return Some((latest, log_end));
        }
        let above = self.starts.partition_point(|start| start.epoch <= epoch);
        let known = above.checked_sub(1).map_or(epoch, |at| self.starts[at].epoch);
        Some((known, self.starts[above].start))
    }

    /// Forgets epochs that ended at or before `log_start`; the one in force there now begins there. True when that
    /// changed anything.
    pub fn truncate_before(&mut self, log_start: i64) -> bool {
        let after = self.starts.partition_point(|start| start.start <= log_start);
        let Some(in_force) = after.checked_sub(1) else { return false };
        if in_force == 0 && self.starts[0].start == log_start {
            return false;
        }
        self.starts.drain(..in_force);
        self.starts[0].start = log_start;
        true
    }
}
