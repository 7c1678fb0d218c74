//! The log as callers have it: a handle for all threads, and the two threads behind it.
//!
//! Hot path: `append` and `submit` take one lock for a moment; the WAL thread swaps the whole queue out, and is woken only
//! when it sleeps. The listener is called once per write, under no lock.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use env::Instant;
use env::disk::Disk;

use super::error::{AppendError, Poisoned, WalError};
use super::frame::Frame;
use super::options::WalOptions;
use super::queue::WalQueue;
use super::read_back::{LocatedRead, ReadRequest, ThenRead};
use super::recovery::Recovered;
use super::stats::WalStats;
use super::upkeep::{Upkeep, UpkeepDone};
use super::writer::{Step, WalCore};
use crate::id::ShardId;

/// How long to wait before asking a full disk again.
pub(super) const SPACE_RETRY: Duration = Duration::from_secs(1);

/// Told, by whoever writes (the WAL thread), what has become durable. It must not own a [`Wal`]: the last handle joins that thread.
pub trait WalListener: Send + Sync {
    /// The frames of these tickets are durable, or will never be known to be. Called once per write, tickets in the order
    /// of their appends; what is left in `batch` is cleared afterwards. Told of a failure, [`Wal::poisoned`] says so already. Must
    /// not block: the next write waits for it.
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>);

    /// The log has got into trouble, or out of it: for whoever tells people. Each is told once.
    fn troubled(&self, _trouble: WalTrouble<'_>) {}
}

/// What [`WalListener::troubled`] tells.
#[derive(Clone, Copy, Debug)]
pub enum WalTrouble<'a> {
    /// There is no space for the next file: entries are refused from now on.
    NoSpace,
    /// There is space again.
    SpaceAgain,
    /// Nothing is written any more.
    Poisoned(&'a Poisoned),
}

/// A handle to the write-ahead log; clones share it. The last one to go writes what was submitted and ends the threads.
#[derive(Clone)]
pub struct Wal {
    threads: Arc<Threads>,
}

struct Threads {
    shared: Arc<Shared>,
    wal: Option<JoinHandle<()>>,
    upkeep: Option<JoinHandle<()>>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Whoever writes waits to be woken.
    sleeping: AtomicBool,
    /// Entries are refused for want of space.
    no_space: AtomicBool,
    queued_bytes: AtomicU64,
    queued_bytes_max: u64,
    poisoned: OnceLock<Poisoned>,
    writer: OnceLock<Waker>,
    upkeep_thread: OnceLock<Thread>,
}

/// How to wake whoever writes.
pub(super) enum Waker {
    /// The WAL thread.
    Thread(Thread),
    /// Who steps a [`super::WalSteps`].
    Call(Box<dyn Fn() + Send + Sync>),
}

impl Waker {
    fn wake(&self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Call(call) => call(),
        }
    }
}

struct State {
    queue: WalQueue,
    /// At most one per shard.
    releases: Vec<(ShardId, u64)>,
    /// At most one prepares a file; removals are added to it while it waits.
    upkeep: Option<Upkeep>,
    upkeep_done: Vec<UpkeepDone>,
    /// Each shard's readers have one under way at most.
    reads: Vec<ReadRequest>,
    located: Vec<LocatedRead>,
    stats: WalStats,
    closing: bool,
}

