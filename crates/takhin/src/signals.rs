//! SIGTERM and SIGINT: the first asks for an orderly stop, the second for an immediate one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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

/// What a shell takes for "ended by SIGINT".
const INTERRUPTED_STATUS: i32 = 130;

/// Has a thread of its own wait for signals, for a tool without a runtime; returns what is true once the first has come.
///
/// # Errors
/// The operating system has no thread left.
pub(crate) fn watch() -> io::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopped);
    env::spawn_thread("signals", move || {
        env::task::block_on_io_thread(async {
            // Refused, the first signal ends the process at once, as it does by default.
            let Ok(mut signals) = Signals::new() else { return };
            signals.next().await;
            told.store(true, Ordering::Relaxed);
            signals.next().await;
            env::task::end_process(INTERRUPTED_STATUS);
        })
    })?;
    Ok(stopped)
}
