//! Which tails go to segments when, and what the WAL may forget: between the shards' machines on this thread and the
//! segment writer on its own.
//!
//! After each entry a shard's logs are asked what is due, which costs nothing when nothing is. What waits only for its age
//! is looked at by a timer that exists only while something waits: an idle node does not wake up.
//!
//! What a restart would replay is bounded: when it comes near the bound, old tails are cut before their time, silent shards
//! are asked for their state, and a checkpoint is taken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use env::Instant;
use storage::id::ShardId;
use storage::partition_log::{Maintained, ShardLogs, Work};
use storage::segment_writer::{Progress, SpaceNews, Store, StoreListener, StoreStats};
use storage::wal::Wal;
use tokio::sync::Notify;

use crate::log_config::LogConfigs;
use crate::replay::{Replay, ReplayMeter};
use crate::retention::Stir;
use crate::shard::log_progress::LogProgress;
use crate::shard::planted::{Plan, planted};
use crate::stats::ShardStats;

/// What the segment writer's thread leaves for the I/O thread.
#[derive(Default)]
pub(crate) struct ProgressMailbox {
    news: Mutex<Vec<Progress>>,
    arrived: Notify,
}

impl StoreListener for ProgressMailbox {
    fn progressed(&self, progress: Progress) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
        self.arrived.notify_one();
    }
}

/// Nothing is stored any more: the segment writer has failed, or ended.
#[derive(Debug, thiserror::Error)]
#[error("storing has stopped")]
pub(crate) struct StoringStopped;

/// See the module's head.
pub(crate) struct Storekeeper {
    store: RefCell<Option<Store>>,
    mailbox: Arc<ProgressMailbox>,
    wal: Wal,
    configs: Rc<LogConfigs>,
    stir: Rc<Stir>,
    shards: RefCell<Vec<Rc<Kept>>>,
    wake_at: Cell<Option<Instant>>,
    rearmed: Notify,
    /// Told when the disk has more of a log whose works were held back.
    more_flushed: Rc<Notify>,
    /// Told whenever the segment writer has done something.
    news: Notify,
    /// Told whenever tails may have become shorter.
    room: Rc<Notify>,
    failed: Cell<bool>,
    replay: RefCell<ReplayMeter>,
    replay_max: Replay,
    /// A checkpoint was forced and has not come yet.
    is_forcing: Cell<bool>,
    /// There is too little space, and why that is said.
    short_of_space: RefCell<Option<String>>,
    plan: Cell<Plan>,
}

/// An index, and a shard's state as of that entry.
type StateOf = Box<dyn Fn() -> (u64, Bytes)>;

struct Kept {
    id: ShardId,
    logs: Rc<RefCell<ShardLogs>>,
    applied: Cell<u64>,
    /// What is to be found again beside the logs; without it nothing of the shard may be called covered.
    state: Option<StateOf>,
    progress: Rc<LogProgress>,
}

impl Storekeeper {
    /// `mailbox` is the listener that `store` was opened with; [`Storekeeper::run`] has to run. `replay_max` is what a
    /// restart may have to replay.
    pub(crate) fn new(
        store: Store,
        mailbox: Arc<ProgressMailbox>,
        wal: Wal,
        configs: Rc<LogConfigs>,
        stir: Rc<Stir>,
        room: Rc<Notify>,
        replay_max: Replay,
    ) -> Rc<Self> {
        Rc::new(Self {
            store: RefCell::new(Some(store)),
            mailbox,
            wal,
            configs,
            stir,
            shards: RefCell::default(),
            wake_at: Cell::new(None),
            rearmed: Notify::new(),
            more_flushed: Rc::default(),
            news: Notify::new(),
            room,
            failed: Cell::new(false),
            replay: RefCell::default(),
            replay_max,
            is_forcing: Cell::new(false),
            short_of_space: RefCell::default(),
            plan: Cell::default(),
        })
    }

    /// From now on it makes a mistake.
    #[cfg(feature = "simulated")]
    pub(crate) fn set_plan(&self, plan: Plan) {
        self.plan.set(plan);
    }

    /// Keeps a shard's logs from now on.
    pub(crate) fn keep(&self, logs: &Rc<RefCell<ShardLogs>>) {
        self.keep_shard(logs, None);
    }

