//! A node alone, whole: metadata and topics, both shards, group commit, retention.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use env::disk::Disk;
use storage::segment_writer::StoreOptions;
use storage::wal::WalOptions;

use super::steps::{self, Latency};
use crate::commit::CommitListener;
use crate::node::{Node, NodeError, NodeOptions, Opened};

/// Sizes and mistakes that a node in use leaves to storage; they hold in the place of those in [`NodeOptions`].
#[derive(Clone, Debug)]
pub struct NodeSizes {
    /// Of the log.
    pub wal: WalOptions,
    /// Of the store.
    pub store: StoreOptions,
}

/// As [`Node::open`], without threads.
///
/// # Errors
/// As [`Node::open`].
pub async fn open_node<W: 'static>(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: NodeOptions,
    sizes: NodeSizes,
    latency: Rc<dyn Latency>,
    listener: Rc<dyn CommitListener<W>>,
) -> Result<Rc<Node<W>>, NodeError> {
    let (wal, in_wal) = steps::open_wal(disk.clone(), dir, sizes.wal, latency.clone())?;
    let (store, mailbox, stored) = steps::open_store(disk, dir, &sizes.store, latency)?;
    let opened = Opened { wal, in_wal, store, mailbox, stored, pinned: sizes.store.pinned };
    Node::begin(opened, options, listener).await
}
