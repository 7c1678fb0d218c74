//! What a commit released: outcomes into their connections' slots, then one write per connection.
//!
//! The pump only ever tries to write. A socket that takes less wakes its own connection's task, which waits for it and
//! reads nothing meanwhile; the pump waits for nobody.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use cluster::commit::{Commit, CommitListener, Committed};
use env::Instant;
use tokio::sync::Notify;
use wire::api::ApiKey;
use wire::error::ErrorCode;

use crate::connection::Connection;
use crate::connection::replies::{PartAnswer, SlotNumber};
use crate::counters::Counters;
use crate::error_map;
use crate::flows::{Flow, SentBatch};
use crate::groups::{Seat, Written};
use crate::server::Broker;

/// Who waits for a record batch's outcome.
pub(crate) enum Waiter {
    /// A part of an answer.
    Part { connection: Rc<Connection>, slot: SlotNumber, part: usize, counted: Counted },
    /// A coordinator of groups.
    Coordinator(Written),
    /// Nobody (acks=0); on an error the connection is closed, as Kafka does.
    Nobody { connection: Rc<Connection>, counted: Counted },
}

/// A batch, and where it is counted once it is acknowledged.
pub(crate) struct Counted {
    pub(crate) flow: Rc<Flow>,
    pub(crate) batch: SentBatch,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Pump {
    counters: Rc<Counters>,
    ready: RefCell<Vec<Rc<Connection>>>,
    /// Coordinators that have announced a record batch.
    forming: RefCell<Vec<(Weak<Broker>, Rc<Seat>)>>,
    work: Notify,
}

impl CommitListener<Waiter> for Pump {
    fn committed(&self, waiter: Waiter, outcome: Committed, commit: &Commit) {
        let answer = match outcome {
            Ok(Ok(appended)) => PartAnswer {
                error: ErrorCode::NONE,
                message: None,
                record_errors: None,
                base_offset: appended.base_offset,
                log_append_time: appended.log_append_time,
                log_start_offset: appended.log_start_offset,
            },
            Ok(Err(refused)) => PartAnswer::error(error_map::refused(&refused), None),
            Err(error) => PartAnswer::error(error_map::propose(&error), None),
        };
        let is_good = answer.error == ErrorCode::NONE;
        let count = |counted: Counted| {
            if is_good {
                counted.flow.acknowledged(&counted.batch, commit);
            }
        };
        match waiter {
            Waiter::Part { connection, slot, part, counted } => {
                count(counted);
                connection.answered_in.set(commit.number);
                if connection.fill(slot, part, answer) {
                    self.ready.borrow_mut().push(connection);
                }
            }
            Waiter::Nobody { connection, counted } => {
                count(counted);
                if !is_good {
                    // What is answered is counted with its answer.
                    self.counters.failed(ApiKey::Produce, answer.error, 1);
                    connection.close("a produce with acks=0 failed");
                }
            }
            Waiter::Coordinator(written) => written.ended(is_good, commit.number),
        }
    }

    fn entry_done(&self) {
        self.work.notify_one();
    }

    fn gather(&self) {
        for (broker, seat) in self.forming.take() {
            if let Some(broker) = broker.upgrade() {
                seat.hand_over(&broker);
            }
        }
    }
}

impl Pump {
    /// Sends what a connection has, with what others have.
    pub(crate) fn send(&self, connection: Rc<Connection>) {
        let mut ready = self.ready.borrow_mut();
        if ready.is_empty() {
            self.work.notify_one();
        }
        ready.push(connection);
    }

    /// Notes that a coordinator has announced a record batch.
    pub(crate) fn announced(&self, broker: &Rc<Broker>, seat: Rc<Seat>) {
        self.forming.borrow_mut().push((Rc::downgrade(broker), seat));
    }

    /// Where it counts.
    pub(crate) fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }

    /// Writes answers, for ever; a local task of the I/O thread.
    pub(crate) async fn run(self: Rc<Self>) {
        let mut ready = Vec::new();
        loop {
            self.work.notified().await;
            std::mem::swap(&mut ready, &mut self.ready.borrow_mut());
            let now = Instant::now();
            ready.drain(..).for_each(|connection: Rc<Connection>| connection.send_ready(now));
        }
    }
}