    /// As [`Storekeeper::keep`], of a shard that has more to find again than its logs.
    pub(crate) fn keep_with_state(&self, logs: &Rc<RefCell<ShardLogs>>, state: StateOf) {
        self.keep_shard(logs, Some(state));
    }

    fn keep_shard(&self, logs: &Rc<RefCell<ShardLogs>>, state: Option<StateOf>) {
        let (id, covered) = (logs.borrow().shard(), logs.borrow().covered());
        let progress = LogProgress::new(self.more_flushed.clone());
        progress.set_covered(covered);
        let kept = Kept { id, logs: logs.clone(), applied: Cell::new(0), state, progress };
        self.shards.borrow_mut().push(Rc::new(kept));
    }

    /// The entry at `index` of `shard` is about to be applied: a restart would replay so much more.
    pub(crate) fn meter(&self, shard: ShardId, index: u64, entry: Replay) {
        let mut replay = self.replay.borrow_mut();
        replay.applied(shard, index, entry);
        let is_near = replay.pending().reaches(self.replay_max.three_quarters());
        drop(replay);
        if is_near && !self.is_forcing.replace(true) {
            self.force();
        }
    }

    /// Cuts what is old before its time, and asks for a checkpoint.
    fn force(&self) {
        for kept in &*self.shards.borrow() {
            let old = self.replay.borrow().index_before(kept.id, self.replay_max.quarter());
            if let Some(through) = old {
                kept.take_state();
                let applied = kept.applied.get();
                let maintained =
                    kept.logs.borrow_mut().maintain_through(through, applied, self.flushed(kept));
                self.submit(maintained);
            }
        }
        if let Some(store) = &*self.store.borrow() {
            store.checkpoint();
        }
    }

    /// What the log of a shard that is kept has to tell, and to be told.
    ///
    /// # Panics
    /// When the shard is not kept.
    pub(crate) fn log_progress(&self, shard: ShardId) -> Rc<LogProgress> {
        self.find(shard).expect("its machine has its logs kept").progress.clone()
    }

    /// The entry at `index` of `shard` was applied.
    pub(crate) fn applied(&self, shard: ShardId, index: u64) {
        if let Some(kept) = self.find(shard) {
            kept.applied.set(index);
            self.stir.stir();
            self.maintain(&kept);
        }
    }

    /// Why nothing more may be accepted, if so: storing has failed for good, or there is too little space.
    pub(crate) fn refuses_writes(&self) -> Option<String> {
        match self.failed.get() {
            true => Some("storing has failed".to_owned()),
            false => self.short_of_space.borrow().clone(),
        }
    }

    /// The segment writer's counters; none once it is closed.
    pub(crate) fn store_stats(&self) -> StoreStats {
        self.store.borrow().as_ref().map(Store::stats).unwrap_or_default()
    }

    /// How each shard stands.
    pub(crate) fn shard_stats(&self) -> Vec<ShardStats> {
        let of = |kept: &Rc<Kept>| ShardStats {
            shard: kept.id,
            applied: kept.applied.get(),
            covered: kept.progress.covered(),
            uncut_partitions: kept.logs.borrow().uncut_count() as u64,
        };
        self.shards.borrow().iter().map(of).collect()
    }

    /// Stores everything that the shard's logs have, as of the entry at `index` that a snapshot brought them to, and comes
    /// back when a checkpoint has it. What the snapshot brought is committed: it need not wait for this node's own log.
    pub(crate) async fn store_all(&self, shard: ShardId, index: u64) -> Result<(), StoringStopped> {
        let kept = self.find(shard).ok_or(StoringStopped)?;
        kept.applied.set(index);
        let maintained = kept.logs.borrow_mut().maintain_all(index, u64::MAX);
        self.submit(maintained);
        if let Some(store) = &*self.store.borrow() {
            store.checkpoint();
        }
        loop {
            let news = self.news.notified();
            if kept.progress.covered() >= index {
                return Ok(());
            }
            if self.failed.get() || self.store.borrow().is_none() {
                return Err(StoringStopped);
            }
            news.await;
        }
    }

    fn find(&self, shard: ShardId) -> Option<Rc<Kept>> {
        self.shards.borrow().iter().find(|kept| kept.id == shard).cloned()
    }

    fn maintain_each(&self) {
        let shards = self.shards.borrow().clone();
        shards.iter().for_each(|kept| self.maintain(kept));
    }

