//! What a broker tells of itself, to whoever asks from another thread.
//!
//! The I/O thread answers between two requests, with references to the partitions' logs and no walk over their segments:
//! the rest is asked of the logs by the one who reads the [`Observation`], on its own thread.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use cluster::stats::NodeStats;
use coordinator::group::{GroupCounts, GroupSummary};
use env::Instant;
use env::disk::{Disk, Space};
use storage::id::PartitionId;
use storage::partition_log::{LogReader, MergeCounts};
use tokio::sync::{mpsc, oneshot};

use crate::counters::Traffic;
use crate::flows::{OldReader, TopicFlows};
use crate::groups::GroupWork;
use crate::server::Broker;
use crate::topic_traffic::TopicTraffic;

/// Questions that may wait.
const ASKED_MAX: usize = 16;
/// Groups that are told of one by one.
const GROUPS_SHOWN_MAX: usize = 1000;
/// Committed offsets that are told of: they are gathered where requests are served, and Prometheus keeps a series for each.
const OFFSETS_SHOWN_MAX: usize = 10_000;

/// Topics whose requests are told of.
const TOPICS_SHOWN_MAX: usize = 1000;
/// Partitions that are gathered at a time: some tens of microseconds in which no request is served.
const GATHERED_AT_ONCE: usize = 500;

/// Asks a broker how it stands; clones ask the same one. May go to any thread.
#[derive(Clone)]
pub struct Observer {
    ask: mpsc::Sender<Question>,
}

enum Question {
    Observe(oneshot::Sender<Observation>),
    Standing(oneshot::Sender<Standing>),
}

/// Whether a broker is well: costs nothing to tell, whatever it holds.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Why nothing is written at present, if so.
    pub writes_refused: Option<String>,
    /// Every coordinator of groups has read its partition, or has found that it can't.
    pub are_groups_ready: bool,
    /// Coordinators of groups that can't read their partition.
    pub coordinators_unreadable: usize,
}

/// How a broker stood at one moment.
pub struct Observation {
    /// What its clients did.
    pub traffic: Traffic,
    /// The node behind it.
    pub node: NodeStats,
    /// What was asked of topics: of those with the most requests.
    pub topics: Vec<TopicTraffic>,
    /// How many more topics were asked something of.
    pub topics_left_out: usize,
    /// What was sent to each topic and by whom, most batches first.
    pub flows: Vec<TopicFlows>,
    /// Clients that read in versions that do not know every codec.
    pub old_readers: Vec<OldReader>,
    /// Groups, counted.
    pub groups: GroupCounts,
    /// Some of them, one by one.
    pub group_summaries: Vec<GroupSummary>,
    /// What groups have done.
    pub group_work: GroupWork,
    /// The port of the first listener.
    pub kafka_port: u16,
    logs: Vec<(Arc<str>, LogReader)>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// One partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionStats<'a> {
    /// Its topic's name.
    pub topic: &'a str,
    /// Its number.
    pub partition: i32,
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// The offset that the next record gets.
    pub log_end_offset: i64,
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Bytes of the one that is appended to.
    pub active_segment_bytes: u64,
    /// What merging made of what came since the start.
    pub merged: MergeCounts,
}

impl Observer {
    /// How the broker stands, in all that is counted; `None` when it has ended. Waits for some of the I/O thread's turns.
    pub async fn observe(&self) -> Option<Observation> {
        self.ask(Question::Observe).await
    }

    /// Whether the broker is well; `None` when it has ended. Waits for the I/O thread's next turn.
    pub async fn standing(&self) -> Option<Standing> {
        self.ask(Question::Standing).await
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (tell, told) = oneshot::channel();
        self.ask.send(question(tell)).await.ok()?;
        told.await.ok()
    }
}

impl<'a> PartitionStats<'a> {
    /// What merging made of each topic's batches since the start.
    #[must_use]
    pub fn merged_by_topic(partitions: impl IntoIterator<Item = Self>) -> BTreeMap<&'a str, MergeCounts> {
        let mut by_topic: BTreeMap<&str, MergeCounts> = BTreeMap::new();
        for partition in partitions {
            *by_topic.entry(partition.topic).or_default() += partition.merged;
        }
        by_topic
    }
}

