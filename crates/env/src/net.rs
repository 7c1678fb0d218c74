//! Sockets.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::io;
use std::net::ToSocketAddrs;
use std::time::Duration;

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
