//! The client against a broker that does what a test wants, over real sockets.
#![allow(clippy::unwrap_used)] // tests

mod broker;
mod groups;
mod hostile;
mod pipe;
mod retries;
