//! Which producers are forgotten: those that have written nothing for `producer.id.expiration.ms`.
//!
//! What a partition remembers of its producers decides what `apply` answers, and that reads no clock. So the leader decides:
//! it looks at its clock and proposes an entry that says up to which time producers are forgotten. Every replica forgets
//! the same ones at the same place of the log, also when it replays it.
//!
//! An idle node does not wake up for it: while no producer is remembered, nothing happens before something is stored.
//!
//! Why an entry: docs/adr/0007-formats-frozen.md.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use env::WallTime;
use storage::partition_log::ShardLogs;
use tokio::sync::Notify;

use crate::shard::Shard;
use crate::shard::entry;

/// How long a partition remembers a producer that writes nothing, in milliseconds: Kafka's name.
pub const PRODUCER_EXPIRATION: &str = "producer.id.expiration.ms";

/// The time between two looks: Kafka's default.
const CHECK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Looks after a shard's producers, for ever; a local task of the thread that owns the shard. `room` is told when
/// something was stored; `expiration` is how long a producer that writes nothing is remembered, asked at each look.
pub(crate) async fn run(
    shard: Shard,
    logs: Rc<RefCell<ShardLogs>>,
    room: Rc<Notify>,
    expiration: impl Fn() -> Duration,
) {
    loop {
        let oldest = logs.borrow().producers_written_at_min();
        match decide(WallTime::now(), oldest, expiration()) {
            Decision::Nobody => {
                room.notified().await;
                env::clock::sleep(CHECK_EVERY).await;
            }
            // Not longer than that: meanwhile it may be set to less.
            Decision::Wait => env::clock::sleep(CHECK_EVERY).await,
            Decision::Forget { written_until_ms } => {
                let mut entry = entry::producers_forgotten(written_until_ms);
                entry::stamp(&mut entry, WallTime::now().0);
                if let Err(error) = shard.write(entry.into()).await {
                    tracing::debug!(%error, "producers are forgotten later");
                    env::clock::sleep(CHECK_EVERY).await;
                }
            }
        }
    }
}

/// What to do about producers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// There is none.
    Nobody,
    /// None is due.
    Wait,
    /// Those whose last batch came in an entry of this time or before are due.
    Forget { written_until_ms: i64 },
}

/// `oldest_ms` is a time before which no remembered producer has written.
pub(crate) fn decide(now: WallTime, oldest_ms: Option<i64>, expiration: Duration) -> Decision {
    let Some(oldest_ms) = oldest_ms else { return Decision::Nobody };
    let expiration_ms = i64::try_from(expiration.as_millis()).unwrap_or(i64::MAX);
    let written_until_ms = now.0.saturating_sub(expiration_ms);
    if oldest_ms > written_until_ms { Decision::Wait } else { Decision::Forget { written_until_ms } }
}

#[cfg(test)]
#[path = "producer_expiry_test.rs"]
mod producer_expiry_test;
