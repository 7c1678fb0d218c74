//! A connection's task: reads, hands produce requests over, and answers the others one at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use coordinator::group::BATCH_BYTES_MAX;
use env::Instant;
use env::net::OwnedReadHalf;
use tokio::io::{AsyncRead, ReadBuf};
use wire::api::ApiKey;
use wire::frame::LENGTH_SIZE;

use super::answer::Answer;
use super::inbox::{Inbox, first_frame, frame_bytes};
use super::{Connection, SLOTS_MAX, send};
use crate::api::data::batch_check::{self, Verdicts};
use crate::api::data::produce;
use crate::api::group::offset_commit;
use crate::dispatch::{self, StartError};
use crate::memory_pool::Share;
use crate::server::Broker;

/// Bytes read at once; one buffer for all connections of a thread.
const SCRATCH_BYTES: usize = 256 << 10;
/// A frame larger than this takes its share of the memory pool.
const SMALL_FRAME_BYTES: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// What a connection's task has to do next.
enum Next {
    /// Read more.
    Read,
    /// Wait until at most so many requests are under way that the pump answers.
    Slots(usize),
    /// Wait until the commit queue has room.
    Room,
    /// Answer the frame of this length at the inbox's front, once all before it is answered.
    Answer(usize),
    /// Have another thread check the produce request of this length at the inbox's front.
    Beside(usize),
    /// The frame at the front is large: take its share of the memory pool first.
    Share(usize),
    /// The client sent what is not taken.
    Refuse(String),
}

/// Serves a connection until it ends; what ended it is traced.
pub(crate) async fn run(broker: Rc<Broker>, connection: Rc<Connection>, read: OwnedReadHalf) {
    let (inbox, connection_of_task) = (Inbox::default(), connection.clone());
    let mut task = Task { broker, connection: connection_of_task, read, inbox, share: None, is_heavy: false };
    let why = task.serve().await;
    tracing::debug!(peer = %connection.peer, why, "connection ended");
}

struct Task {
    broker: Rc<Broker>,
    connection: Rc<Connection>,
    read: OwnedReadHalf,
    inbox: Inbox,
    /// Of the memory pool, for the frame that the inbox begins with.
    share: Option<Share>,
    /// Checking the produce request that the inbox begins with takes long.
    is_heavy: bool,
}

impl Task {
    async fn serve(&mut self) -> String {
        loop {
            if let Some(why) = self.connection.closed.get() {
                return why.to_owned();
            }
            match self.handle_inbox() {
                Next::Read => match poll_fn(|cx| self.poll_read(cx)).await {
                    Ok(true) => {}
                    Ok(false) => return "the client closed it".to_owned(),
                    Err(error) => return error.to_string(),
                },
                Next::Slots(count) => self.wait_for_slots(count).await,
                Next::Room => self.broker.committer().room().await,
                Next::Share(bytes) => self.share = Some(self.broker.memory.wait_for(bytes).await),
                Next::Beside(length) => {
                    if let Err(why) = self.produce_beside(length).await {
                        return why;
                    }
                }
                Next::Answer(length) => {
                    self.wait_for_slots(0).await;
                    if let Err(why) = self.answer(length).await {
                        return why;
                    }
                }
                Next::Refuse(why) => {
                    tracing::info!(peer = %self.connection.peer, why, "connection closed");
                    return why;
                }
            }
        }
    }

