//! How much of its log a shard with followers keeps: what they may still want, bounded in bytes, and never less than what
//! is in no checkpoint.

use std::rc::Rc;
use std::time::Duration;

use openraft::Raft;

use super::log_store::LogStore;
use super::state_machine::StateMachine;
use super::types::Types;
use crate::shard::log_progress::LogProgress;
use crate::shard::planted::{Plan, planted};

/// The engine purges what it knows to be in a snapshot; telling it takes it no longer than this.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Purges a shard's log whenever more of it is covered, until the engine stops; a local task.
pub(super) async fn purge_behind(
    raft: Raft<Types, StateMachine>,
    log: LogStore,
    progress: Rc<LogProgress>,
    kept_bytes_max: u64,
    plan: Plan,
) {
    loop {
        progress.more_covered().await;
        let excess = log.inner.borrow().excess(kept_bytes_max);
        let may_go = if planted!(plan, PurgedBeforeCovered) {
            log.inner.borrow().next_index()
        } else {
            progress.covered()
        };
        let Some(upto) = excess.map(|excess| excess.min(may_go)) else { continue };
        if upto < log.inner.borrow().first_index() {
            continue;
        }
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
        let wait = raft.wait(Some(TOLD_WITHIN));
        let is_known = wait.metrics(
            |metrics| metrics.snapshot.is_some_and(|snapshot| snapshot.index >= upto),
            "the engine knows what may go",
        );
        if is_known.await.is_ok() && raft.trigger().purge_log(upto).await.is_err() {
            return;
        }
    }
}
