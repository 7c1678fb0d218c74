//! Sending an answer of pieces as the socket takes it.
//!
//! Segments are sent from the page cache, where they lie in it; what is in no memory is read ahead by threads that may wait
//! ([`super::cold`]). Nothing is kept for a slow reader of what is cached. Why not `sendfile`: docs/adr/0008.
//!
//! Once its first byte is sent an answer can't become an error: a segment that can't be read then ends the connection, as in
//! Kafka.
//!
//! Invariant: one turn of the thread writes at most [`TURN_BYTES`] from memory and [`RANGE_BYTES`] from a segment, then the
//! other connections have theirs.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Poll, ready};

use env::Instant;
use storage::partition_log::ReadSliceError;

use super::Connection;
use super::answer::Answer;
use super::cold::{Ahead, ColdReads};
use crate::memory_pool::Share;

/// Bytes in memory of one write.
const TURN_BYTES: usize = 1 << 20;
/// How many of them may stand behind a segment's: the frame's last ones, or the next partition's first.
const BEHIND_BYTES: usize = 64 << 10;
/// Bytes of a segment of one write.
const RANGE_BYTES: usize = 1 << 20;
/// Pieces of one `writev`.
const SLICES_MAX: usize = 64;

/// What became of a write.
enum Sent {
    /// Bytes; there may be more.
    Some,
    /// The socket takes no more at present.
    Full,
    /// The answer begins with bytes that are in no memory.
    Cold,
}

/// Sends all of `answer`; `reads` are those that wait for a disk.
///
/// # Errors
/// Why the connection ends.
pub(super) async fn send(
    reads: &ColdReads,
    connection: &Connection,
    mut answer: Answer,
) -> Result<(), String> {
    wait_until_sent(connection).await?;
    let mut ahead = Ahead::new(reads);
    let mut share: Option<Share> = None;
    loop {
        let sent = if ahead.has_begun(&answer) {
            Sent::Cold
        } else {
            write(connection, &mut answer, ahead.holds_memory())?
        };
        match sent {
            Sent::Some => {
                connection.last_active.set(Instant::now());
                if answer.is_sent() {
                    return Ok(());
                }
                env::yield_now().await;
            }
            Sent::Full => {
                if answer.holds_memory() || share.is_some() || ahead.holds_memory() {
                    connection.stalled_since.set(Some(Instant::now()));
                }
                let writable = wait_until_writable(connection).await;
                connection.stalled_since.set(None);
                writable?;
            }
            Sent::Cold => {
                let (bytes, of_bytes) = ahead.read(&answer).await.map_err(|error| unreadable(&error))?;
                // What was read before is sent: it came first.
                share = Some(of_bytes);
                answer.put(bytes);
            }
        }
        if let Some(why) = connection.closed.get() {
            return Err(why.to_owned());
        }
    }
}

/// Writes once, if there is something to be written that needs no waiting; no range while those that come next are being
/// read.
fn write(connection: &Connection, answer: &mut Answer, is_reading: bool) -> Result<Sent, String> {
    let cached;
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let before_bytes_max = TURN_BYTES - BEHIND_BYTES;
    let (mut count, range) = answer.in_memory(0, &mut slices[..SLICES_MAX - 1], before_bytes_max);
    if let Some(range) = range.filter(|_| !is_reading) {
        let front = range.file.cached(range.position, range.len.min(RANGE_BYTES));
        cached = front.map_err(|error| unreadable(&error))?;
        match &cached {
            Some(bytes) => {
                slices[count] = IoSlice::new(bytes.as_ref());
                count += 1;
                if bytes.len() == range.len {
                    count += answer.in_memory(count, &mut slices[count..], BEHIND_BYTES).0;
                }
            }
            None if count == 0 => return Ok(Sent::Cold),
            None => {}
        }
    }
    match connection.write.try_write_vectored(&slices[..count]) {
        Ok(0) => Err("the client closed it".to_owned()),
        Ok(count) => {
            connection.counters.sent(count);
            answer.advance(count);
            Ok(Sent::Some)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent::Full),
        Err(error) => Err(error.to_string()),
    }
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
