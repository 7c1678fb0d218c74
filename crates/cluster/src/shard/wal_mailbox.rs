//! Between the WAL's thread and the I/O thread: who waits for which sync.
//!
//! The WAL thread says once per write which tickets are durable; one wake-up brings them all to the I/O thread, which
//! calls back in append order. No waiter is woken from the WAL thread, and it never touches a socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use storage::id::ShardId;
use storage::wal::{
    AppendError, Frame, Poisoned, ReadBackError, RecoveredEntry, Wal, WalListener, WalTrouble,
};
use tokio::sync::Notify;

/// Called on the I/O thread when a frame's sync has returned, or never will.
pub(crate) type WhenSynced = Box<dyn FnOnce(Result<(), Poisoned>)>;

/// What the WAL thread leaves for the I/O thread.
#[derive(Default)]
pub(crate) struct SyncedMailbox {
    news: Mutex<News>,
    arrived: Notify,
}

#[derive(Default)]
struct News {
    /// Tickets are answered in order, so the last one stands for all before it.
    synced_to: Option<u64>,
    poisoned: Option<Poisoned>,
}

impl WalListener for SyncedMailbox {
    fn synced(&self, tickets: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => news.synced_to = news.synced_to.max(tickets.iter().map(|(_, ticket)| *ticket).max()),
            Err(poisoned) => news.poisoned = Some(poisoned),
        }
        drop(news);
        tickets.clear();
        self.arrived.notify_one();
    }

    fn troubled(&self, trouble: WalTrouble<'_>) {
        match trouble {
            WalTrouble::NoSpace => {
                tracing::warn!("no space for the next file of the write-ahead log: writes are refused");
            }
            WalTrouble::SpaceAgain => tracing::warn!("the write-ahead log has space again: writes go on"),
            WalTrouble::Poisoned(poisoned) => {
                tracing::error!(error = %poisoned, "writing has failed: writes are refused until the next start");
            }
        }
    }
}

/// Appends to the WAL and calls back on this thread.
pub(crate) struct WalClient {
    wal: Wal,
    mailbox: Arc<SyncedMailbox>,
    waiting: RefCell<VecDeque<(u64, WhenSynced)>>,
    next_ticket: Cell<u64>,
}

impl WalClient {
    /// `mailbox` is the listener that `wal` was opened with. [`WalClient::deliver`] has to run.
    pub(crate) fn new(wal: Wal, mailbox: Arc<SyncedMailbox>) -> Rc<Self> {
        Rc::new(Self { wal, mailbox, waiting: RefCell::default(), next_ticket: Cell::new(0) })
    }

    pub(crate) fn wal(&self) -> &Wal {
        &self.wal
    }

    /// Appends `frames`, whose room was checked before they were proposed, and has them written; `then` is called when they are durable, in the order of these calls.
    pub(crate) fn append(
        &self,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        then: WhenSynced,
    ) -> Result<(), AppendError> {
        let ticket = self.next_ticket.get();
        self.wal.append_promised(shard, frames, Some(ticket))?;
        self.next_ticket.set(ticket + 1);
        self.waiting.borrow_mut().push_back((ticket, then));
        self.wal.submit();
        Ok(())
    }

    /// Appends a frame that need not be durable before something else is: it is written along with what comes next.
    pub(crate) fn append_along(&self, shard: ShardId, frame: Frame) -> Result<(), AppendError> {
        self.wal.append(shard, [frame], None)
    }

    /// Reads written entries back: those of `range` from its begin on, at least one, up to about `bytes_max`.
    pub(crate) async fn read_back(
        &self,
        shard: ShardId,
        range: Range<u64>,
        bytes_max: u64,
    ) -> Result<Vec<RecoveredEntry>, ReadBackError> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let index = range.start;
        let then = Box::new(move |read| {
            // The reader may have been dropped: its follower is not one any more.
            let _ = tell.send(read);
        });
        self.wal.read_back(shard, range, bytes_max, then);
        // Dropped unanswered when the log is closed.
        told.await.unwrap_or(Err(ReadBackError::Gone { shard, index }))
    }

    /// Calls back, for ever; a local task of the I/O thread.
    pub(crate) async fn deliver(self: Rc<Self>) {
        loop {
            self.mailbox.arrived.notified().await;
            let (synced_to, poisoned) = {
                let mut news = self.mailbox.news.lock().unwrap_or_else(PoisonError::into_inner);
                (news.synced_to.take(), news.poisoned.clone())
            };
            if let Some(synced_to) = synced_to {
                while let Some(then) = self.next_up_to(synced_to) {
                    then(Ok(()));
                }
            }
            if let Some(poisoned) = poisoned {
                while let Some(then) = self.next_up_to(u64::MAX) {
                    then(Err(poisoned.clone()));
                }
            }
        }
    }

    fn next_up_to(&self, ticket: u64) -> Option<WhenSynced> {
        let mut waiting = self.waiting.borrow_mut();
        let is_due = waiting.front().is_some_and(|(first, _)| *first <= ticket);
        is_due.then(|| waiting.pop_front()).flatten().map(|(_, then)| then)
    }
}
