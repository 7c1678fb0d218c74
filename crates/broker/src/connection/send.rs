//! Sending an answer of pieces as the socket takes it.
//!
//! Segments are read with a read that never waits for a device, into one buffer of the thread; what is in no memory is read
//! by a thread that may wait, a piece at a time. What the socket does not take is read again: a copy of the page cache costs
//! less than a buffer for each slow reader. Why not `sendfile`: docs/adr/0008.
//!
//! Once its first byte is sent an answer can't become an error: a segment that can't be read then ends the connection, as in
//! Kafka.
//!
//! Invariant: one turn of the thread writes at most [`TURN_BYTES`] from memory and [`RANGE_BYTES`] from a segment, then the
//! other connections have theirs.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Poll, ready};

use bytes::Bytes;
use env::Instant;
use storage::partition_log::ReadSliceError;

use super::Connection;
use super::answer::{Answer, StoredRange};
use crate::memory_pool::{MemoryPool, Share};

/// Bytes in memory of one write.
const TURN_BYTES: usize = 1 << 20;
/// How many of them may stand behind a segment's: the frame's last ones, or the next partition's first.
const BEHIND_BYTES: usize = 64 << 10;
/// Bytes of a segment that are read at once; one buffer of them for all connections of a thread.
const RANGE_BYTES: usize = 512 << 10;
/// Bytes that are read at once by a thread that may wait. They stay in memory until they are sent.
const COLD_BYTES: usize = 256 << 10;
/// Pieces of one `writev`.
const SLICES_MAX: usize = 64;

thread_local! {
    static RANGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What became of a write.
enum Sent {
    /// Bytes; there may be more.
    Some,
    /// The socket takes no more at present.
    Full,
    /// The answer begins with bytes that are in no memory.
    Cold(StoredRange),
}

/// Sends all of `answer`; `answers` counts what is read for it from disk.
///
/// # Errors
/// Why the connection ends.
pub(super) async fn send(
    answers: &Rc<MemoryPool>,
    connection: &Connection,
    mut answer: Answer,
) -> Result<(), String> {
    wait_until_sent(connection).await?;
    let mut cold_share: Option<Share> = None;
    loop {
        match write(connection, &mut answer)? {
            Sent::Some => {
                connection.last_active.set(Instant::now());
                if answer.is_sent() {
                    return Ok(());
                }
                env::yield_now().await;
            }
            Sent::Full => {
                if answer.holds_memory() || cold_share.is_some() {
                    connection.stalled_since.set(Some(Instant::now()));
                }
                let writable = wait_until_writable(connection).await;
                connection.stalled_since.set(None);
                writable?;
            }
            Sent::Cold(range) => {
                // What was read before is sent: it came first.
                cold_share = Some(answers.take_anyway(COLD_BYTES.min(range.len)));
                answer.put(read(range).await.map_err(|error| unreadable(&error))?);
            }
        }
        if let Some(why) = connection.closed.get() {
            return Err(why.to_owned());
        }
    }
}

/// Writes once, if there is something to be written that needs no waiting.
fn write(connection: &Connection, answer: &mut Answer) -> Result<Sent, String> {
    let written = RANGE.with_borrow_mut(|buffer| {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let before_bytes_max = TURN_BYTES - BEHIND_BYTES;
        let (mut count, range) = answer.in_memory(0, &mut slices[..SLICES_MAX - 1], before_bytes_max);
        if let Some(range) = range {
            match read_at_once(range, buffer)? {
                Some(bytes) => {
                    slices[count] = IoSlice::new(bytes);
                    count += 1;
                    if bytes.len() == range.len {
                        count += answer.in_memory(count, &mut slices[count..], BEHIND_BYTES).0;
                    }
                }
                None if count == 0 => return Ok(Err(range.clone())),
                None => {}
            }
        }
        match connection.write.try_write_vectored(&slices[..count]) {
            Ok(0) => Err("the client closed it".to_owned()),
            Ok(written) => Ok(Ok(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Ok(0)),
            Err(error) => Err(error.to_string()),
        }
    })?;
    Ok(match written {
        Ok(0) => Sent::Full,
        Ok(count) => {
            connection.counters.sent(count);
            answer.advance(count);
            Sent::Some
        }
        Err(range) => Sent::Cold(range),
    })
}

/// The front of a range as far as that needs no waiting.
fn read_at_once<'b>(range: &StoredRange, buffer: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>, String> {
    // Not before it is needed: most brokers answer from memory.
    buffer.resize(RANGE_BYTES, 0);
    let buffer = &mut buffer[..range.len.min(RANGE_BYTES)];
    match range.file.read_at_once(buffer, range.position) {
        Ok(None) => Ok(None),
        Ok(Some(0)) => Err(unreadable(&ReadSliceError::Short {
            end: range.position + range.len as u64,
            missing: range.len,
        })),
        Ok(Some(count)) => Ok(Some(&buffer[..count])),
        Err(error) => Err(unreadable(&error.into())),
    }
}

/// The front of a range, by a thread that may wait for the disk.
async fn read(range: StoredRange) -> Result<Bytes, ReadSliceError> {
    env::task::spawn_blocking(move || {
        let mut bytes = vec![0; range.len.min(COLD_BYTES)];
        let count = range.file.read_at(&mut bytes, range.position)?;
        if count < bytes.len() {
            let (end, missing) = (range.position + bytes.len() as u64, bytes.len() - count);
            return Err(ReadSliceError::Short { end, missing });
        }
        Ok(bytes.into())
    })
    .await
}

fn unreadable(error: &ReadSliceError) -> String {
    tracing::error!(%error, "a segment could not be read");
    error.to_string()
}

/// Waits until the answers before this one have gone.
async fn wait_until_sent(connection: &Connection) -> Result<(), String> {
    while connection.has_unsent() {
        wait_until_writable(connection).await?;
        connection.send(|_| {});
    }
    Ok(())
}

async fn wait_until_writable(connection: &Connection) -> Result<(), String> {
    poll_fn(|cx| {
        if let Some(why) = connection.closed.get() {
            return Poll::Ready(Err(why.to_owned()));
        }
        *connection.task.borrow_mut() = Some(cx.waker().clone());
        let stream: &env::net::TcpStream = connection.write.as_ref();
        Poll::Ready(ready!(stream.poll_write_ready(cx)).map_err(|error| error.to_string()))
    })
    .await
}

#[cfg(test)]
#[path = "send_test.rs"]
mod send_test;
