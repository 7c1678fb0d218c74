//! Nodes, topics, and who leads which partition.

use std::{borrow::Cow, collections::BTreeMap};

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::metadata::{
        MetadataRequest, MetadataRequestTopic, MetadataResponseBroker, MetadataResponseTopic,
    },
    primitive::Uuid,
};

use crate::{
    Client, ClientError,
    client::{Limits, To},
};

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: i32,
    /// What it says that clients connect to.
    pub host: String,
    /// As `host`.
    pub port: u16,
    /// Where it stands, if it says so.
    pub rack: Option<String>,
}

impl Node {
    /// `host:port`, with the brackets that an IPv6 address needs.
    pub fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// A cluster as its metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, from brokers that tell.
    pub id: Option<String>,
    /// The node that requests to the controller go to, if there is one.
    pub controller: Option<i32>,
    /// Its brokers, by id.
    pub nodes: Vec<Node>,
    /// Its topics, by name.
    pub topics: Vec<Topic>,
}

/// A topic as the cluster's metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers that have none.
    pub id: Uuid,
    /// Whether it belongs to the brokers themselves.
    pub is_internal: bool,
    /// Its partitions, ascending.
    pub partitions: Vec<Partition>,
}

/// The first version of Produce and of Fetch that names topics by id alone.
const VERSION_WITH_TOPIC_IDS: i16 = 13;

impl Topic {
    /// The newest version of Produce and Fetch that can name it.
    pub fn version_max(&self) -> i16 {
        if self.id == Uuid::ZERO { VERSION_WITH_TOPIC_IDS - 1 } else { i16::MAX }
    }
}

/// A partition as the cluster's metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the topic.
    pub index: i32,
    /// The node that leads it, if one does.
    pub leader: Option<i32>,
    /// Its leader's epoch; −1 from brokers that don't tell.
    pub leader_epoch: i32,
    /// Nodes that hold it.
    pub replicas: Vec<i32>,
    /// Nodes that hold all of it.
    pub isr: Vec<i32>,
}

/// What is known of topics that were asked for, until something says that it is no longer true.
pub(crate) type Leaders = BTreeMap<String, Topic>;

/// Whether asking about a topic that isn't there may create it, if the broker does that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// As Kafka's producers do.
    Allowed,
    /// Asking changes nothing.
    Never,
}

