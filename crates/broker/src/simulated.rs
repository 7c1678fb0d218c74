//! A broker without sockets and threads, as a simulation runs it: the node, its topics and the coordinators of groups are those
//! of a broker in use; requests come as commands of `coordinator`, behind where connections and handlers would be.
//!
//! Everything is started on the caller's [`env::simulated::Process`]; killing that is the crash.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::node::{CreateTopicError, DeleteTopicError, NewTopic, NodeError, NodeOptions};
use cluster::simulated::{Latency, NodeSizes, open_node};
use coordinator::group::command::{Command, Reply};
use env::disk::Disk;
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use crate::configs::{GroupConfigBounds, Level, LogLevels, TopicConfig};
use crate::groups::{self, GroupHost, GroupOptions};
use crate::pump::Pump;
use crate::server::{Broker, BrokerOptions};

pub use crate::groups::Rewriting;
pub use crate::groups::planted::{Plan, Planted};

/// What a simulated broker is opened with.
pub struct SimulatedOptions {
    /// The node's options.
    pub node: NodeOptions,
    /// Sizes of its log and store.
    pub sizes: NodeSizes,
    /// Consumer groups.
    pub groups: GroupOptions,
    /// When their logs are rewritten.
    pub rewriting: Rewriting,
    /// The mistake to make.
    pub plan: Plan,
}

/// See the module's head.
pub struct SimulatedBroker {
    broker: Rc<Broker>,
}

impl SimulatedBroker {
    /// Opens what is in `dir`, or begins there. Coordinators serve some time later.
    ///
    /// # Errors
    /// As [`cluster::node::Node::open`].
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: SimulatedOptions,
        latency: Rc<dyn Latency>,
    ) -> Result<Self, NodeError> {
        let SimulatedOptions { node, sizes, groups, rewriting, plan } = options;
        let pump = Rc::new(Pump::default());
        let node = open_node(disk, dir, node, sizes, latency, pump.clone()).await?;
        let host = GroupHost::new(groups.groups.clone(), rewriting, plan);
        let broker = Broker::begin(node, pump, host, dir, broker_options(groups));
        Ok(Self { broker })
    }

    /// Makes sure that there is a topic for groups, as FindCoordinator does.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn found(&self) -> Result<(), ErrorCode> {
        self.broker.groups.found(&self.broker).await
    }

    /// Asks a group's coordinator.
    ///
    /// # Errors
    /// Kafka's code for a coordinator that does not answer.
    pub async fn ask(&self, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        self.broker.groups.ask_after(&self.broker, &Cell::new(0), group, command).await
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// [`CreateTopicError`].
    pub async fn create_topic(&self, new: NewTopic) -> Result<(), CreateTopicError> {
        self.broker.node().create_topic(new).await.map(|_| ())
    }

    /// Deletes a topic, and what was committed of it; false when that may not be forgotten yet.
    ///
    /// # Errors
    /// [`DeleteTopicError`].
    pub async fn delete_topic(&self, name: &str) -> Result<bool, DeleteTopicError> {
        let topic = self.broker.node().image().topic(name).cloned().ok_or(DeleteTopicError::Unknown)?;
        self.broker.node().delete_topic(topic.id).await?;
        Ok(groups::topic_deleted(&self.broker, name).await)
    }

    /// The topics, by id.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<Uuid, Arc<str>> {
        let image = self.broker.node().image();
        image.topics().map(|topic| (Uuid(topic.id.0), topic.name.clone())).collect()
    }

    /// Why nothing is written at present, if so.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<String> {
        self.broker.node().refuses_writes()
    }

    /// The sum of where the logs of `__consumer_offsets` begin: it grows when one is rewritten.
    #[must_use]
    pub fn log_starts(&self) -> i64 {
        let Some(topic) = self.broker.topic(groups::OFFSETS_TOPIC) else { return 0 };
        let numbers = (0..).take(topic.topic.shards.len());
        let partitions =
            numbers.filter_map(|number| topic.partition(number, self.broker.node().partitions()));
        partitions.map(|partition| partition.reader.offsets().log_start).sum()
    }
}

/// Nobody connects, so that nothing but groups is asked for.
fn broker_options(groups: GroupOptions) -> BrokerOptions {
    BrokerOptions {
        listeners: Vec::new(),
        request_time_max: Duration::MAX,
        connections_max: 0,
        connections_per_ip_max: 0,
        connections_per_ip_overrides: String::new(),
        rack: None,
        frame_bytes_max: 0,
        frames_bytes_max: 0,
        frame_time_max: Duration::MAX,
        idle_time_max: Duration::MAX,
        num_partitions: 1,
        auto_create_topics: false,
        topics_may_be_deleted: true,
        topic_defaults: TopicConfig::default(),
        started_with: Vec::new(),
        group_config_bounds: GroupConfigBounds {
            session_timeout_ms: 0..=u64::MAX,
            heartbeat_interval_ms: 0..=u64::MAX,
        },
        log_levels: Rc::new(NoLoggers),
        fetch_response_bytes_max: 0,
        fetch_sessions_max: 0,
        groups,
    }
}

#[derive(Debug)]
struct NoLoggers;

impl LogLevels for NoLoggers {
    fn levels(&self) -> Vec<(&'static str, Level)> {
        Vec::new()
    }

    fn root(&self) -> Level {
        Level::Info
    }

    fn set(&self, _: Option<&str>, _: Option<Level>) {}
}
