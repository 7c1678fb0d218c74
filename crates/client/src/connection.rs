//! One connection to one broker: frames out, frames in, in the newest version that both sides know.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Read, Write},
    time::Duration,
};

use env::{Instant, net::BlockingTcpStream as TcpStream};
use wire::{
    ApiKey, DecodeError, ErrorCode, Message, Request, frame,
    message::{ApiVersionsRequest, ApiVersionsResponse},
};

use crate::{ClientError, Options};

/// Bytes by which the buffer of an answer grows: memory follows what arrives, not what is announced.
const READ_STEP_BYTES: usize = 1 << 20;

/// A connection whose broker has said what it serves.
#[derive(Debug)]
pub(crate) struct Connection {
    broker: String,
    stream: TcpStream,
    client_id: String,
    response_bytes_max: usize,
    correlation_id: i32,
    /// What the broker serves, by API key.
    versions: BTreeMap<i16, (i16, i16)>,
    /// The answer that was read last.
    frame: Vec<u8>,
}

impl Connection {
    /// Connects to `address` and asks for versions; `broker` is its name in errors.
    pub(crate) fn open(
        address: &str,
        broker: String,
        options: &Options,
        deadline: Instant,
    ) -> Result<Self, ClientError> {
        let limit = options.connect_timeout.min(left(deadline));
        let stream = match env::net::connect_blocking(address, limit) {
            Ok(stream) => stream,
            Err(source) => return Err(ClientError::Connect { broker, source }),
        };
        let mut connection = Self {
            broker,
            stream,
            client_id: options.client_id.clone(),
            response_bytes_max: options.response_bytes_max,
            correlation_id: 0,
            versions: BTreeMap::new(),
            frame: Vec::new(),
        };
        connection.ask_versions(deadline)?;
        Ok(connection)
    }

    /// The broker's name for errors.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// Whether the broker serves an API in a version that this client knows, too.
    pub(crate) fn serves(&self, api: ApiKey) -> bool {
        self.version_of(api, i16::MAX).is_ok()
    }

    /// The newest version of an API that both sides know.
    pub(crate) fn version(&self, api: ApiKey) -> Result<i16, ClientError> {
        self.version_of(api, i16::MAX)
    }

