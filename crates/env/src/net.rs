//! Sockets.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use std::net::TcpListener as BlockingTcpListener;
pub use std::net::TcpStream as BlockingTcpStream;

pub use tokio::net::{
    TcpListener, TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// Listens on `host`, an address or a name of this machine; port 0 takes a free one (ask the listener which).
///
/// # Errors
/// When the address is in use or not this machine's.
pub async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

/// As [`listen`], for a thread that has no event loop yet: [`adopt`] makes it that loop's own.
///
/// # Errors
/// As [`listen`].
pub fn listen_blocking(host: &str, port: u16) -> io::Result<BlockingTcpListener> {
    let socket = std::net::TcpListener::bind((host, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Hands a socket of [`listen_blocking`] to the event loop of this thread.
///
/// # Errors
/// When the loop can't watch it.
pub fn adopt(socket: BlockingTcpListener) -> io::Result<TcpListener> {
    TcpListener::from_std(socket)
}

/// The addresses of `host`, itself if it is one; none where it has none or can't be asked for. A name is looked up on another
/// thread.
pub async fn addresses_of(host: &str) -> Vec<IpAddr> {
    let found = tokio::net::lookup_host((host, 0)).await;
    found.map_or_else(|_| Vec::new(), |addresses| addresses.map(|address| address.ip()).collect())
}

/// Connects to `host:port`, blocking: for tools, never on an I/O thread. Every address of the name is tried in turn.
///
/// # Errors
/// What the last address gave; the name has no address, or each took longer than `limit`.
pub fn connect_blocking(address: &str, limit: Duration) -> io::Result<std::net::TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match std::net::TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Hands a connection of [`connect_blocking`] to the event loop of this thread.
///
/// # Errors
/// When the loop can't watch it.
pub fn adopt_stream(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Reads what is there into `into`, and says how many bytes came: 0 once the other side has ended.
///
/// # Errors
/// The connection is broken.
pub fn poll_read(stream: &mut TcpStream, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    // Unlike `try_read` this takes a read that left room for the last one, and saves the one that would say so.
    Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
}

/// Writes as much of `bytes` as the socket takes, and says how much.
///
/// # Errors
/// The connection is broken.
pub fn poll_write(stream: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(cx, bytes)
}
