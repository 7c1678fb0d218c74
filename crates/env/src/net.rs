//! Sockets.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::io;
use std::net::SocketAddr;

pub use tokio::net::{
    TcpListener, TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// Listens on `address`; port 0 takes a free one (ask the listener which).
///
/// # Errors
/// When the address is in use or not this machine's.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
