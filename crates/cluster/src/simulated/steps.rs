//! The write-ahead log and the store without their threads: local tasks take turns in their place, when the disk's latency says so.

use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::Instant;
use env::disk::Disk;
use storage::id::ShardId;
use storage::segment_writer::{self, Store, StoreError, StoreOptions, StoreSteps};
use storage::wal::{self, Poisoned, WalError, WalListener, WalOptions, WalSteps};
use tokio::sync::Notify;

use crate::shard::wal_mailbox::{SyncedMailbox, WalClient};
use crate::storekeeper::ProgressMailbox;

/// How long the disk takes; asked on the thread of who waits for it.
pub trait Latency: 'static {
    /// How long the next group waits before it is written, and then before that is told.
    fn wal_latency(&self) -> (Duration, Duration);

    /// How long the segment writer's next turn takes.
    fn store_latency(&self) -> Duration;
}

/// Opens the log in `dir`, and starts who writes it.
pub(super) fn open_wal(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: WalOptions,
    latency: Rc<dyn Latency>,
) -> Result<(Rc<WalClient>, wal::Recovered), WalError> {
    let (woken, mailbox) = (Arc::new(Notify::new()), Arc::new(SyncedMailbox::default()));
    let (wal, steps, recovered) = WalSteps::open(disk, &dir.join("wal"), options, waking(&woken))?;
    env::spawn_local(write_log(steps, woken, mailbox.clone(), latency));
    Ok((WalClient::new(wal, mailbox), recovered))
}

/// Opens the store in `dir`, and starts who writes segments.
pub(super) fn open_store(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &StoreOptions,
    latency: Rc<dyn Latency>,
) -> Result<(Store, Arc<ProgressMailbox>, segment_writer::Recovered), StoreError> {
    let (woken, mailbox) = (Arc::new(Notify::new()), Arc::new(ProgressMailbox::default()));
    let (store, steps, stored) = StoreSteps::open(disk, dir, options, waking(&woken))?;
    env::spawn_local(write_segments(steps, woken, mailbox.clone(), latency));
    Ok((store, mailbox, stored))
}

fn waking(woken: &Arc<Notify>) -> Box<dyn Fn() + Send + Sync> {
    let woken = woken.clone();
    Box::new(move || woken.notify_one())
}

/// What the log has to tell, until the time has come.
#[derive(Default)]
struct Held(Mutex<Vec<Synced>>);

/// What one write came to.
struct Synced {
    tickets: Vec<(ShardId, u64)>,
    result: Result<(), Poisoned>,
}

impl WalListener for Held {
    fn synced(&self, tickets: &mut Vec<(ShardId, u64)>, result: Result<(), Poisoned>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(Synced { tickets: std::mem::take(tickets), result });
    }
}

/// In the place of the WAL's thread.
async fn write_log(
    mut steps: WalSteps,
    woken: Arc<Notify>,
    mailbox: Arc<SyncedMailbox>,
    latency: Rc<dyn Latency>,
) {
    let held = Held::default();
    loop {
        match steps.next_turn() {
            Some(later) => drop(env::timeout(later, woken.notified()).await),
            None => woken.notified().await,
        }
        loop {
            let (before_write, before_telling) = latency.wal_latency();
            env::sleep(before_write).await;
            let has_more = steps.turn(&held);
            env::sleep(before_telling).await;
            let told = std::mem::take(&mut *held.0.lock().unwrap_or_else(PoisonError::into_inner));
            for Synced { mut tickets, result } in told {
                mailbox.synced(&mut tickets, result);
            }
            if !has_more {
                break;
            }
        }
    }
}

/// In the place of the segment writer's thread.
async fn write_segments(
    mut steps: StoreSteps,
    woken: Arc<Notify>,
    mailbox: Arc<ProgressMailbox>,
    latency: Rc<dyn Latency>,
) {
    let mut wake_at: Option<Instant> = None;
    loop {
        match wake_at {
            Some(wake_at) => {
                let left = wake_at.since(Instant::now());
                env::timeout(left, woken.notified()).await;
            }
            None => woken.notified().await,
        }
        env::sleep(latency.store_latency()).await;
        wake_at = steps.turn(Instant::now(), &*mailbox);
    }
}
