//! A node: WAL, store and shards opened in order, and what changes the metadata.
//!
//! A topic begins in two steps: the metadata shard commits it, then the data shards are told of its partitions. A node
//! that stops in between finds the rest out at its next start ([`Node::open`] compares both sides), so a topic that was
//! answered exists whole, and one that was not may exist all the same, as in Kafka.

mod change;
mod configs;
mod described;
mod growth;
mod opened;
mod quotas_and_users;

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::WaitSettings;
use env::WallTime;
use env::disk::{Disk, WriteMode};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::ShardLogs;
use storage::segment_writer::StoreError;
use storage::wal::{self, WalError};
use tokio::sync::Notify;

use crate::commit::{CommitLimits, CommitListener, Committer};
use crate::log_config::{LogConfig, LogConfigs};
use crate::metadata::machine::{MetadataMachine, SharedImage};
use crate::metadata::{Applied, Image, NameError, Record, RecordError, Topic, TopicRecord, check_topic_name};
use crate::partitions::Partitions;
use crate::producer_expiry;
use crate::replay::Replay;
use crate::retention::{RetentionKeeper, Stir, advance_log_starts};
use crate::shard::consensus::{OpenError, RaftNodeId, Shard, ShardParts};
use crate::shard::data::DataMachine;
use crate::shard::entry;
use crate::shard::outcome::ProposeError;
use crate::shard::wal_mailbox::WalClient;
use crate::stats::NodeStats;
use crate::storekeeper::Storekeeper;

pub use configs::ConfigAlteration;
pub use described::MetadataLog;
pub use growth::CreatePartitionsError;
pub(crate) use opened::Opened;
pub use quotas_and_users::ScramAlteration;

/// The metadata's shard.
const METADATA_SHARD: ShardId = ShardId(0);
/// A node alone keeps all partitions on one data shard: a group is then one entry (docs/adr/0002).
const DATA_SHARD: ShardId = ShardId(1);
/// Within the engine; ids of other nodes will come from the metadata.
const THIS_NODE: RaftNodeId = 1;
/// Producer ids taken at once, as Kafka's blocks.
const PRODUCER_ID_BLOCK: i64 = 1000;

/// What a restart may have to replay, in files of the WAL: 128 MiB where they have 64.
const REPLAY_FILES_MAX: u64 = 2;
/// And in record batches.
const REPLAY_BATCHES_MAX: u64 = 1_000_000;

/// What a node is opened with.
pub struct NodeOptions {
    /// Random, 22 characters, made when the data directory was formatted.
    pub cluster_id: String,
    /// The operator's number for this broker.
    pub broker_id: i32,
    /// What a topic without configs of its own has for its logs.
    pub log_defaults: LogConfig,
    /// How long a producer that writes nothing is remembered, unless brokers are set to something else
    /// (`producer.id.expiration.ms`).
    pub producer_expiration: Duration,
    /// Time between two looks for what retention deletes.
    pub retention_period: Duration,
    /// Longest that a record stays in memory only (`kafka.batch.tail.max.ms`).
    pub tail_age_max: Duration,
    /// Bytes of entries that tails may pin.
    pub tail_bytes_max: u64,
    /// Bytes of record batches that may wait for their commit.
    pub queued_bytes_max: usize,
    /// How long small record batches wait for company.
    pub wait: WaitSettings,
    /// Bytes of WAL files kept.
    pub wal_bytes_max: u64,
    /// Bytes of one of them.
    pub wal_file_bytes: u64,
    /// What moves the size of merged batches; `None`: the bounds of their topics alone hold.
    pub merged_size: Option<batch::Settings>,
    /// Bytes that are to stay free on the file system; `None`: a twentieth of it, at most 1 GiB.
    pub free_bytes_min: Option<u64>,
}

/// The node could not be opened; nothing was lost.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The write-ahead log.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// Segments or the checkpoint.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A shard.
    #[error(transparent)]
    Shard(#[from] OpenError),
    /// The metadata's snapshot.
    #[error(transparent)]
    Metadata(#[from] RecordError),
    /// A write that opening needs.
    #[error("opening: {0}")]
    Propose(#[from] ProposeError),
    /// Entries are gone that no checkpoint covers.
    #[error(
        "shard {shard}: the write-ahead log begins behind index {purged}, the checkpoint ends at {covered}"
    )]
    Gap {
        /// The shard.
        shard: ShardId,
        /// The last entry that the WAL has not.
        purged: u64,
        /// The last entry that the checkpoint has.
        covered: u64,
    },
}

