//! The write-ahead log and the store as a node finds them at its start.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use env::disk::Disk;
use storage::partition_log::{DueLimits, PinnedBytes};
use storage::segment_writer::{self, Store, StoreOptions};
use storage::wal::{self, Wal, WalOptions};

use super::{NodeError, NodeOptions};
use crate::shard::wal_mailbox::{SyncedMailbox, WalClient};
use crate::storekeeper::ProgressMailbox;

/// Both, with what they had.
pub(crate) struct Opened {
    pub(crate) wal: Rc<WalClient>,
    pub(crate) in_wal: wal::Recovered,
    pub(crate) store: Store,
    pub(crate) mailbox: Arc<ProgressMailbox>,
    pub(crate) stored: segment_writer::Recovered,
    /// Counts what the store's tails pin.
    pub(crate) pinned: Arc<PinnedBytes>,
}

impl Opened {
    /// Opens them in `dir`, each with a thread of its own.
    pub(super) fn with_threads(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &NodeOptions,
    ) -> Result<Self, NodeError> {
        let (wal, in_wal) = open_wal(disk.clone(), dir, options)?;
        let pinned = PinnedBytes::new();
        let (store, mailbox, stored) = open_store(disk, dir, options, &pinned)?;
        Ok(Self { wal, in_wal, store, mailbox, stored, pinned })
    }
}

fn open_wal(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &NodeOptions,
) -> Result<(Rc<WalClient>, wal::Recovered), NodeError> {
    let options = WalOptions {
        kept_bytes_max: options.wal_bytes_max,
        file_bytes: options.wal_file_bytes,
        ..WalOptions::default()
    };
    let mailbox = Arc::new(SyncedMailbox::default());
    let (wal, recovered) = Wal::open(disk, &dir.join("wal"), options, mailbox.clone())?;
    Ok((WalClient::new(wal, mailbox), recovered))
}

fn open_store(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &NodeOptions,
    pinned: &Arc<PinnedBytes>,
) -> Result<(Store, Arc<ProgressMailbox>, segment_writer::Recovered), NodeError> {
    let due = DueLimits {
        age_max: options.tail_age_max,
        pinned_bytes_soft: options.tail_bytes_max / 2,
        ..DueLimits::default()
    };
    let store_options = StoreOptions {
        due,
        segment_bytes: options.log_defaults.roll.segment_bytes,
        pinned: pinned.clone(),
        free_bytes_min: options.free_bytes_min,
        merged_size: options.merged_size.clone(),
        ..StoreOptions::default()
    };
    let mailbox = Arc::new(ProgressMailbox::default());
    let (store, recovered) = Store::open(disk, dir, &store_options, mailbox.clone())?;
    Ok((store, mailbox, recovered))
}
