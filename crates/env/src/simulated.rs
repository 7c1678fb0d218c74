//! One thread as a whole machine room: time that moves only when everybody waits, dice from a seed, and processes that
//! can be killed. Compiled only with the feature `simulated`.
//!
//! Invariant: with one thread, one seed and no socket, what happens is a function of the seed.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::cell::Cell;
use std::future::Future;

use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

thread_local! {
    static DICE: Cell<Option<u64>> = const { Cell::new(None) };
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What the clock on the wall says when a simulation begins, in milliseconds since 1970.
const WALL_BEGIN_MS: i64 = 1_700_000_000_000;

/// Runs `future` in simulated time, its thread's dice rolled from `seed`; tasks left at its end are dropped.
///
/// # Panics
/// When the operating system refuses what a runtime needs.
pub fn block_on<F: Future>(seed: u64, future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without sockets needs memory only");
    let _seeded = Seeded::new(seed);
    LocalSet::new().block_on(&runtime, async {
        BEGAN.set(Some(Instant::now()));
        future.await
    })
}

/// The thread's dice are seeded while this lives.
struct Seeded(Option<u64>);

impl Seeded {
    fn new(seed: u64) -> Self {
        Self(DICE.replace(Some(seed)))
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        DICE.set(self.0);
        BEGAN.set(None);
    }
}

/// The time on the wall within [`block_on`], in milliseconds since 1970.
pub(crate) fn wall_ms() -> Option<i64> {
    let passed = BEGAN.get()?.elapsed().as_millis();
    Some(WALL_BEGIN_MS + i64::try_from(passed).unwrap_or(0))
}

/// True within [`block_on`], where nothing may happen on another thread.
pub(crate) fn is_alone() -> bool {
    BEGAN.get().is_some()
}

/// Fills `bytes` if this thread's dice are seeded (splitmix64); false when they are not.
pub(crate) fn fill_from_seed(bytes: &mut [u8]) -> bool {
    let Some(mut state) = DICE.get() else { return false };
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
    }
    DICE.set(Some(state));
    true
}

/// A process of the simulation: its first task and every local task that these start.
pub struct Process(JoinHandle<()>);

impl Process {
    /// Starts one on this thread, within [`block_on`].
    pub fn start<F: Future<Output = ()> + 'static>(first: F) -> Self {
        let tasks = LocalSet::new();
        tasks.spawn_local(first);
        Self(tokio::task::spawn_local(tasks))
    }

    /// True when all its tasks have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Ends it between two steps of its tasks: none runs again, and all are dropped on return.
    ///
    /// # Panics
    /// When one of its tasks had panicked, so that the failure is not lost.
    pub async fn kill(self) {
        self.0.abort();
        if let Err(failure) = self.0.await
            && failure.is_panic()
        {
            std::panic::resume_unwind(failure.into_panic());
        }
    }
}
