//! The listener: starts connections, bounds them, ends them.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::commit::Committer;
use cluster::node::{Node, NodeError, NodeOptions};
use env::Instant;
use env::disk::{Disk, WriteMode};
use env::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use wire::primitive::Uuid;

use crate::address_limits::AddressLimits;
use crate::addresses::Addresses;
use crate::api::data::batch_check::ProduceScratch;
use crate::api::data::fetch_session::FetchSessions;
use crate::configs::connections_per_ip::{OF_ALL, OVERRIDES};
use crate::configs::{GroupConfigBounds, LogLevels, StartedWith, TopicConfig};
use crate::connection::{self, ColdReads, Connection};
use crate::counters::{Counters, Traffic};
use crate::flows::Flows;
use crate::groups::planted::Plan;
use crate::groups::{self, GroupHost, GroupOptions, Rewriting};
use crate::memory_pool::MemoryPool;
use crate::observe::{self, Observer};
use crate::pump::{Pump, Waiter};
use crate::topic_traffic::TopicTraffic;
use crate::topics::{TopicHandle, Topics};

/// How long a broker that stops waits for requests under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// How long a client may take nothing of an answer in memory while others wait for their share of that.
const STALL_MAX: Duration = Duration::from_secs(10);
/// How often time-outs are looked at, at the most.
const SWEEP_MIN: Duration = Duration::from_millis(500);

/// What a broker is started with; the names of settings are in the configuration's table.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Where to listen; at least one.
    pub listeners: Vec<ListenerOptions>,
    /// Longest that a produce request may wait for its commit, whatever it asks for.
    pub request_time_max: Duration,
    /// Connections open at a time; one more is closed at once.
    pub connections_max: usize,
    /// Connections open at a time from one address; one more is closed at once.
    pub connections_per_ip_max: usize,
    /// Hosts for which it is another number, as the config has them.
    pub connections_per_ip_overrides: String,
    /// Where this broker stands, which clients are told.
    pub rack: Option<Arc<str>>,
    /// Bytes of one request.
    pub frame_bytes_max: usize,
    /// Bytes of all large requests on their way in, and as many of all large answers on their way out.
    pub frames_bytes_max: usize,
    /// A frame that began to come must be whole after this time.
    pub frame_time_max: Duration,
    /// A connection on which nothing happens is closed after this time.
    pub idle_time_max: Duration,
    /// Partitions of a topic whose creator leaves it to the broker.
    pub num_partitions: u32,
    /// A topic that is asked for is created.
    pub auto_create_topics: bool,
    /// Clients may delete topics.
    pub topics_may_be_deleted: bool,
    /// What a topic without configs of its own has, as long as the broker is set to nothing else.
    pub topic_defaults: TopicConfig,
    /// The broker's own configs, as clients are shown them.
    pub started_with: Vec<StartedWith>,
    /// What groups may be set to.
    pub group_config_bounds: GroupConfigBounds,
    /// The levels of the process's messages.
    pub log_levels: Rc<dyn LogLevels>,
    /// Bytes of records in one fetch answer, whatever the client asks for (`fetch.max.bytes`).
    pub fetch_response_bytes_max: usize,
    /// Fetch sessions at a time (`max.incremental.fetch.session.cache.slots`).
    pub fetch_sessions_max: usize,
    /// Consumer groups.
    pub groups: GroupOptions,
}

/// One address to listen on.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Its name, for messages.
    pub name: String,
    /// An address or a name of this machine.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// What clients are told to connect to; `None`: the address on which they reached the broker.
    pub advertised_host: Option<String>,
    /// Likewise; `None`: the port that was bound.
    pub advertised_port: Option<u16>,
}

/// The broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is in use or not this machine's.
    #[error("listening on {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The node behind it.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What all connections of an I/O thread share.
pub struct Broker {
    pub(crate) options: BrokerOptions,
    pub(crate) counters: Rc<Counters>,
    pub(crate) flows: Flows,
    /// For frames on their way in.
    pub(crate) memory: Rc<MemoryPool>,
    /// For answers on their way out.
    pub(crate) answers: Rc<MemoryPool>,
    pub(crate) cold_reads: ColdReads,
    pub(crate) produce_scratch: RefCell<ProduceScratch>,
    pub(crate) fetch_sessions: RefCell<FetchSessions>,
    pub(crate) groups: GroupHost,
    /// Where everything is kept.
    pub(crate) log_dir: PathBuf,
    pub(crate) pump: Rc<Pump>,
    node: Rc<Node<Waiter>>,
    topics: Topics,
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    addresses: Rc<Addresses>,
    address_limits: Rc<AddressLimits>,
    next_connection: Cell<u64>,
    /// A produce request is under way, so that its time may run out.
    produce_begun: Notify,
}

