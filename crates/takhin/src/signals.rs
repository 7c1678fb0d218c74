//! SIGTERM and SIGINT: the first asks for an orderly stop, the second for an immediate one.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a broker.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over; must be called on a runtime. Until then they end the process at once.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