impl Client {
    /// All topics, by name.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        Ok(self.cluster()?.topics)
    }

    /// The cluster's id, its brokers, and all topics.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn cluster(&mut self) -> Result<Cluster, ClientError> {
        self.retry(|client, deadline| {
            let request =
                MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() };
            let answered = client.ask_metadata(&request, deadline)?;
            let mut topics = answered.topics.into_iter().collect::<Result<Vec<Topic>, ClientError>>()?;
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            let nodes = client.nodes.values().cloned().collect();
            Ok(Cluster { id: answered.cluster_id, controller: answered.controller, nodes, topics })
        })
    }

    /// Those of the topics that the broker tells about, by name, in one request; nothing is created.
    pub(crate) fn topics_known<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        deadline: Instant,
    ) -> Result<BTreeMap<String, Topic>, ClientError> {
        let asked = |name| MetadataRequestTopic {
            name: Some(Cow::Borrowed(name)),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: Some(names.map(asked).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let mut known = BTreeMap::new();
        for topic in self.ask_metadata(&request, deadline)?.topics {
            match topic {
                Ok(topic) => drop(known.insert(topic.name.clone(), topic)),
                Err(e) if e.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
                Err(e) if e.is_retriable() => return Err(e),
                // Not allowed to see it, or a name that no topic can have.
                Err(_) => {}
            }
        }
        Ok(known)
    }

    /// One topic, as it is now.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` at once if there is none; else as [`ClientError`] says.
    pub fn topic(&mut self, name: &str) -> Result<Topic, ClientError> {
        self.leaders.remove(name);
        let found =
            self.retry(|client, deadline| match client.topic_known(name, Creation::Never, deadline) {
                Err(e) if e.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(Err(e)),
                other => other.map(Ok),
            });
        found?
    }

    /// A topic whose partitions all have leaders; made if that is allowed and the broker does so.
    ///
    /// # Errors
    /// As [`ClientError`] says; an unknown topic is asked for again until the time is up.
    pub fn topic_with_leaders(&mut self, name: &str, creation: Creation) -> Result<Topic, ClientError> {
        self.retry(|client, deadline| {
            let topic = client.topic_known(name, creation, deadline)?;
            for partition in &topic.partitions {
                client.leader(&topic, partition.index)?;
            }
            Ok(topic)
        })
    }

    /// From what is known, else by asking.
    pub(crate) fn topic_known(
        &mut self,
        name: &str,
        creation: Creation,
        deadline: Instant,
    ) -> Result<Topic, ClientError> {
        if let Some(topic) = self.leaders.get(name) {
            return Ok(topic.clone());
        }
        let asked = MetadataRequestTopic { name: Some(Cow::Borrowed(name)), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![asked].into()),
            allow_auto_topic_creation: creation == Creation::Allowed,
            ..Default::default()
        };
        let mut topics = self.ask_metadata(&request, deadline)?.topics;
        let Some(topic) = topics.pop().transpose()?.filter(|topic| topic.name == name) else {
            let why = format!("topic {name} was asked for, another came");
            return Err(ClientError::Answer { broker: self.any_broker(), api: ApiKey::Metadata, why });
        };
        self.leaders.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    /// The node that leads a partition.
    pub(crate) fn leader(&self, topic: &Topic, partition: i32) -> Result<To, ClientError> {
        let refuse = |client: &Self, code: ErrorCode| ClientError::Refused {
            broker: client.any_broker(),
            api: ApiKey::Metadata,
            about: format!("partition {}-{partition}", topic.name),
            code: code.code(),
            message: None,
        };
        let Some(found) = topic.partitions.iter().find(|p| p.index == partition) else {
            return Err(refuse(self, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        found.leader.map(To::Node).ok_or_else(|| refuse(self, ErrorCode::LEADER_NOT_AVAILABLE))
    }

    /// Makes the brokers of the cluster known.
    pub(crate) fn ask_nodes(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let request = MetadataRequest {
            topics: Some(Vec::new().into()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.ask_metadata(&request, deadline).map(drop)
    }

    fn ask_metadata(
        &mut self,
        request: &MetadataRequest<'_>,
        deadline: Instant,
    ) -> Result<Answered, ClientError> {
        let (nodes, answered) =
            self.call(To::Any, request, Limits::until(deadline), |response, broker| {
                let nodes: Vec<Node> = response.brokers.iter().filter_map(node_of).collect();
                let answered = Answered {
                    cluster_id: response.cluster_id.as_ref().map(|id| id.clone().into_owned()),
                    controller: Some(response.controller_id).filter(|id| *id >= 0),
                    topics: response.topics.iter().map(|topic| topic_of(topic, broker)).collect(),
                };
                Ok((nodes, answered))
            })?;
        self.nodes = nodes.into_iter().map(|node| (node.id, node)).collect();
        Ok(answered)
    }
}

/// What Metadata tells beside the nodes.
struct Answered {
    cluster_id: Option<String>,
    controller: Option<i32>,
    topics: Vec<Result<Topic, ClientError>>,
}

/// A broker, unless its port is none.
fn node_of(b: MetadataResponseBroker<'_>) -> Option<Node> {
    let port = u16::try_from(b.port).ok()?;
    Some(Node { id: b.node_id, host: b.host.into_owned(), port, rack: b.rack.map(Cow::into_owned) })
}

/// The topic, or the error that the broker has for it.
fn topic_of(topic: MetadataResponseTopic<'_>, broker: &str) -> Result<Topic, ClientError> {
    let name = topic.name.unwrap_or_default().into_owned();
    if topic.error_code != 0 {
        return Err(ClientError::Refused {
            broker: broker.to_owned(),
            api: ApiKey::Metadata,
            about: format!("topic {name}"),
            code: topic.error_code,
            message: None,
        });
    }
    let mut partitions: Vec<Partition> = topic
        .partitions
        .iter()
        .map(|p| Partition {
            index: p.partition_index,
            leader: Some(p.leader_id).filter(|id| *id >= 0),
            leader_epoch: p.leader_epoch,
            replicas: p.replica_nodes.iter().collect(),
            isr: p.isr_nodes.iter().collect(),
        })
        .collect();
    partitions.sort_by_key(|p| p.index);
    Ok(Topic { name, id: topic.topic_id, is_internal: topic.is_internal, partitions })
}