impl Wal {
    /// Opens the log in `dir`, which is created when missing, and starts its threads.
    ///
    /// # Errors
    /// [`WalError`]; a damaged log is left as it is.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        listener: Arc<dyn WalListener>,
    ) -> Result<(Self, Recovered), WalError> {
        let (core, recovered) = WalCore::open(disk.clone(), dir, options.clone())?;
        let shared = Shared::new(&core, &recovered, &options);
        let mut threads = Threads { shared: shared.clone(), wal: None, upkeep: None };
        let (for_upkeep, dir) = (shared.clone(), dir.to_owned());
        let upkeep = env::spawn_thread("wal-upkeep", move || run_upkeep(&for_upkeep, &*disk, &dir, &options));
        let upkeep = threads.upkeep.insert(upkeep.map_err(WalError::System)?).thread().clone();
        shared.upkeep_thread.set(upkeep).expect("set once");
        let turns = Turns::new(shared, core);
        let wal = env::spawn_thread("wal", move || run_wal(turns, &*listener));
        let wal = threads.wal.insert(wal.map_err(WalError::System)?).thread().clone();
        threads.shared.set_waker(Waker::Thread(wal));
        Ok((Self { threads: Arc::new(threads) }, recovered))
    }

    /// A handle without threads: whoever has the shared state writes.
    pub(super) fn without_threads(shared: Arc<Shared>) -> Self {
        Self { threads: Arc::new(Threads { shared, wal: None, upkeep: None }) }
    }

    /// Queues frames of one shard and returns at once; nothing is written before [`Wal::submit`].
    ///
    /// Frames become durable in the order in which they were queued, over all shards. `ticket` is given to the listener once
    /// the last of `frames` is durable.
    ///
    /// # Errors
    /// Nothing of the call is queued then. [`AppendError::Full`] and [`AppendError::NoSpace`] only refuse entries; ask
    /// [`Wal::check_room`] beforehand where a refusal would be fatal.
    pub fn append(
        &self,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        ticket: Option<u64>,
    ) -> Result<(), AppendError> {
        self.queue(|queue| queue.append(shard, frames, ticket))
    }

    /// As [`Wal::append`], for entries whose room was checked before: when it has gone since they wait for space, because
    /// whoever promised to take them can't take that back. What is promised between check and append must be bounded.
    ///
    /// # Errors
    /// Neither [`AppendError::Full`] nor [`AppendError::NoSpace`].
    pub fn append_promised(
        &self,
        shard: ShardId,
        frames: impl IntoIterator<Item = Frame>,
        ticket: Option<u64>,
    ) -> Result<(), AppendError> {
        self.queue(|queue| queue.append_promised(shard, frames, ticket))
    }

    fn queue(
        &self,
        append: impl FnOnce(&mut WalQueue) -> Result<(), AppendError>,
    ) -> Result<(), AppendError> {
        let shared = &self.threads.shared;
        if let Some(poisoned) = shared.poisoned.get() {
            return Err(poisoned.clone().into());
        }
        let mut state = shared.lock();
        append(&mut state.queue)?;
        shared.queued_bytes.store(state.queue.bytes(), Ordering::Relaxed);
        Ok(())
    }

    /// Hands everything queued so far to the WAL thread, and wakes it if it sleeps.
    pub fn submit(&self) {
        let shared = &self.threads.shared;
        shared.lock().queue.submit();
        shared.wake();
    }

    /// Whether an append of entries would be accepted now. Takes no lock.
    ///
    /// # Errors
    /// What the append would return.
    pub fn check_room(&self) -> Result<(), AppendError> {
        let shared = &self.threads.shared;
        if let Some(poisoned) = shared.poisoned.get() {
            return Err(poisoned.clone().into());
        }
        if shared.no_space.load(Ordering::Relaxed) {
            return Err(AppendError::NoSpace);
        }
        let (queued_bytes, queued_bytes_max) =
            (shared.queued_bytes.load(Ordering::Relaxed), shared.queued_bytes_max);
        if queued_bytes < queued_bytes_max {
            return Ok(());
        }
        Err(AppendError::Full { queued_bytes, queued_bytes_max })
    }

    /// The shard's entries up to `index` are applied and synced elsewhere: the log may forget them, whole files at a time.
    ///
    /// What is forgotten counts as purged at the next start, also where the shard never purged it.
    pub fn release(&self, shard: ShardId, index: u64) {
        let shared = &self.threads.shared;
        let mut state = shared.lock();
        match state.releases.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, known)) => *known = index.max(*known),
            None => state.releases.push((shard, index)),
        }
        drop(state);
        // Otherwise the next write takes it along.
        if shared.no_space.load(Ordering::Relaxed) {
            shared.wake();
        }
    }

    /// Reads entries of `shard` back from disk, off the writer's path: those of `range` that are written, from its begin on
    /// without a gap, up to about `bytes_max` of payload but at least one. `then` is called once, on any thread.
    pub fn read_back(&self, shard: ShardId, range: Range<u64>, bytes_max: u64, then: ThenRead) {
        let shared = &self.threads.shared;
        shared.lock().reads.push(ReadRequest { shard, range, bytes_max, then });
        shared.wake();
    }

    /// Why writing has stopped, when it has.
    #[must_use]
    pub fn poisoned(&self) -> Option<&Poisoned> {
        self.threads.shared.poisoned.get()
    }

    /// The counters as of the last write.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        let state = self.threads.shared.lock();
        WalStats { queued_bytes: state.queue.bytes(), ..state.stats }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake();
        // A thread that panicked has ended the process already.
        if let Some(thread) = self.wal.take() {
            let _ = thread.join();
        }
        if let Some(thread) = self.upkeep.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(super) fn new(core: &WalCore, recovered: &Recovered, options: &WalOptions) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                queue: WalQueue::new(recovered, options),
                releases: Vec::new(),
                upkeep: None,
                upkeep_done: Vec::new(),
                reads: Vec::new(),
                located: Vec::new(),
                stats: core.stats(),
                closing: false,
            }),
            sleeping: AtomicBool::new(false),
            no_space: AtomicBool::new(false),
            queued_bytes: AtomicU64::new(0),
            queued_bytes_max: options.queued_bytes_max,
            poisoned: OnceLock::new(),
            writer: OnceLock::new(),
            upkeep_thread: OnceLock::new(),
        })
    }

    pub(super) fn set_waker(&self, waker: Waker) {
        assert!(self.writer.set(waker).is_ok(), "one writer");
    }

    /// A caller that panicked under the lock left the state whole: all it does there is push.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.wake();
        }
    }

    /// Says that whoever writes is about to sleep; false when there is something to do.
    pub(super) fn fall_asleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        let state = self.lock();
        state.queue.is_empty() && state.upkeep_done.is_empty() && state.reads.is_empty() && !state.closing
    }

    /// The next thing that is to be done beside the writer.
    pub(super) fn take_aside(&self) -> Option<Aside> {
        let mut state = self.lock();
        // A follower waits for what is read; nobody waits for a file.
        match state.located.pop() {
            Some(read) => Some(Aside::Read(read)),
            None => state.upkeep.take().map(Aside::Upkeep),
        }
    }

    pub(super) fn upkeep_done(&self, done: UpkeepDone) {
        self.lock().upkeep_done.push(done);
        self.wake();
    }
}

