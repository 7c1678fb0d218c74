//! One connection: a local task that reads frames and answers them in order.
//!
//! Produce requests overlap: they are checked and added to the forming group while reading goes on, and the pump writes
//! their answers. Any other request starts when all before it are answered and nothing behind it starts until it is
//! answered itself, as in Kafka, where a connection is muted meanwhile. A commit of offsets is such a request, but the pump
//! writes its answer, too: a thousand consumers' are answered in one go, and no task is woken for it.
//!
//! Back-pressure is not reading: while output waits for the socket, while too many produce requests are under way, while
//! the commit queue or the memory pool is full.
//!
//! Invariant: a frame's length is checked before anything is allocated for it.
//! Invariant: nothing of the thread's scratch buffer is needed once `read_some` has returned.

pub(crate) mod answer;
mod cold;
mod inbox;
pub(crate) mod replies;
mod send;
mod task;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use env::Instant;
use env::net::OwnedWriteHalf;

use self::replies::{PartAnswer, Replies, Slot, SlotNumber};
use crate::counters::Counters;
use crate::flows::Flow;

pub(crate) use cold::ColdReads;
pub(crate) use task::run;

/// Produce requests that may be under way on one connection; a client's `max.in.flight` is 5 by default.
pub(crate) const SLOTS_MAX: usize = 128;
/// Unsent answers beyond which nothing more is read.
const OUT_BYTES_MAX: usize = 1 << 20;

/// What a connection's task shares with the pump.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// Host and port that this client is told to connect to.
    pub(crate) advertised: (String, u16),
    write: OwnedWriteHalf,
    counters: Rc<Counters>,
    replies: RefCell<Replies>,
    /// The connection's task, waiting.
    task: RefCell<Option<Waker>>,
    /// A commit of offsets is under way: nothing behind it begins.
    is_committing: Cell<bool>,
    /// The task waits until at most so many requests are under way.
    slots_awaited: Cell<Option<usize>>,
    closed: Cell<Option<&'static str>>,
    /// Since when the socket has taken nothing of an answer that holds memory.
    pub(crate) stalled_since: Cell<Option<Instant>>,
    /// The commit that answered it last (`cluster::commit::NewItem`); 0: none has.
    pub(crate) answered_in: Cell<u64>,
    /// Where the batches that it sent last are counted.
    pub(crate) flow: RefCell<Option<Rc<Flow>>>,
    /// Name and version of the client's library, if it said so (KIP-511).
    pub(crate) software: RefCell<Option<Arc<str>>>,
    /// When something came or went last.
    pub(crate) last_active: Cell<Instant>,
    /// When the frame began of which only a part has come.
    pub(crate) frame_began: Cell<Option<Instant>>,
}

impl Connection {
    pub(crate) fn new(
        peer: SocketAddr,
        advertised: (String, u16),
        write: OwnedWriteHalf,
        counters: Rc<Counters>,
    ) -> Rc<Self> {
        Rc::new(Self {
            peer,
            advertised,
            write,
            counters,
            replies: RefCell::default(),
            task: RefCell::default(),
            is_committing: Cell::default(),
            slots_awaited: Cell::new(None),
            closed: Cell::new(None),
            stalled_since: Cell::new(None),
            answered_in: Cell::default(),
            flow: RefCell::default(),
            software: RefCell::default(),
            last_active: Cell::new(Instant::now()),
            // The first request has to come as soon as the rest of a half-sent one.
            frame_began: Cell::new(Some(Instant::now())),
        })
    }

    /// Ends the connection; its task sees it at its next step.
    pub(crate) fn close(&self, why: &'static str) {
        if self.closed.get().is_none() {
            self.closed.set(Some(why));
        }
        self.wake_task();
    }

    /// Takes a slot for a produce request.
    pub(crate) fn open_slot(&self, slot: Slot) -> SlotNumber {
        self.replies.borrow_mut().open(slot)
    }

    /// Fills a part of a slot; true when the connection has something to send.
    pub(crate) fn fill(&self, slot: SlotNumber, part: usize, answer: PartAnswer) -> bool {
        self.replies.borrow_mut().fill(slot, part, answer)
    }

    /// Requests under way that the pump answers.
    pub(crate) fn slots(&self) -> usize {
        self.replies.borrow().len() + usize::from(self.is_committing.get())
    }

    /// A commit of offsets begins; no other request is under way.
    pub(crate) fn begin_commit(&self) {
        self.is_committing.set(true);
    }

    /// Lets `write` append the answer of the commit of offsets that is under way; the pump sends it.
    pub(crate) fn end_commit(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.replies.borrow_mut().out);
        self.is_committing.set(false);
    }

    /// Answers produce requests whose time is over.
    pub(crate) fn time_out(&self, now: Instant) {
        if self.replies.borrow_mut().time_out(now) {
            self.send_ready(now);
        }
    }

    /// Encodes what is complete `now` and writes what the socket takes. The task is woken only when this is what it waits for,
    /// or when it has to look after the rest: a client with one request in flight costs no wake-up here.
    pub(crate) fn send_ready(&self, now: Instant) {
        let mut replies = self.replies.borrow_mut();
        replies.encode_ready(&self.counters, now);
        self.try_send(&mut replies.out);
        drop(replies);
        let slots = self.slots();
        let is_awaited = self.slots_awaited.get().is_some_and(|awaited| slots <= awaited);
        if is_awaited || self.has_unsent() || self.closed.get().is_some() {
            self.wake_task();
        }
    }

    /// Lets `write` append an answer and sends what the socket takes.
    pub(crate) fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut replies = self.replies.borrow_mut();
        write(&mut replies.out);
        self.try_send(&mut replies.out);
    }

    /// True when answers wait for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.replies.borrow().out.is_empty()
    }

    fn try_send(&self, out: &mut Vec<u8>) {
        let mut sent = 0;
        while sent < out.len() {
            match self.write.try_write(&out[sent..]) {
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    // The client is gone; what it asked for is done all the same.
                    self.closed.set(self.closed.get().or(Some("the client closed it")));
                    out.clear();
                    return;
                }
            }
        }
        self.counters.sent(sent);
        if sent == out.len() {
            out.clear();
            // A large answer's buffer is not kept for a connection that may never need it again.
            if out.capacity() > OUT_BYTES_MAX {
                out.shrink_to(4096);
            }
        } else {
            out.drain(..sent);
        }
    }

    fn wake_task(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
    }
}
