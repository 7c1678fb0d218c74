//! Tasks and threads.
//!
//! An I/O thread owns its sockets: it runs one current-thread runtime with local tasks, and what it owns never
//! moves to another thread (docs/adr/0002).
#![allow(clippy::disallowed_methods)] // the one place that may

use std::future::Future;
use std::io;

pub use tokio::task::JoinHandle;

/// Runs `future` and every local task that it starts on this thread until `future` ends; tasks left then are dropped.
///
/// # Errors
/// When the operating system refuses the event queue.
pub fn block_on_io_thread<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    let local = tokio::task::LocalSet::new();
    Ok(local.block_on(&runtime, future))
}

/// Starts a task on this I/O thread.
pub fn spawn_local<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    tokio::task::spawn_local(future)
}

/// Lets the other tasks of this thread run once, and the sockets be asked once.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// Runs `work`, which may block on a file, on a thread beside the I/O threads.
///
/// # Panics
/// When `work` panics, so that the failure is not lost.
pub async fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[cfg(feature = "simulated")]
    if crate::simulated::is_alone() {
        yield_now().await;
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// Starts a thread called `name`.
///
/// # Errors
/// When the operating system has no thread left.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// How far a background thread stands behind the others: on a processor that is never free it still has about a tenth.
const BACKGROUND_NICE: i32 = 10;

/// Starts a thread called `name` that stands behind the others where a processor is wanted by both. It is to call [`give_way`] in long
/// computations, as kernels may leave a thread of any priority its processor until the next tick (4 ms).
///
/// # Errors
/// When the operating system has no thread left.
pub fn spawn_background_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    spawn_thread(name, move || {
        // On Linux this is about the calling thread alone. Refused, the thread competes with the others: slower, and no worse.
        let _ = rustix::process::nice(BACKGROUND_NICE);
        work()
    })
}

/// Lets another thread that waits for this one's processor have it; returns at once where there is none.
pub fn give_way() {
    std::thread::yield_now();
}

/// Blocks this thread until it is unparked or `span` is over; for threads of their own, never on an I/O thread.
pub fn park_timeout(span: std::time::Duration) {
    std::thread::park_timeout(span);
}

/// Ends the process with `status`, whatever its threads are doing.
pub fn end_process(status: i32) -> ! {
    std::process::exit(status)
}