/// What is done beside the writer.
pub(super) enum Aside {
    Read(LocatedRead),
    Upkeep(Upkeep),
}

/// The writing side of the handle, turn by turn.
pub(super) struct Turns {
    pub(super) shared: Arc<Shared>,
    core: WalCore,
    releases: Vec<(ShardId, u64)>,
    reads: Vec<ReadRequest>,
    asked_for_space: Instant,
}

impl Turns {
    pub(super) fn new(shared: Arc<Shared>, core: WalCore) -> Self {
        Self { shared, core, releases: Vec::new(), reads: Vec::new(), asked_for_space: Instant::now() }
    }

    /// Takes what is there and writes a group of it; the second result is true once the last handle is gone.
    pub(super) fn turn(&mut self, listener: &dyn WalListener) -> (Step, bool) {
        let Self { shared, core, releases, reads, asked_for_space } = self;
        let closing = take(shared, core, releases, reads);
        for (shard, index) in releases.drain(..) {
            core.release(shard, index);
        }
        let was_poisoned = shared.poisoned.get().is_some();
        let step = core.step(&PoisonedFirst { shared, listener });
        if let Some(poisoned) = core.poisoned().filter(|_| !was_poisoned) {
            // Set before the queue is looked at again: what is appended later is refused, what came before is failed.
            shared.poisoned.get_or_init(|| poisoned.clone());
            listener.troubled(WalTrouble::Poisoned(poisoned));
        }
        let no_space = core.refuses_entries();
        if shared.no_space.swap(no_space, Ordering::Relaxed) != no_space {
            shared.lock().queue.set_no_space(no_space);
            listener.troubled(if no_space { WalTrouble::NoSpace } else { WalTrouble::SpaceAgain });
        }
        if asked_for_space.elapsed() >= SPACE_RETRY {
            core.retry();
            *asked_for_space = Instant::now();
        }
        request_aside(shared, core, reads);
        (step, closing)
    }