/// A topic that is to be created; whoever asks has checked its configs.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; at least one.
    pub partitions: u32,
    /// Configs that differ from the defaults.
    pub configs: BTreeMap<String, String>,
}

/// A topic was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// Kafka's rules refuse the name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is one.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// One differs from it only by `.` and `_`.
    #[error("Topic '{name}' collides with existing topic: {other}")]
    Collides {
        /// The name.
        name: String,
        /// The topic that is there.
        other: String,
    },
    /// The kernel has no random bytes.
    #[error("a new topic id: {0}")]
    Random(io::Error),
    /// Nothing is written at present; a topic may be created when that is over.
    #[error("writes are refused: {0}")]
    WritesRefused(String),
    /// It could not be committed.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// A topic was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// There is none with this id.
    #[error("there is no topic with this id")]
    Unknown,
    /// It could not be committed.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// See the module's head. `W` is who waits for a record batch's commit.
pub struct Node<W> {
    cluster_id: String,
    broker_id: i32,
    image: Rc<SharedImage>,
    metadata: Shard,
    data: Shard,
    data_logs: Rc<RefCell<ShardLogs>>,
    partitions: Rc<Partitions>,
    committer: Rc<Committer<W>>,
    storekeeper: Rc<Storekeeper>,
    wal: Rc<WalClient>,
    stir: Rc<Stir>,
    /// The next producer id of the block at hand, and the one behind it.
    producer_ids: Cell<(i64, i64)>,
}