    /// Sends a request in the newest common version up to `version_max` and returns the answer.
    ///
    /// After an error the connection is of no use: what comes next may belong to this request.
    pub(crate) fn call<'s, 'm, R: Request<'m>>(
        &'s mut self,
        request: &R,
        version_max: i16,
        deadline: Instant,
    ) -> Result<R::Response<'s>, ClientError> {
        let version = self.version_of(R::KEY, version_max)?;
        self.send(request, version, deadline)?;
        self.receive(R::KEY, deadline)?;
        self.decode::<R::Response<'s>>(R::KEY, version)
    }

    /// Sends a request that has no answer: Produce with acks 0.
    pub(crate) fn tell<'m, R: Request<'m>>(
        &mut self,
        request: &R,
        version_max: i16,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let version = self.version_of(R::KEY, version_max)?;
        self.send(request, version, deadline)
    }

    fn version_of(&self, api: ApiKey, version_max: i16) -> Result<i16, ClientError> {
        common_version(&self.versions, &self.broker, api, version_max)
    }

    /// The broker's name, the socket, and what the broker serves, for those who send in another way.
    pub(crate) fn into_parts(self) -> (String, TcpStream, BTreeMap<i16, (i16, i16)>) {
        (self.broker, self.stream, self.versions)
    }

    /// Asks in our newest version; a broker that doesn't know it answers in version 0 and says which
    /// ones it has (KIP-511).
    fn ask_versions(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let api = ApiKey::ApiVersions;
        let request = ApiVersionsRequest {
            client_software_name: Cow::Borrowed("takhin"),
            client_software_version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
        };
        let newest = *api.versions().end();
        self.send(&request, newest, deadline)?;
        self.receive(api, deadline)?;
        let is_unknown =
            self.frame.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.code().to_be_bytes()[..]);
        self.keep_versions(if is_unknown { 0 } else { newest })?;
        if is_unknown {
            let version = self.version_of(api, newest - 1).unwrap_or(0);
            self.send(&request, version, deadline)?;
            self.receive(api, deadline)?;
            self.keep_versions(version)?;
        }
        Ok(())
    }

    fn keep_versions(&mut self, version: i16) -> Result<(), ClientError> {
        let response: ApiVersionsResponse<'_> = self.decode(ApiKey::ApiVersions, version)?;
        let code = response.error_code;
        let served = response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        let versions: BTreeMap<_, _> = served.collect();
        let is_answer = code == 0 || (version == 0 && code == ErrorCode::UNSUPPORTED_VERSION.code());
        if !is_answer {
            let (broker, about) = (self.broker.clone(), "versions".to_owned());
            return Err(ClientError::Refused {
                broker,
                api: ApiKey::ApiVersions,
                about,
                code,
                message: None,
            });
        }
        self.versions = versions;
        Ok(())
    }

    fn send<'m, R: Request<'m>>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let api = R::KEY;
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let mut bytes = Vec::new();
        frame::write_request(&mut bytes, version, self.correlation_id, Some(&self.client_id), request)
            .map_err(|e| ClientError::Records { about: format!("{api}"), why: e.to_string() })?;
        let started = Instant::now();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = self
                .stream
                .set_write_timeout(Some(left(deadline)))
                .and_then(|()| self.stream.write(rest))
                .map_err(|e| self.broken(api, e, started))?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Reads the frame that answers the last request.
    fn receive(&mut self, api: ApiKey, deadline: Instant) -> Result<(), ClientError> {
        let started = Instant::now();
        let answer = |why: String| ClientError::Answer { broker: self.broker.clone(), api, why };
        let (stream, frame) = (&mut self.stream, &mut self.frame);
        let read = read_bytes(stream, frame, frame::LENGTH_SIZE, deadline).and_then(|()| {
            let length = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
            match usize::try_from(length) {
                Ok(length) if (4..=self.response_bytes_max).contains(&length) => {
                    read_bytes(stream, frame, length, deadline).map(|()| None)
                }
                _ => Ok(Some(length)),
            }
        });
        match read {
            Err(e) => Err(self.broken(api, e, started)),
            Ok(Some(length)) => Err(answer(format!(
                "a frame of {length} bytes, at most {} are read",
                self.response_bytes_max
            ))),
            Ok(None) if self.frame[..4] != self.correlation_id.to_be_bytes() => {
                Err(answer("it belongs to another request".to_owned()))
            }
            Ok(None) => Ok(()),
        }
    }

    fn decode<'s, M: Message<'s>>(&'s self, api: ApiKey, version: i16) -> Result<M, ClientError> {
        let decode = || {
            let (_, mut body) = frame::read_response(&self.frame, api, version)?;
            let message = M::decode(&mut body, version)?;
            body.finish()?;
            Ok(message)
        };
        decode().map_err(|e: DecodeError| ClientError::Answer {
            broker: self.broker.clone(),
            api,
            why: e.to_string(),
        })
    }

    fn broken(&self, api: ApiKey, source: io::Error, started: Instant) -> ClientError {
        let broker = self.broker.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::TimedOut { broker, api, waited: started.elapsed() }
            }
            _ => ClientError::Connection { broker, api, source },
        }
    }
}

/// The newest version up to `version_max` that both sides know; `served` is what the broker said, by API key.
pub(crate) fn common_version(
    served: &BTreeMap<i16, (i16, i16)>,
    broker: &str,
    api: ApiKey,
    version_max: i16,
) -> Result<i16, ClientError> {
    let (first, last) = (*api.versions().start(), (*api.versions().end()).min(version_max));
    let theirs = served.get(&api.code());
    match theirs.map(|theirs| (first.max(theirs.0), last.min(theirs.1))) {
        Some((lowest, highest)) if lowest <= highest => Ok(highest),
        _ => Err(ClientError::Version {
            broker: broker.to_owned(),
            api,
            theirs: theirs.map_or("no version of it".to_owned(), |(a, b)| format!("versions {a} to {b}")),
            ours: (first, last),
        }),
    }
}

/// The time until `deadline`, and never zero: sockets take zero for "for ever".
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.since(Instant::now()).max(Duration::from_millis(1))
}

/// Reads exactly `length` bytes into `into`, in place of what it held.
fn read_bytes(
    stream: &mut TcpStream,
    into: &mut Vec<u8>,
    length: usize,
    deadline: Instant,
) -> io::Result<()> {
    into.clear();
    while into.len() < length {
        let start = into.len();
        into.resize(length.min(start + READ_STEP_BYTES), 0);
        let mut filled = start;
        while filled < into.len() {
            stream.set_read_timeout(Some(left(deadline)))?;
            match stream.read(&mut into[filled..]) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the broker closed the connection",
                    ));
                }
                Ok(count) => filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if deadline.since(Instant::now()).is_zero() && filled < into.len() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
    Ok(())
}
