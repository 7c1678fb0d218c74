//! A coordinator that has read its partition: what it has decided and not written, and who waits for what is not committed.

use std::collections::{HashMap, VecDeque};

use coordinator::group::Groups;
use coordinator::group::command::{Reply, Ticket};
use coordinator::record::{ConsumerRecord, Record};
use rustc_hash::FxBuildHasher;
use tokio::sync::oneshot;
use wire::error::ErrorCode;

use super::forming::Forming;
use super::planted::{Plan, planted};

/// What somebody who has asked is told.
pub(super) struct Answer {
    /// The reply, or why there is none.
    pub(super) reply: Result<Reply, ErrorCode>,
    /// The commit that released it.
    pub(super) commit: Option<u64>,
}

/// Whoever has asked is told by calling it, once.
pub(super) type Tell = Box<dyn FnOnce(Answer)>;

/// See the module's head.
pub(super) struct Serving {
    pub(super) groups: Groups,
    next_ticket: Ticket,
    /// Whoever waits, for a commit or for others.
    waiting: HashMap<Ticket, Tell, FxBuildHasher>,
    /// What steps since the last record batch have to write: the next one.
    forming: Option<Forming>,
    /// The number of the next record batch.
    next_batch: u64,
    /// Replies behind batches that are not committed yet, oldest first.
    parked: VecDeque<(u64, Vec<(Ticket, Reply)>)>,
    /// The last batch, forming or in flight, while it is not committed.
    last_batch: Option<u64>,
    /// Who waits for a batch to be committed, oldest first.
    barriers: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl Serving {
    pub(super) fn new(groups: Groups) -> Self {
        Self {
            groups,
            next_ticket: 0,
            waiting: HashMap::default(),
            forming: None,
            next_batch: 0,
            parked: VecDeque::new(),
            last_batch: None,
            barriers: VecDeque::new(),
        }
    }

    /// Somebody waits; the ticket to ask with.
    pub(super) fn wait(&mut self, tell: Tell) -> Ticket {
        self.next_ticket += 1;
        self.waiting.insert(self.next_ticket, tell);
        self.next_ticket
    }

    /// Whoever waits with a ticket, who waits no more.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Tell> {
        self.waiting.remove(&ticket)
    }

    /// Everybody who waits.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = Tell> {
        self.waiting.into_values()
    }

    /// Tells when all that is to be written by now is committed.
    pub(super) fn wait_for_all(&mut self, tell: oneshot::Sender<()>) {
        match self.last_batch {
            Some(batch) => self.barriers.push_back((batch, tell)),
            // Whoever waited may be gone.
            None => drop(tell.send(())),
        }
    }

    /// Replies of a step wait for all that is to be written by now; those that need not wait.
    pub(super) fn park(&mut self, replies: Vec<(Ticket, Reply)>) -> Vec<(Ticket, Reply)> {
        match self.last_batch {
            None => replies,
            Some(batch) => {
                self.parked.push_back((batch, replies));
                Vec::new()
            }
        }
    }

    /// Adds records to the batch that forms; the size of what is too much.
    pub(super) fn keep(
        &mut self,
        records: &[Record],
        wall_ms: impl FnOnce() -> i64,
        plan: Plan,
    ) -> Result<(), usize> {
        let written = records.iter().filter(|record| !is_left_out(record, plan));
        let forming = self.forming.get_or_insert_with(|| Forming::new(wall_ms()));
        forming.append(written)?;
        if forming.is_empty() {
            self.forming = None;
        } else {
            self.last_batch = Some(self.next_batch);
        }
        Ok(())
    }

    /// Counts a step that is in the batch that forms and was announced; how many were, and the bytes of all.
    pub(super) fn announced(&mut self) -> Option<(usize, usize)> {
        self.forming.as_mut().map(Forming::announced)
    }

    /// The batch that has formed, with its number.
    pub(super) fn take_forming(&mut self) -> Option<(u64, Forming)> {
        let forming = self.forming.take()?;
        self.next_batch += 1;
        Some((self.next_batch - 1, forming))
    }

    /// What waits for batches up to `batch`, which are all committed.
    pub(super) fn committed(&mut self, batch: u64) -> Vec<(Ticket, Reply)> {
        if self.last_batch == Some(batch) {
            self.last_batch = None;
        }
        while let Some((_, tell)) = self.barriers.pop_front_if(|(waits_for, _)| *waits_for <= batch) {
            // Whoever waited may be gone.
            let _ = tell.send(());
        }
        let mut ready = Vec::new();
        while let Some((_, replies)) = self.parked.pop_front_if(|(parked, _)| *parked <= batch) {
            ready.extend(replies);
        }
        ready
    }
}

/// Whether a record is not written, by mistake.
fn is_left_out(record: &Record, plan: Plan) -> bool {
    match record {
        Record::Consumer { change: ConsumerRecord::Epoch(_), .. } => planted!(plan, EpochNotWritten),
        Record::Consumer { change, .. } if change.is_tombstone() => planted!(plan, LeavingNotWritten),
        _ => false,
    }
}