impl<W: 'static> Node<W> {
    /// Opens what is in `dir`, or begins there, and starts the node's local tasks on this thread.
    ///
    /// # Errors
    /// [`NodeError`]: the directory is damaged, or the disk refuses.
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: NodeOptions,
        listener: Rc<dyn CommitListener<W>>,
    ) -> Result<Rc<Self>, NodeError> {
        let opened = Opened::with_threads(disk, dir, &options)?;
        Self::begin(opened, options, listener).await
    }

    /// As [`Node::open`], from where the WAL and the store are open.
    ///
    /// # Errors
    /// Likewise.
    pub(crate) async fn begin(
        opened: Opened,
        options: NodeOptions,
        listener: Rc<dyn CommitListener<W>>,
    ) -> Result<Rc<Self>, NodeError> {
        let Opened { wal, mut in_wal, store, mailbox, mut stored, pinned } = opened;
        let room = Rc::new(Notify::new());
        let image = Rc::new(SharedImage::default());
        let configs = LogConfigs::new(image.clone(), options.broker_id, options.log_defaults.clone());
        let replay_max =
            Replay { bytes: REPLAY_FILES_MAX * options.wal_file_bytes, batches: REPLAY_BATCHES_MAX };
        let (stir, wal_handle) = (Rc::new(Stir::default()), wal.wal().clone());
        let storekeeper = Storekeeper::new(
            store,
            mailbox,
            wal_handle,
            configs.clone(),
            stir.clone(),
            room.clone(),
            replay_max,
        );
        env::spawn_local(wal.clone().deliver());
        env::spawn_local(storekeeper.clone().run());

        let (recovered, shard) = (take_shard(&mut in_wal, METADATA_SHARD), stored.take(METADATA_SHARD));
        check_no_gap(METADATA_SHARD, &recovered, shard.covered)?;
        wal.wal().release(METADATA_SHARD, shard.covered);
        let logs = Rc::new(RefCell::new(shard.logs));
        let machine = MetadataMachine::new(
            image.clone(),
            logs,
            storekeeper.clone(),
            shard.covered,
            shard.state.as_ref(),
        )?;
        let metadata = Shard::open_alone(ShardParts {
            id: METADATA_SHARD,
            node: THIS_NODE,
            wal: wal.clone(),
            recovered,
            // Without a snapshot nothing was covered that the machine needs: its entries are all in the WAL.
            covered: if shard.state.is_some() { shard.covered } else { 0 },
            machine: Box::new(machine),
            progress: storekeeper.log_progress(METADATA_SHARD),
        })
        .await?;

        let partitions = Rc::new(Partitions::default());
        let (recovered, shard) = (take_shard(&mut in_wal, DATA_SHARD), stored.take(DATA_SHARD));
        check_no_gap(DATA_SHARD, &recovered, shard.covered)?;
        wal.wal().release(DATA_SHARD, shard.covered);
        let logs = Rc::new(RefCell::new(shard.logs));
        let machine = DataMachine::new(logs.clone(), partitions.clone(), storekeeper.clone());
        let data = Shard::open_alone(ShardParts {
            id: DATA_SHARD,
            node: THIS_NODE,
            wal: wal.clone(),
            recovered,
            covered: shard.covered,
            machine: Box::new(machine),
            progress: storekeeper.log_progress(DATA_SHARD),
        })
        .await?;

        let (of_image, started_with) = (image.clone(), options.producer_expiration);
        let expiration = move || {
            let set = of_image.image().broker_number(options.broker_id, producer_expiry::PRODUCER_EXPIRATION);
            set.map_or(started_with, Duration::from_millis)
        };
        env::spawn_local(producer_expiry::run(data.clone(), logs.clone(), room.clone(), expiration));
        let limits = CommitLimits {
            queued_bytes_max: options.queued_bytes_max,
            pinned_bytes_max: options.tail_bytes_max,
            wait: options.wait,
        };
        let committer = Committer::new(vec![data.clone()], limits, pinned, room, listener);
        env::spawn_local(committer.clone().run());
        let node = Rc::new(Self {
            cluster_id: options.cluster_id,
            broker_id: options.broker_id,
            image,
            metadata,
            data,
            data_logs: logs,
            partitions,
            committer,
            storekeeper,
            wal,
            stir: stir.clone(),
            producer_ids: Cell::new((0, 0)),
        });
        node.finish_topics().await?;
        let (partitions, shard, period) =
            (node.partitions.clone(), node.data.clone(), options.retention_period);
        env::spawn_local(RetentionKeeper { configs, partitions, shard, stir, period }.run());
        Ok(node)
    }

    /// The topics; not to be held across an await.
    #[must_use]
    pub fn image(&self) -> Ref<'_, Image> {
        self.image.image()
    }

    /// Another number whenever the image has changed.
    #[must_use]
    pub fn image_version(&self) -> u64 {
        self.image.version()
    }

    /// The partitions that this node leads.
    #[must_use]
    pub fn partitions(&self) -> &Rc<Partitions> {
        &self.partitions
    }

    /// Where record batches go.
    #[must_use]
    pub fn committer(&self) -> &Rc<Committer<W>> {
        &self.committer
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The operator's number for this broker.
    #[must_use]
    pub fn broker_id(&self) -> i32 {
        self.broker_id
    }

    /// The leader epoch now of a partition on `shard` whose epochs begin at `epoch_base`.
    #[must_use]
    pub fn leader_epoch(&self, shard: ShardId, epoch_base: i32) -> i32 {
        let led = if shard == METADATA_SHARD { &self.metadata } else { &self.data };
        epoch_base.saturating_add(i32::try_from(led.term()).unwrap_or(i32::MAX))
    }

    /// Why nothing is written at present, if so: a disk without space, or a failure.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<String> {
        if let Some(why) = self.storekeeper.refuses_writes() {
            return Some(why);
        }
        match self.wal.wal().check_room() {
            Err(error @ (wal::AppendError::NoSpace | wal::AppendError::Poisoned(_))) => {
                Some(error.to_string())
            }
            _ => None,
        }
    }

    /// How the write-ahead log is written here.
    #[must_use]
    pub fn wal_write_mode(&self) -> WriteMode {
        self.wal.wal().stats().write_mode
    }

    /// How the node stands. Costs a few locks for a moment, whatever the number of partitions.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        let (tail_pinned_bytes, tail_pinned_bytes_max) = self.committer.pinned_bytes();
        NodeStats {
            wal: self.wal.wal().stats(),
            is_wal_poisoned: self.wal.wal().poisoned().is_some(),
            store: self.storekeeper.store_stats(),
            commit: self.committer.stats(),
            shards: self.storekeeper.shard_stats(),
            tail_pinned_bytes,
            tail_pinned_bytes_max,
            writes_refused: self.refuses_writes(),
        }
    }

    /// Creates a topic, and comes back when its partitions take records.
    ///
    /// # Errors
    /// [`CreateTopicError`].
    pub async fn create_topic(&self, topic: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        check_topic_name(&topic.name)?;
        let is_new = self.image().topic(&topic.name).is_none();
        if let Some(why) = self.refuses_writes().filter(|_| is_new) {
            return Err(CreateTopicError::WritesRefused(why));
        }
        let id = TopicId(env::random::uuid().map_err(CreateTopicError::Random)?);
        let shards = (0..topic.partitions).map(|_| DATA_SHARD).collect();
        let record = TopicRecord { id, name: topic.name.clone(), shards, configs: topic.configs };
        let created = match self.change(Record::TopicCreated(record)).await? {
            Applied::TopicCreated(created) => created,
            Applied::TopicExists => return Err(CreateTopicError::Exists(topic.name)),
            Applied::TopicCollides(other) => {
                return Err(CreateTopicError::Collides { name: topic.name, other: other.to_string() });
            }
            other => unreachable!("creating a topic came to {other:?}"),
        };
        let epoch_base = self.first_epoch_base();
        let partitions = partitions_of(&created).map(|id| (id, epoch_base));
        self.tell_data_shard(entry::partitions_created(partitions)).await?;
        Ok(created)
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// [`DeleteTopicError`].
    pub async fn delete_topic(&self, id: TopicId) -> Result<(), DeleteTopicError> {
        let Applied::TopicDeleted(topic) = self.change(Record::TopicDeleted(id)).await? else {
            return Err(DeleteTopicError::Unknown);
        };
        self.tell_data_shard(entry::partitions_deleted(partitions_of(&topic))).await?;
        Ok(())
    }

    /// Has logs begin at these offsets: what lies before is deleted. Where a log begins later already it stays so, and an
    /// offset beyond a log's end means its end. Comes back when it is so; partitions that are gone are passed over.
    ///
    /// # Errors
    /// When it was not committed, as far as is known; some of it may be.
    pub async fn advance_log_starts(&self, starts: Vec<(PartitionId, i64)>) -> Result<(), ProposeError> {
        advance_log_starts(&self.data, starts).await
    }

    /// A producer id that nobody has.
    ///
    /// # Errors
    /// When no more could be reserved.
    pub async fn next_producer_id(&self) -> Result<i64, ProposeError> {
        loop {
            let (next, end) = self.producer_ids.get();
            if next < end {
                self.producer_ids.set((next + 1, end));
                return Ok(next);
            }
            let record = Record::ProducerIdsReserved { count: PRODUCER_ID_BLOCK };
            if let Applied::ProducerIds { first, count } = self.change(record).await? {
                self.producer_ids.set((first, first + count));
            }
        }
    }

    /// Stores everything and stops, so that the next start has nothing to replay. Proposals after this are refused.
    pub async fn stop(&self) {
        self.metadata.stop().await;
        self.data.stop().await;
        self.storekeeper.close().await;
    }

    async fn tell_data_shard(&self, mut entry: Vec<u8>) -> Result<(), ProposeError> {
        entry::stamp(&mut entry, WallTime::now().0);
        self.data.write(entry.into()).await.map(|_| ())
    }

    /// What makes the leader epoch of a partition that begins now 0, as Kafka's: epoch is base and term.
    fn first_epoch_base(&self) -> i32 {
        i32::try_from(self.data.term()).map_or(-i32::MAX, |term| -term)
    }

    /// Tells the data shard what it missed when the node stopped between the two steps of a change.
    async fn finish_topics(&self) -> Result<(), ProposeError> {
        let wanted: BTreeSet<PartitionId> =
            self.image().topics().flat_map(|topic| partitions_of(topic).collect::<Vec<_>>()).collect();
        let there: BTreeSet<PartitionId> = self.partitions.ids().into_iter().collect();
        let epoch_base = self.first_epoch_base();
        let missing: Vec<_> = wanted.difference(&there).map(|id| (*id, epoch_base)).collect();
        let left_over: Vec<_> = there.difference(&wanted).copied().collect();
        if !missing.is_empty() {
            self.tell_data_shard(entry::partitions_created(missing)).await?;
        }
        if !left_over.is_empty() {
            self.tell_data_shard(entry::partitions_deleted(left_over)).await?;
        }
        Ok(())
    }
}

fn partitions_of(topic: &Topic) -> impl Iterator<Item = PartitionId> + use<> {
    let (topic_id, count) = (topic.id, i32::try_from(topic.shards.len()).unwrap_or(i32::MAX));
    (0..count).map(move |partition| PartitionId { topic_id, partition })
}

pub(crate) fn take_shard(recovered: &mut wal::Recovered, shard: ShardId) -> wal::RecoveredShard {
    recovered.shards.remove(&shard).unwrap_or_default()
}

/// What the WAL has released must be in the checkpoint.
pub(crate) fn check_no_gap(
    shard: ShardId,
    in_wal: &wal::RecoveredShard,
    covered: u64,
) -> Result<(), NodeError> {
    match in_wal.purged {
        Some(purged) if purged.index > covered => {
            Err(NodeError::Gap { shard, purged: purged.index, covered })
        }
        _ => Ok(()),
    }
}