impl Observation {
    /// Every partition, those of a topic together. Locks each log for a moment.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionStats<'_>> {
        self.logs.iter().map(|(topic, log)| {
            let (offsets, stored) = (log.offsets(), log.stored_size());
            PartitionStats {
                topic,
                partition: log.partition().partition,
                log_start_offset: offsets.log_start,
                log_end_offset: offsets.high_watermark,
                segments: stored.segments as u64,
                segment_bytes: stored.bytes,
                active_segment_bytes: stored.active_bytes,
                merged: stored.merged,
            }
        })
    }

    /// The file system of the data directory, asked now; `None` when it does not answer.
    #[must_use]
    pub fn space(&self) -> Option<Space> {
        self.disk.space(&self.dir).ok()
    }
}

/// Starts to answer observers, for ever, as a local task.
pub(crate) fn answer_observers(
    broker: &Rc<Broker>,
    kafka_port: u16,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
) -> Observer {
    let (ask, mut asked) = mpsc::channel(ASKED_MAX);
    let broker = broker.clone();
    env::spawn_local(async move {
        while let Some(question) = asked.recv().await {
            // Whoever asked may have given up.
            match question {
                Question::Standing(tell) => {
                    let _ = tell.send(standing(&broker));
                }
                Question::Observe(tell) => {
                    let _ = tell.send(observe(&broker, kafka_port, disk.clone(), dir.clone()).await);
                }
            }
        }
    });
    Observer { ask }
}

fn standing(broker: &Broker) -> Standing {
    Standing {
        writes_refused: broker.node().refuses_writes(),
        are_groups_ready: broker.groups.is_ready(),
        coordinators_unreadable: broker.groups.unreadable(),
    }
}

/// Requests are served between one part and the next.
async fn observe(broker: &Broker, kafka_port: u16, disk: Arc<dyn Disk>, dir: PathBuf) -> Observation {
    let logs = logs(broker).await;
    let group_summaries = broker.groups.summaries(GROUPS_SHOWN_MAX, OFFSETS_SHOWN_MAX);
    env::yield_now().await;
    let (topics, topics_left_out) = broker.topic_traffic(TOPICS_SHOWN_MAX);
    let flows = broker.flows.topics(&broker.node().image());
    env::yield_now().await;
    Observation {
        traffic: broker.traffic(),
        node: broker.node().stats(),
        topics,
        topics_left_out,
        flows,
        old_readers: broker.flows.old_readers(Instant::now()),
        groups: broker.groups.counts(),
        group_summaries,
        group_work: broker.groups.work(),
        kafka_port,
        logs,
        disk,
        dir,
    }
}

/// The logs of all partitions that this node leads, in pieces, between which requests are served. What is created or deleted
/// meanwhile may be among them or not.
async fn logs(broker: &Broker) -> Vec<(Arc<str>, LogReader)> {
    let mut logs = Vec::new();
    let mut from: Option<(Arc<str>, i32)> = Some(("".into(), 0));
    while let Some((topic, partition)) = from {
        from = gather(broker, &topic, partition, &mut logs);
        env::yield_now().await;
    }
    logs
}

/// Gathers some logs from a partition of a topic on; where the next piece begins, if there is one.
fn gather(
    broker: &Broker,
    from_topic: &str,
    from_partition: i32,
    logs: &mut Vec<(Arc<str>, LogReader)>,
) -> Option<(Arc<str>, i32)> {
    let (image, partitions) = (broker.node().image(), broker.node().partitions());
    let mut left = GATHERED_AT_ONCE;
    for topic in image.topics_from(from_topic) {
        let first = if &*topic.name == from_topic { from_partition } else { 0 };
        for (partition, _) in (0..).zip(&topic.shards).skip(usize::try_from(first).unwrap_or(0)) {
            if left == 0 {
                return Some((topic.name.clone(), partition));
            }
            left -= 1;
            if let Some(found) = partitions.find(&PartitionId { topic_id: topic.id, partition }) {
                logs.push((topic.name.clone(), found.reader.clone()));
            }
        }
    }
    None
}
