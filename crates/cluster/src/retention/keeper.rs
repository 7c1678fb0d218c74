//! Looks at the logs that this node leads now and then, and proposes what retention has decided.
//!
//! A look costs a microsecond or so for each partition, so it is taken once per period at most, and only when something
//! was applied or stored since the last one, or the oldest segment of all is due: an idle node does not wake up for it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use env::{Instant, WallTime};
use storage::id::PartitionId;
use tokio::sync::Notify;

use super::decide;
use crate::log_config::LogConfigs;
use crate::partitions::Partitions;
use crate::shard::outcome::ProposeError;
use crate::shard::{Shard, entry};

/// Partitions that are looked at before others of this thread have their turn.
const LOOKS_AT_ONCE: usize = 256;
/// Partitions of one entry, which stays below a mebibyte so.
const STARTS_PER_ENTRY: usize = 32_768;
/// The wall clock may be set, and a machine may sleep: nobody waits for a time on it for longer than this.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Says that something was applied or stored.
#[derive(Default)]
pub(crate) struct Stir {
    has_stirred: Cell<bool>,
    stirred: Notify,
}

impl Stir {
    /// Something was applied or stored. Costs next to nothing, but for the first time after a look.
    pub(crate) fn stir(&self) {
        if !self.has_stirred.replace(true) {
            self.stirred.notify_one();
        }
    }

    fn settle(&self) {
        self.has_stirred.set(false);
    }

    async fn wait(&self) {
        while !self.has_stirred.get() {
            self.stirred.notified().await;
        }
    }
}

/// See the module's head.
pub(crate) struct RetentionKeeper {
    pub(crate) configs: Rc<LogConfigs>,
    pub(crate) partitions: Rc<Partitions>,
    /// The shard of all partitions.
    pub(crate) shard: Shard,
    /// Stirred by all that the shard applies and the segment writer stores.
    pub(crate) stir: Rc<Stir>,
    /// Time between two looks at least.
    pub(crate) period: Duration,
}

impl RetentionKeeper {
    /// Looks, for ever; a local task.
    pub(crate) async fn run(self) {
        // What was there before the start is looked at once.
        self.stir.stir();
        let mut next_at = None;
        loop {
            env::sleep(self.period).await;
            tokio::select! {
                () = self.stir.wait() => {}
                () = wait_until(next_at) => {}
            }
            self.stir.settle();
            next_at = self.look().await;
        }
    }

    /// Decides about all logs and proposes it; when the next segment expires.
    async fn look(&self) -> Option<WallTime> {
        let now = WallTime::now();
        let (mut starts, mut next_at) = (Vec::new(), None::<WallTime>);
        for (at, id) in self.partitions.ids().into_iter().enumerate() {
            if at % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1 {
                env::yield_now().await;
            }
            let Some(partition) = self.partitions.find(&id) else { continue };
            let Ok(extent) = partition.reader.extent() else { continue };
            let verdict = decide(&extent, &self.configs.of(id.topic_id), now);
            starts.extend(verdict.log_start.map(|offset| (id, offset)));
            next_at = [next_at, verdict.next_at].into_iter().flatten().min();
        }
        if !starts.is_empty() {
            tracing::debug!(partitions = starts.len(), "retention deletes records");
            if let Err(error) = advance_log_starts(&self.shard, starts).await {
                tracing::warn!(%error, "retention could not delete records");
                self.stir.stir();
            }
        }
        next_at
    }
}

/// Has logs begin at these offsets, never earlier than they do and never beyond their ends; comes back when they do.
///
/// # Errors
/// When it was not committed, as far as is known; some of it may be.
pub(crate) async fn advance_log_starts(
    shard: &Shard,
    starts: Vec<(PartitionId, i64)>,
) -> Result<(), ProposeError> {
    for starts in starts.chunks(STARTS_PER_ENTRY) {
        let mut bytes = entry::log_starts_advanced(starts.iter().copied());
        entry::stamp(&mut bytes, WallTime::now().0);
        shard.write(bytes.into()).await?;
    }
    Ok(())
}

async fn wait_until(at: Option<WallTime>) {
    let Some(at) = at else { return std::future::pending().await };
    let left = u64::try_from(at.0.saturating_sub(WallTime::now().0)).unwrap_or(0);
    env::clock::sleep_until(Instant::now() + Duration::from_millis(left).min(WAIT_MAX)).await;
}