    /// True while it is to ask for space again, [`SPACE_RETRY`] later.
    pub(super) fn waits_for_space(&self) -> bool {
        self.core.refuses_entries()
    }
}

/// Whoever is told of a failure finds the log poisoned already.
struct PoisonedFirst<'a> {
    shared: &'a Shared,
    listener: &'a dyn WalListener,
}

impl WalListener for PoisonedFirst<'_> {
    fn synced(&self, batch: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        if let Err(poisoned) = &result {
            self.shared.poisoned.get_or_init(|| poisoned.clone());
        }
        self.listener.synced(batch, result);
    }

    fn troubled(&self, trouble: WalTrouble<'_>) {
        self.listener.troubled(trouble);
    }
}

/// The WAL thread: takes what is there, writes a group, tells the listener, until the last handle is gone.
fn run_wal(mut turns: Turns, listener: &dyn WalListener) {
    let _guard = AbortOnPanic;
    loop {
        match turns.turn(listener) {
            (Step::Wrote, _) => {}
            (_, true) => return,
            _ => sleep(&turns.shared, turns.waits_for_space()),
        }
    }
}

/// A WAL thread that is gone would leave everybody waiting; what was acknowledged is on disk.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Moves what callers left into the core; true when the last handle is gone.
fn take(
    shared: &Shared,
    core: &mut WalCore,
    releases: &mut Vec<(ShardId, u64)>,
    reads: &mut Vec<ReadRequest>,
) -> bool {
    let mut state = shared.lock();
    if state.closing || shared.poisoned.get().is_some() {
        // Nobody is left to submit it; or nobody's submission can help it.
        state.queue.submit();
    }
    core.take(&mut state.queue);
    shared.queued_bytes.store(state.queue.bytes(), Ordering::Relaxed);
    std::mem::swap(&mut state.releases, releases);
    std::mem::swap(&mut state.reads, reads);
    for done in state.upkeep_done.drain(..) {
        core.upkeep_done(done);
    }
    state.stats = core.stats();
    state.closing
}

/// Leaves for the thread beside what it is to do: what the core wants, and reads, whose places only the core knows.
fn request_aside(shared: &Shared, core: &mut WalCore, reads: &mut Vec<ReadRequest>) {
    let upkeep = core.upkeep();
    if upkeep.is_none() && reads.is_empty() {
        return;
    }
    let mut state = shared.lock();
    state.located.extend(reads.drain(..).map(|read| core.locate(read)));
    state.upkeep = match (state.upkeep.take(), upkeep) {
        (Some(mut waiting), Some(upkeep)) => {
            waiting.join(upkeep);
            Some(waiting)
        }
        (waiting, upkeep) => waiting.or(upkeep),
    };
    drop(state);
    if let Some(thread) = shared.upkeep_thread.get() {
        thread.unpark();
    }
}

/// Sleeps until woken; for a while only when space is awaited.
fn sleep(shared: &Shared, awaits_space: bool) {
    let idle = shared.fall_asleep();
    if idle && awaits_space {
        env::task::park_timeout(SPACE_RETRY);
    } else {
        while idle && shared.sleeping.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }
    shared.sleeping.store(false, Ordering::SeqCst);
}

/// The upkeep thread: does what is to be done beside the writer, one thing at a time.
fn run_upkeep(shared: &Shared, disk: &dyn Disk, dir: &Path, options: &WalOptions) {
    loop {
        if shared.lock().closing {
            return;
        }
        match shared.take_aside() {
            Some(Aside::Read(read)) => read.run(disk, dir, options),
            Some(Aside::Upkeep(upkeep)) => shared.upkeep_done(upkeep.run(disk, dir)),
            None => std::thread::park(),
        }
    }
}
