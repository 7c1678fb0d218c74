//! A connection for those who drive brokers hard: many requests under way, nothing waits, nothing is tried again.
//!
//! It belongs to one task of an event loop, which sends when it likes and polls for answers. A request is encoded
//! once as a [`Template`] and sent as often as wanted, with record batches that are not copied on the way to the socket.
//!
//! Invariant: answers come in the order of the requests; another order is an error.
//! Invariant: what the socket doesn't take at once is kept and goes first.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use env::net::TcpStream;
use wire::{
    ApiKey, Message, Request,
    frame::{self, Written},
    primitive::Reader,
};

use crate::{
    Client, ClientError, Topic,
    client::To,
    connection::{Connection, common_version},
    metadata::Creation,
};

/// Bytes that an empty buffer for answers has.
const INBOX_BYTES: usize = 64 << 10;
/// Bytes of a frame in front of the correlation id: length, API key, version.
const CORRELATION_ID_AT: usize = frame::LENGTH_SIZE + 4;

/// An encoded request, but for its correlation id and for the record batches that it carries.
#[derive(Debug, Clone)]
pub struct Template {
    api: ApiKey,
    version: i16,
    bytes: Vec<u8>,
    /// Where the record batches go.
    gap_at: usize,
    gap_bytes: usize,
}

impl Template {
    /// Bytes of record batches that are to be sent with it.
    pub fn records_bytes(&self) -> usize {
        self.gap_bytes
    }
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer<'a> {
    broker: &'a str,
    asked: Asked,
    body: Reader<'a>,
}

impl<'a> Answer<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// [`ClientError::Answer`].
    pub fn decode<M: Message<'a>>(mut self) -> Result<M, ClientError> {
        let message = M::decode(&mut self.body, self.asked.version);
        let message = message.and_then(|message| self.body.finish().map(|()| message));
        message.map_err(|e| ClientError::Answer {
            broker: self.broker.to_owned(),
            api: self.asked.api,
            why: e.to_string(),
        })
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
}

/// See the module's head.
#[derive(Debug)]
pub struct Pipe {
    broker: String,
    stream: TcpStream,
    client_id: String,
    versions: BTreeMap<i16, (i16, i16)>,
    answer_bytes_max: usize,
    correlation_id: i32,
    /// Bounded by what the owner sends before it reads.
    asked: VecDeque<Asked>,
    outbox: Vec<u8>,
    sent: usize,
    inbox: Vec<u8>,
    /// Bytes of `inbox` that have been handed out, and those that have come.
    taken: usize,
    filled: usize,
}

impl Client {
    /// Opens a connection of its own to the leader of a partition; blocks, and must be called on an event loop.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn pipe_to_leader(&mut self, topic: &Topic, partition: i32) -> Result<Pipe, ClientError> {
        self.retry(|client, deadline| {
            let known = client.topic_known(&topic.name, Creation::Never, deadline)?;
            let address = match client.leader(&known, partition)? {
                To::Node(id) => client.nodes.get(&id).map(crate::Node::address),
                To::Any => None,
            };
            let address = address.unwrap_or_else(|| client.any_broker());
            let opened = Connection::open(&address, address.clone(), &client.options, deadline)?;
            Pipe::adopt(opened, &client.options.client_id, client.options.response_bytes_max)
        })
    }
}

impl Pipe {
    fn adopt(opened: Connection, client_id: &str, answer_bytes_max: usize) -> Result<Self, ClientError> {
        let (broker, stream, versions) = opened.into_parts();
        let stream = match env::net::adopt_stream(stream) {
            Ok(stream) => stream,
            Err(source) => return Err(ClientError::Connect { broker, source }),
        };
        Ok(Self {
            broker,
            stream,
            client_id: client_id.to_owned(),
            versions,
            answer_bytes_max,
            correlation_id: 0,
            asked: VecDeque::new(),
            outbox: Vec::new(),
            sent: 0,
            inbox: vec![0; INBOX_BYTES],
            taken: 0,
            filled: 0,
        })
    }