impl Broker {
    /// A broker over a node whose commits `pump` is told of, with its coordinators; no connection comes yet.
    pub(crate) fn begin(
        node: Rc<Node<Waiter>>,
        pump: Rc<Pump>,
        groups: GroupHost,
        dir: &Path,
        options: BrokerOptions,
    ) -> Rc<Self> {
        let counters = pump.counters().clone();
        env::spawn_local(pump.clone().run());
        let answers = MemoryPool::new(options.frames_bytes_max);
        let broker = Rc::new(Self {
            counters,
            memory: MemoryPool::new(options.frames_bytes_max),
            cold_reads: ColdReads::new(answers.clone()),
            answers,
            produce_scratch: RefCell::default(),
            fetch_sessions: RefCell::new(FetchSessions::of(options.fetch_sessions_max)),
            groups,
            log_dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
            topics: Topics::new(node.broker_id(), options.topic_defaults.clone()),
            pump,
            node,
            flows: Flows::default(),
            connections: RefCell::default(),
            addresses: Rc::default(),
            address_limits: Rc::default(),
            next_connection: Cell::new(0),
            produce_begun: Notify::new(),
            options,
        });
        groups::start(&broker);
        broker
    }

    pub(crate) fn node(&self) -> &Node<Waiter> {
        &self.node
    }

    pub(crate) fn committer(&self) -> &Committer<Waiter> {
        self.node.committer()
    }

    /// Where this broker stands, as clients are told.
    pub(crate) fn rack(&self) -> Option<Cow<'static, str>> {
        self.options.rack.as_ref().map(|rack| rack.to_string().into())
    }

    /// The topic called `name`.
    pub(crate) fn topic(&self, name: &str) -> Option<Rc<TopicHandle>> {
        self.topics.by_name(self.node.image_version(), &self.node.image(), name)
    }

    /// The topic with this id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<Rc<TopicHandle>> {
        self.topics.by_id(self.node.image_version(), &self.node.image(), storage::id::TopicId(id.0))
    }

    /// What was counted so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.counters.traffic(self.connections.borrow().len())
    }

    /// What was asked of the topics with the most requests, and how many topics there are besides.
    pub(crate) fn topic_traffic(&self, topics_max: usize) -> (Vec<TopicTraffic>, usize) {
        self.topics.traffic(&self.node.image(), topics_max)
    }

    /// A produce request was begun: from now on time-outs are looked at, until none is left.
    pub(crate) fn produce_begun(&self) {
        self.produce_begun.notify_one();
    }

    /// What the broker was set to while it ran.
    fn set_to(&self, name: &str) -> Option<usize> {
        self.node.image().broker_number(self.node.broker_id(), name)
    }

    /// How many connections may come from here at a time.
    fn connections_max_of(&self, address: IpAddr) -> usize {
        let image = self.node.image();
        let overrides = image.broker_config(self.node.broker_id(), OVERRIDES);
        let overrides = overrides.unwrap_or(&self.options.connections_per_ip_overrides);
        self.address_limits
            .of(address, overrides)
            .or_else(|| self.set_to(OF_ALL))
            .unwrap_or(self.options.connections_per_ip_max)
    }

    /// Whether there is a place for one more connection.
    fn has_place_for(&self, peer: SocketAddr) -> bool {
        let max = self.set_to("max.connections").unwrap_or(self.options.connections_max);
        let per_ip_max = self.connections_max_of(peer.ip());
        let has_place =
            self.connections.borrow().len() < max && self.addresses.connections_of(peer.ip()) < per_ip_max;
        if !has_place {
            self.counters.connection_refused();
            tracing::warn!(%peer, max, per_ip_max, "connection refused");
        }
        has_place
    }

    fn accept(self: &Rc<Self>, listener: &Listener, stream: TcpStream, peer: SocketAddr) {
        if !self.has_place_for(peer) {
            return;
        }
        let advertised = match stream.set_nodelay(true).and_then(|()| listener.advertised(&stream)) {
            Ok(advertised) => advertised,
            Err(error) => {
                tracing::debug!(%peer, %error, "connection lost before it began");
                return;
            }
        };
        let (read, write) = stream.into_split();
        self.counters.connected();
        let connection = Connection::new(peer, advertised, write, self.counters.clone());
        let id = self.next_connection.get();
        self.next_connection.set(id + 1);
        self.connections.borrow_mut().insert(id, connection.clone());
        let (broker, counted) = (self.clone(), self.addresses.count(peer.ip()));
        env::spawn_local(async move {
            connection::run(broker.clone(), connection, read).await;
            drop(counted);
            broker.connections.borrow_mut().remove(&id);
        });
    }

    fn all_connections(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().cloned().collect()
    }

    /// Ends idle connections and those that send half a frame; for ever, a local task.
    async fn sweep_connections(self: Rc<Self>) {
        loop {
            let period = self.options.frame_time_max.min(self.options.idle_time_max / 4).max(SWEEP_MIN);
            env::sleep(period).await;
            for connection in self.all_connections() {
                let began = connection.frame_began.get();
                if began.is_some_and(|began| began.elapsed() > self.options.frame_time_max) {
                    connection.close("half a request, and no more of it in time");
                } else if connection.last_active.get().elapsed() > self.options.idle_time_max {
                    connection.close("idle");
                } else if self.answers.is_awaited()
                    && connection.stalled_since.get().is_some_and(|since| since.elapsed() > STALL_MAX)
                {
                    connection
                        .close("its answer holds memory that others wait for, and it takes nothing of it");
                }
            }
        }
    }

    /// Answers produce requests whose time is over; for ever, a local task that sleeps while none is under way.
    async fn sweep_produce_requests(self: Rc<Self>) {
        loop {
            self.produce_begun.notified().await;
            loop {
                env::sleep(SWEEP_MIN).await;
                let now = Instant::now();
                let waiting: Vec<_> =
                    self.all_connections().into_iter().filter(|connection| connection.slots() > 0).collect();
                if waiting.is_empty() {
                    break;
                }
                waiting.iter().for_each(|connection| connection.time_out(now));
            }
        }
    }
}