    fn maintain(&self, kept: &Kept) {
        let applied = kept.applied.get();
        let flushed = self.flushed(kept);
        if flushed < applied {
            kept.progress.await_flush();
        }
        let maintained = kept.logs.borrow_mut().maintain(Instant::now(), applied, flushed);
        self.submit(maintained);
    }

    /// Consensus may apply what a majority has before this node's own disk has it.
    fn flushed(&self, kept: &Kept) -> u64 {
        if planted!(self.plan.get(), AppliedTakenForFlushed) {
            kept.applied.get()
        } else {
            kept.progress.flushed()
        }
    }

    fn submit(&self, mut maintained: Maintained) {
        for work in &mut maintained.works {
            if let Work::Store(cut) = work {
                let config = self.configs.of(cut.partition().topic_id);
                cut.roll = Some(config.roll);
                cut.merge = config.merge.in_force();
            }
        }
        if !maintained.works.is_empty()
            && let Some(store) = &*self.store.borrow()
        {
            store.submit(maintained.works);
        }
        let sooner = match (self.wake_at.get(), maintained.wake_at) {
            (Some(armed), Some(wanted)) => wanted < armed,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if sooner {
            self.wake_at.set(maintained.wake_at);
            self.rearmed.notify_one();
        }
    }

    /// Looks after what the segment writer says and after what is due by age, for ever; a local task.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            tokio::select! {
                biased;
                () = self.more_flushed.notified() => self.maintain_each(),
                () = self.mailbox.arrived.notified() => self.take_news(),
                () = self.rearmed.notified() => {}
                () = env::clock::sleep_until_some(self.wake_at.get()) => {
                    self.wake_at.set(None);
                    self.maintain_each();
                }
            }
        }
    }

    fn take_news(&self) {
        let news = std::mem::take(&mut *self.mailbox.news.lock().unwrap_or_else(PoisonError::into_inner));
        for progress in news {
            for (shard, index) in progress.covered {
                let kept = self.find(shard);
                if let Some(kept) = &kept {
                    kept.progress.set_covered(index);
                }
                if !kept.is_some_and(|kept| kept.progress.purges_itself()) {
                    self.wal.release(shard, index);
                }
                self.replay.borrow_mut().covered(shard, index);
                self.is_forcing.set(false);
            }
            if let Some(news) = progress.space {
                self.take_space_news(news);
            }
            if let Some(error) = progress.poisoned {
                tracing::error!(%error, "storing has failed: writes are refused until the next start");
                self.failed.set(true);
            }
            if !progress.stored.is_empty() {
                // What was one tail may be several segments now.
                self.stir.stir();
            }
            let shards = self.shards.borrow().clone();
            shards
                .iter()
                .filter(|kept| progress.stored.contains(&kept.id))
                .for_each(|kept| self.maintain(kept));
        }
        self.news.notify_waiters();
        self.room.notify_waiters();
    }

    fn take_space_news(&self, news: SpaceNews) {
        match news {
            SpaceNews::Short(shortage) => {
                tracing::warn!("writes are refused for want of space, reads go on: {shortage}");
                *self.short_of_space.borrow_mut() = Some(format!("no space: {shortage}"));
            }
            SpaceNews::Enough { free_bytes } => {
                tracing::warn!("writes go on: {free_bytes} bytes of the disk are free");
                *self.short_of_space.borrow_mut() = None;
            }
        }
    }

    /// Stores everything, takes a checkpoint and ends the segment writer, so that the next start has little to replay.
    pub(crate) async fn close(&self) {
        let shards = self.shards.borrow().clone();
        for kept in shards {
            kept.take_state();
            let applied = kept.applied.get();
            let maintained = kept.logs.borrow_mut().maintain_all(applied, self.flushed(&kept));
            self.submit(maintained);
        }
        let store = self.store.borrow_mut().take();
        if let Some(store) = store {
            env::task::spawn_blocking(move || store.close()).await;
        }
        self.take_news();
    }
}

impl Kept {
    /// Has the shard's state, if it has one, go with what is covered next.
    fn take_state(&self) {
        if let Some((applied, state)) = self.state.as_ref().map(|state| state()) {
            self.applied.set(applied);
            self.logs.borrow_mut().set_state(state);
        }
    }
}