    /// The broker's address.
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// Requests that have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.asked.len()
    }

    /// Whether everything that was sent has gone to the socket.
    pub fn is_flushed(&self) -> bool {
        self.sent == self.outbox.len()
    }

    /// Encodes a request in the newest common version up to `version_max`; a field of records that is
    /// `Records::Spliced` is filled in by [`Pipe::send`].
    ///
    /// # Errors
    /// [`ClientError::Version`]; [`ClientError::Records`] when it is too long for a frame.
    pub fn template<'m, R: Request<'m>>(
        &self,
        request: &R,
        version_max: i16,
    ) -> Result<Template, ClientError> {
        let version = common_version(&self.versions, &self.broker, R::KEY, version_max)?;
        let mut bytes = Vec::new();
        let Written { splices, .. } =
            frame::write_request(&mut bytes, version, 0, Some(&self.client_id), request)
                .map_err(|e| ClientError::Records { about: format!("{}", R::KEY), why: e.to_string() })?;
        let (gap_at, gap_bytes) =
            splices.first().map_or((bytes.len(), 0), |splice| (splice.position, splice.length));
        Ok(Template { api: R::KEY, version, bytes, gap_at, gap_bytes })
    }

    /// Sends a request with its record batches; `is_answered` is false for Produce with acks 0.
    ///
    /// # Panics
    /// When `records` has another length than the template was made for.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(
        &mut self,
        template: &mut Template,
        records: &[u8],
        is_answered: bool,
    ) -> Result<(), ClientError> {
        assert_eq!(records.len(), template.gap_bytes, "records of another length than the template's");
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let id_range = CORRELATION_ID_AT..CORRELATION_ID_AT + 4;
        template.bytes[id_range].copy_from_slice(&self.correlation_id.to_be_bytes());
        let (front, back) = template.bytes.split_at(template.gap_at);
        let written = if self.is_flushed() {
            let parts = [IoSlice::new(front), IoSlice::new(records), IoSlice::new(back)];
            match self.stream.try_write_vectored(&parts) {
                Ok(written) => written,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
                Err(source) => return Err(self.broken(template.api, source)),
            }
        } else {
            0
        };
        if self.is_flushed() {
            self.outbox.clear();
            self.sent = 0;
        }
        let mut skip = written;
        for part in [front, records, back] {
            let gone = skip.min(part.len());
            skip -= gone;
            self.outbox.extend_from_slice(&part[gone..]);
        }
        if is_answered {
            let (correlation_id, api, version) = (self.correlation_id, template.api, template.version);
            self.asked.push_back(Asked { correlation_id, api, version });
        }
        Ok(())
    }

    /// Writes what the socket did not take before; ready once nothing is left.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        while !self.is_flushed() {
            match ready!(env::net::poll_write(&mut self.stream, cx, &self.outbox[self.sent..])) {
                Ok(count) => self.sent += count,
                Err(source) => return Poll::Ready(Err(self.broken(self.api(), source))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what has come; ready when there is more than before, perhaps without a whole answer.
    ///
    /// # Errors
    /// The connection is broken, or the broker has closed it.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        if self.taken > 0 {
            self.inbox.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if self.filled == self.inbox.len() {
            // Memory follows what arrives, not what a length announces; `next_answer` bounds that.
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
        let read = ready!(env::net::poll_read(&mut self.stream, cx, &mut self.inbox[self.filled..]));
        Poll::Ready(match read {
            Ok(0) => {
                let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection");
                Err(self.broken(self.api(), closed))
            }
            Ok(count) => {
                self.filled += count;
                Ok(())
            }
            Err(source) => Err(self.broken(self.api(), source)),
        })
    }

    /// The next whole answer among what has come.
    ///
    /// # Errors
    /// [`ClientError::Answer`]: a frame too long, or not the answer to the oldest request.
    pub fn next_answer(&mut self) -> Result<Option<Answer<'_>>, ClientError> {
        let come = &self.inbox[self.taken..self.filled];
        let Some((length, rest)) = come.split_first_chunk::<{ frame::LENGTH_SIZE }>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*length);
        let refuse = |api, why| ClientError::Answer { broker: self.broker.clone(), api, why };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= self.answer_bytes_max)
        else {
            let why = format!("a frame of {length} bytes, at most {} are read", self.answer_bytes_max);
            return Err(refuse(self.api(), why));
        };
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.taken + frame::LENGTH_SIZE;
        self.taken = start + length;
        let Some(asked) = self.asked.pop_front() else {
            return Err(refuse(ApiKey::Produce, "nobody asked for it".to_owned()));
        };
        let (id, body) = frame::read_response(&self.inbox[start..self.taken], asked.api, asked.version)
            .map_err(|e| refuse(asked.api, e.to_string()))?;
        if id != asked.correlation_id {
            return Err(refuse(asked.api, "it belongs to another request".to_owned()));
        }
        Ok(Some(Answer { broker: &self.broker, asked, body }))
    }

    /// What the oldest request asks for.
    fn api(&self) -> ApiKey {
        self.asked.front().map_or(ApiKey::Produce, |asked| asked.api)
    }

    fn broken(&self, api: ApiKey, source: io::Error) -> ClientError {
        ClientError::Connection { broker: self.broker.clone(), api, source }
    }
}