/// A socket that listens, and what its clients are told.
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    options: ListenerOptions,
}

impl Listener {
    async fn open(options: ListenerOptions) -> Result<Self, ServeError> {
        let refused =
            |error| ServeError::Listen { address: format!("{}:{}", options.host, options.port), error };
        let socket = env::net::listen(&options.host, options.port).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address, options })
    }

    fn advertised(&self, stream: &TcpStream) -> io::Result<(String, u16)> {
        let host = match &self.options.advertised_host {
            Some(host) => host.clone(),
            None => stream.local_addr()?.ip().to_string(),
        };
        Ok((host, self.options.advertised_port.unwrap_or(self.address.port())))
    }

    /// Accepts connections, for ever; a local task.
    async fn accept_all(self, broker: Rc<Broker>) {
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => broker.accept(&self, stream, peer),
                Err(error) => {
                    // Out of file descriptors, most likely: others may be given back meanwhile.
                    tracing::warn!(%error, "a connection could not be accepted");
                    env::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// A broker whose ports are bound; connections wait until [`Server::run`].
pub struct Server {
    broker: Rc<Broker>,
    listeners: Vec<Listener>,
    observer: Observer,
}

impl Server {
    /// Binds the listeners and opens the node in `dir`.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        node: NodeOptions,
        options: BrokerOptions,
    ) -> Result<Self, ServeError> {
        // First the ports: they fail fast.
        let mut listeners = Vec::new();
        for listener in &options.listeners {
            listeners.push(Listener::open(listener.clone()).await?);
        }
        let pump = Rc::new(Pump::default());
        let node = Node::open(disk.clone(), dir, node, pump.clone()).await?;
        let groups = GroupHost::new(options.groups.groups.clone(), Rewriting::default(), Plan::default());
        let broker = Broker::begin(node, pump, groups, dir, options);
        env::spawn_local(broker.clone().sweep_connections());
        env::spawn_local(broker.clone().sweep_produce_requests());
        let kafka_port = listeners.first().map_or(0, |listener| listener.address.port());
        let observer = observe::answer_observers(&broker, kafka_port, disk, dir.to_owned());
        Ok(Self { broker, listeners, observer })
    }

    /// The listeners' names and bound addresses.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.options.name.as_str(), listener.address))
    }

    /// How acknowledged records get to the disk.
    #[must_use]
    pub fn wal_write_mode(&self) -> WriteMode {
        self.broker.node.wal_write_mode()
    }

    /// For whoever wants to know how the broker stands.
    #[must_use]
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until `stop` resolves, then answers what is under way, stores everything and ends.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let accept = |listener: Listener| env::spawn_local(listener.accept_all(self.broker.clone()));
        let accepting: Vec<_> = self.listeners.into_iter().map(accept).collect();
        stop.await;
        accepting.iter().for_each(env::task::JoinHandle::abort);
        if env::timeout(DRAIN_MAX, drain(&self.broker)).await.is_none() {
            tracing::warn!("requests were still under way when the broker stopped");
        }
        for connection in self.broker.all_connections() {
            connection.close("the broker stops");
        }
        self.broker.node.stop().await;
    }
}

/// Comes back when no produce request is under way.
async fn drain(broker: &Broker) {
    while !broker.committer().is_idle() {
        env::sleep(Duration::from_millis(5)).await;
    }
}