    /// Reads once and handles what came; false at the stream's end. Unsent answers are written first, and while they
    /// are not, nothing is read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        *self.connection.task.borrow_mut() = Some(cx.waker().clone());
        while self.connection.has_unsent() {
            if self.connection.closed.get().is_some() {
                return Poll::Ready(Ok(false));
            }
            std::task::ready!(self.poll_writable(cx))?;
            self.connection.send(|_| {});
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // While others wait for their share of the pool, little is read that has none.
            let is_scarce = self.share.is_none() && self.broker.memory.is_awaited();
            let count = if is_scarce { SMALL_FRAME_BYTES } else { SCRATCH_BYTES };
            let mut buffer = ReadBuf::new(&mut scratch[..count]);
            std::task::ready!(Pin::new(&mut self.read).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.connection.last_active.set(Instant::now());
            self.broker.counters.received(bytes.len());
            self.take_in(bytes);
            Poll::Ready(Ok(true))
        })
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream: &env::net::TcpStream = self.connection.write.as_ref();
        stream.poll_write_ready(cx)
    }

    /// What the pump answers straight from the scratch buffer; what is left goes to the inbox.
    fn take_in(&mut self, mut bytes: &[u8]) {
        if self.inbox.is_empty() {
            while let Ok(Some(frame)) = first_frame(bytes, self.broker.options.frame_bytes_max)
                && let Some(key) = dispatch::key_of(frame).filter(|key| is_of_pump(*key))
                && self.hindrance(key, frame.len()).is_none()
            {
                match self.start(key, frame) {
                    Ok(_) => bytes = &bytes[LENGTH_SIZE + frame.len()..],
                    Err(error) => {
                        self.is_heavy = matches!(error, StartError::Heavy);
                        break;
                    }
                }
            }
        }
        if !bytes.is_empty() {
            self.inbox.push(bytes);
        }
        let began = (!self.inbox.is_empty()).then(|| self.connection.last_active.get());
        self.connection.frame_began.set(began.and(self.connection.frame_began.get()).or(began));
    }

    /// Starts a request that the pump answers.
    fn start(&self, key: ApiKey, frame: &[u8]) -> Result<Instant, StartError> {
        match key {
            ApiKey::OffsetCommit => offset_commit::start(&self.broker, &self.connection, frame),
            _ => produce::start(&self.broker, &self.connection, frame, Verdicts::new()),
        }
    }

    /// What a request that the pump answers has to wait for before it begins.
    fn hindrance(&self, key: ApiKey, frame_bytes: usize) -> Option<Next> {
        let is_commit = key == ApiKey::OffsetCommit;
        let is_alone = is_commit || self.connection.is_committing.get();
        let (others_max, others_awaited) = if is_alone { (0, 0) } else { (SLOTS_MAX - 1, SLOTS_MAX / 2) };
        if self.connection.slots() > others_max {
            return Some(Next::Slots(others_awaited));
        }
        // What is refused takes no room: its client must hear of it although there is none.
        let bytes = if is_commit { BATCH_BYTES_MAX } else { 2 * frame_bytes };
        let has_room = self.broker.committer().check_room(bytes).is_ok();
        (!has_room && self.broker.node().refuses_writes().is_none()).then_some(Next::Room)
    }

    /// Handles whole frames from the inbox; what is to be done next.
    fn handle_inbox(&mut self) -> Next {
        let bytes_max = self.broker.options.frame_bytes_max;
        loop {
            let bytes = self.inbox.as_slice();
            let length = match frame_bytes(bytes, bytes_max) {
                Ok(Some(length)) => length,
                Ok(None) => return Next::Read,
                Err(bad) => return Next::Refuse(bad.to_string()),
            };
            if length > SMALL_FRAME_BYTES && self.share.is_none() {
                return Next::Share(length);
            }
            let Some(frame) = bytes.get(LENGTH_SIZE..LENGTH_SIZE + length) else { return Next::Read };
            let Some(key) = dispatch::key_of(frame).filter(|key| is_of_pump(*key)) else {
                return Next::Answer(length);
            };
            if let Some(first) = self.hindrance(key, length) {
                return first;
            }
            if self.is_heavy {
                self.is_heavy = false;
                return Next::Beside(length);
            }
            match self.start(key, frame) {
                Ok(now) => self.consumed(LENGTH_SIZE + length, now),
                Err(StartError::Heavy) => return Next::Beside(length),
                Err(error) => return Next::Refuse(error.to_string()),
            }
        }
    }

    fn consumed(&mut self, count: usize, now: Instant) {
        self.inbox.consume(count);
        self.frame_handled(now);
    }

    fn frame_handled(&mut self, now: Instant) {
        self.share = None;
        let began = (!self.inbox.is_empty()).then(|| self.connection.last_active.get());
        self.connection.frame_began.set(began);
        // Parts that were refused are answered at once.
        self.connection.send_ready(now);
    }

    /// Starts the produce request at the inbox's front once a thread beside this one has checked its batches. Nothing behind
    /// it is looked at meanwhile, so that the batches of a connection stay in order.
    async fn produce_beside(&mut self, length: usize) -> Result<(), String> {
        let mut frame = self.inbox.take_frame(length);
        let now = loop {
            let checks = produce::checks(&self.broker, &frame).map_err(|error| error.to_string())?;
            let verdicts;
            (frame, verdicts) = env::task::spawn_blocking(move || {
                let verdicts = batch_check::check_all(&frame, checks);
                (frame, verdicts)
            })
            .await;
            while self.hindrance(ApiKey::Produce, length).is_some() && self.connection.closed.get().is_none()
            {
                self.broker.committer().room().await;
            }
            match produce::start(&self.broker, &self.connection, &frame, verdicts) {
                Ok(now) => break now,
                // A topic was created meanwhile.
                Err(StartError::Heavy) => {}
                Err(error) => return Err(error.to_string()),
            }
        };
        self.frame_handled(now);
        Ok(())
    }

    /// Waits until at most `count` requests are under way that the pump answers, or the connection is closed.
    async fn wait_for_slots(&self, count: usize) {
        let connection = &self.connection;
        poll_fn(|cx| {
            if connection.slots() <= count || connection.closed.get().is_some() {
                return Poll::Ready(());
            }
            connection.slots_awaited.set(Some(count));
            *connection.task.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        connection.slots_awaited.set(None);
    }

    /// Answers the first frame of the inbox, which the pump does not.
    async fn answer(&mut self, length: usize) -> Result<(), String> {
        let frame = self.inbox.take_frame(length);
        self.connection.frame_began.set(None);
        let (mut answer, read_at) = (Answer::default(), self.connection.last_active.get());
        let answered = dispatch::answer(&self.broker, &self.connection, &frame, &mut answer);
        let key = dispatch::key_of(&frame);
        if key == Some(ApiKey::Fetch) {
            // A fetch may be given up while it waits; other requests change something.
            tokio::select! {
                biased;
                answered = answered => answered?,
                why = ended(&self.connection, &mut self.read, &mut self.inbox) => return Err(why),
            }
        } else {
            answered.await?;
        }
        drop(frame);
        let now = Instant::now();
        key.into_iter().for_each(|key| self.broker.counters.took(key, now.since(read_at)));
        self.connection.last_active.set(now);
        match answer.into_own_bytes() {
            Ok(out) => self.connection.send(|unsent| {
                if unsent.is_empty() { *unsent = out } else { unsent.extend_from_slice(&out) }
            }),
            Err(answer) => send::send(&self.broker.cold_reads, &self.connection, answer).await?,
        }
        self.frame_handled(now);
        Ok(())
    }
}

/// Whether an API's answers are the pump's to write.
fn is_of_pump(key: ApiKey) -> bool {
    matches!(key, ApiKey::Produce | ApiKey::OffsetCommit)
}

/// Resolves when the client has gone or the connection was closed. The end of the stream comes behind what was sent before
/// it, so that a little of that is read ahead; a client that sends more is seen to be gone when its turn comes.
async fn ended(connection: &Connection, read: &mut OwnedReadHalf, inbox: &mut Inbox) -> String {
    poll_fn(|cx| {
        if let Some(why) = connection.closed.get() {
            return Poll::Ready(why.to_owned());
        }
        *connection.task.borrow_mut() = Some(cx.waker().clone());
        while inbox.len() < SMALL_FRAME_BYTES {
            let read_ahead = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(&mut scratch[..SMALL_FRAME_BYTES]);
                std::task::ready!(Pin::new(&mut *read).poll_read(cx, &mut buffer))?;
                inbox.push(buffer.filled());
                Poll::Ready(Ok::<_, io::Error>(buffer.filled().len()))
            });
            match std::task::ready!(read_ahead) {
                Ok(0) => return Poll::Ready("the client closed it".to_owned()),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error.to_string()),
            }
        }
        Poll::Pending
    })
    .await
}
