//! The engine's own tests of a log and a state machine, on ours over a WAL on the machine's disk.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use env::disk::{Disk, RealDisk};
use futures::future::LocalBoxFuture;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use storage::id::ShardId;
use storage::wal::{Wal, WalOptions};

use super::log_store::LogStore;
use super::state_machine::StateMachine;
use super::types::Types;
use crate::shard::log_progress::LogProgress;
use crate::shard::outcome::Outcome;
use crate::shard::planted::Plan;
use crate::shard::snapshot::{LogEnds, ShardSnapshot};
use crate::shard::wal_mailbox::{SyncedMailbox, WalClient};
use crate::shard::{Machine, MachineError};

/// A directory of its own for each log, removed afterwards.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for name in RealDisk.list(&self.0).unwrap() {
            RealDisk.remove(&self.0.join(name)).unwrap();
        }
        RealDisk.remove_dir(&self.0).unwrap();
    }
}

/// A machine without a state.
struct Nothing;

impl Machine for Nothing {
    fn apply(&mut self, _index: u64, _term: u64, _entry: Bytes) -> Result<Outcome, MachineError> {
        Ok(Outcome::Done)
    }

    fn snapshot(&self, _applied: u64) -> ShardSnapshot {
        ShardSnapshot { partitions: Vec::new(), state: None }
    }

    fn log_ends(&self) -> LogEnds {
        LogEnds::default()
    }

    fn install(
        &mut self,
        _index: u64,
        _snapshot: ShardSnapshot,
    ) -> LocalBoxFuture<'_, Result<(), MachineError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[derive(Default)]
struct Builder {
    built: AtomicU64,
}

impl StoreBuilder<Types, LogStore, StateMachine, Scratch> for Builder {
    async fn build(&self) -> Result<(Scratch, LogStore, StateMachine), StorageError<Types>> {
        let number = self.built.fetch_add(1, Ordering::Relaxed);
        let name = format!("takhin-log-store-{}-{number}", std::process::id());
        let scratch = Scratch(std::env::temp_dir().join(name));
        let mailbox = Arc::new(SyncedMailbox::default());
        let options = WalOptions { file_bytes: 256 << 10, ..WalOptions::default() };
        let (wal, mut recovered) =
            Wal::open(Arc::new(RealDisk), &scratch.0, options, mailbox.clone()).unwrap();
        let wal = WalClient::new(wal, mailbox);
        env::spawn_local(wal.clone().deliver());
        let progress = LogProgress::new(Rc::default());
        progress.purge_itself();
        let shard = recovered.shards.remove(&ShardId(1)).unwrap_or_default();
        // Nothing stays in memory that the WAL has: reading it back is tested too.
        let log = LogStore::new(ShardId(1), wal, progress, shard, 1, Plan::default()).unwrap();
        let gives_snapshots = Rc::new(Cell::new(true));
        let machine = StateMachine::new(Box::new(Nothing), log.clone(), 0, Rc::default(), gives_snapshots);
        Ok((scratch, log, machine))
    }
}

/// What the engine demands of a log is more than its interface says.
#[test]
fn the_engine_accepts_the_log() {
    env::task::block_on_io_thread(Suite::test_all(Builder::default())).unwrap().unwrap();
}
