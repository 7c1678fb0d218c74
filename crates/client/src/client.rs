//! Brokers, connections and trying again: what every request of the client goes through.

use std::{collections::BTreeMap, time::Duration};

use env::Instant;
use wire::{ApiKey, ErrorCode, Request};

use crate::{ClientError, Node, connection::Connection, metadata::Leaders};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the client calls itself.
    pub client_id: String,
    /// Longest that one attempt to connect may take.
    pub connect_timeout: Duration,
    /// Longest that one request may wait for its answer.
    pub request_timeout: Duration,
    /// Longest that an operation may take, with all that it tries again.
    pub operation_timeout: Duration,
    /// Longest that a topic may be unknown while it is being made.
    pub unknown_topic_timeout: Duration,
    /// Wait before trying again.
    pub retry_wait: Duration,
    /// Largest answer that is read, in bytes.
    pub response_bytes_max: usize,
}

impl Default for Options {
    /// Kafka's time-outs for a client (10 s to connect, 30 s a request, 60 s in all), but an unknown topic is given up after 5 s.
    fn default() -> Self {
        Self {
            client_id: "takhin".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(60),
            unknown_topic_timeout: Duration::from_secs(5),
            retry_wait: Duration::from_millis(100),
            response_bytes_max: 256 << 20,
        }
    }
}

/// A client of one cluster. It connects when it needs to.
#[derive(Debug)]
pub struct Client {
    pub(crate) options: Options,
    bootstrap: Vec<String>,
    /// To any broker, for what any broker can answer.
    any: Option<Connection>,
    by_node: BTreeMap<i32, Connection>,
    pub(crate) nodes: BTreeMap<i32, Node>,
    pub(crate) leaders: Leaders,
    /// The node that coordinates a group, until something says that it no longer does.
    pub(crate) coordinators: BTreeMap<String, i32>,
}

/// Who is to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    /// Whoever answers.
    Any,
    /// This node of the cluster.
    Node(i32),
}

impl Client {
    /// A client that finds its cluster through one of the `bootstrap` addresses, each `host:port`.
    pub fn new(bootstrap: Vec<String>, options: Options) -> Self {
        Self {
            options,
            bootstrap,
            any: None,
            by_node: BTreeMap::new(),
            nodes: BTreeMap::new(),
            leaders: Leaders::default(),
            coordinators: BTreeMap::new(),
        }
    }

    /// Repeats `attempt` while its error is retriable and the operation has time left.
    ///
    /// Before each repetition what is known about leaders and coordinators is forgotten. `attempt` is given the deadline.
    pub(crate) fn retry<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self, Instant) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let started = Instant::now();
        let deadline = started + self.options.operation_timeout;
        loop {
            match attempt(self, deadline) {
                Err(e) if e.is_retriable() && self.has_time_after(&e, started) => {
                    self.leaders.clear();
                    self.coordinators.clear();
                    // Nobody unparks this thread; waking early would only try again earlier.
                    env::task::park_timeout(self.options.retry_wait);
                }
                done => return done,
            }
        }
    }

    /// An address that never answered is most likely a wrong one, and a topic that stays unknown, too:
    /// a person would rather know soon.
    fn has_time_after(&self, error: &ClientError, started: Instant) -> bool {
        let limit = match error {
            ClientError::Connect { .. } if self.nodes.is_empty() => Duration::ZERO,
            _ if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                self.options.unknown_topic_timeout
            }
            _ => self.options.operation_timeout,
        };
        started.elapsed() + self.options.retry_wait < limit
    }

    /// Whom an error names that is about what some broker said before.
    pub(crate) fn any_broker(&self) -> String {
        self.any.as_ref().map_or_else(|| self.bootstrap.join(","), |any| any.broker().to_owned())
    }

    /// Sends a request and hands its answer to `read`. A connection that failed is dropped.
    ///
    /// The answer is waited for until `deadline`, but no longer than a request may take, with `beside`
    /// for what the broker is asked to wait itself.
    pub(crate) fn call<'m, R: Request<'m>, T>(
        &mut self,
        to: To,
        request: &R,
        limits: Limits,
        read: impl FnOnce(R::Response<'_>, &str) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let deadline = (Instant::now() + self.options.request_timeout + limits.beside).min(limits.deadline);
        let connection = self.connection(to, deadline)?;
        let broker = connection.broker().to_owned();
        let called =
            connection.call(request, limits.version_max, deadline).map(|answer| read(answer, &broker));
        called.unwrap_or_else(|e| {
            self.drop_connection(to);
            Err(e)
        })
    }

    /// Sends a request that has no answer.
    pub(crate) fn tell<'m, R: Request<'m>>(
        &mut self,
        to: To,
        request: &R,
        limits: Limits,
    ) -> Result<(), ClientError> {
        let deadline = (Instant::now() + self.options.request_timeout).min(limits.deadline);
        let told = self.connection(to, deadline)?.tell(request, limits.version_max, deadline);
        if told.is_err() {
            self.drop_connection(to);
        }
        told
    }

    /// Whether a broker serves an API in a version that this client knows, too.
    pub(crate) fn serves(&mut self, to: To, api: ApiKey, deadline: Instant) -> Result<bool, ClientError> {
        Ok(self.connection(to, deadline)?.serves(api))
    }

    /// The version in which a request would go to a broker.
    pub(crate) fn version(&mut self, to: To, api: ApiKey, deadline: Instant) -> Result<i16, ClientError> {
        self.connection(to, deadline)?.version(api)
    }

    fn drop_connection(&mut self, to: To) {
        match to {
            To::Any => self.any = None,
            To::Node(id) => drop(self.by_node.remove(&id)),
        }
    }

    fn connection(&mut self, to: To, deadline: Instant) -> Result<&mut Connection, ClientError> {
        match to {
            To::Any => {
                if self.any.is_none() {
                    self.any = Some(self.connect_to_any(deadline)?);
                }
                Ok(self.any.as_mut().expect("connected just now"))
            }
            To::Node(id) => {
                if !self.by_node.contains_key(&id) {
                    // Metadata named the node as a leader, so that it named its address, too.
                    let Some(node) = self.nodes.get(&id) else {
                        return self.connection(To::Any, deadline);
                    };
                    let connection = Connection::open(
                        &node.address(),
                        format!("{} (node {id})", node.address()),
                        &self.options,
                        deadline,
                    )?;
                    self.by_node.insert(id, connection);
                }
                Ok(self.by_node.get_mut(&id).expect("connected just now"))
            }
        }
    }

    /// The bootstrap addresses in turn, then the nodes that are known; the last error tells.
    fn connect_to_any(&self, deadline: Instant) -> Result<Connection, ClientError> {
        let known = self.nodes.values().map(Node::address);
        let addresses: Vec<String> = self.bootstrap.iter().cloned().chain(known).collect();
        let mut opened = Err(ClientError::Connect {
            broker: "any broker".to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "no address is given"),
        });
        for address in addresses {
            opened = Connection::open(&address, address.clone(), &self.options, deadline);
            if opened.is_ok() {
                break;
            }
        }
        opened
    }
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The operation's end.
    pub(crate) deadline: Instant,
    /// The newest version that may be used.
    pub(crate) version_max: i16,
    /// How long the broker is asked to wait before it answers.
    pub(crate) beside: Duration,
}

impl Limits {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, version_max: i16::MAX, beside: Duration::ZERO }
    }
}
