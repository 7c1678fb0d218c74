//! A broker of a test's own: it answers each request by a closure, on a thread of its own.
#![allow(clippy::disallowed_methods)] // it is the other side of a socket

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use client::{Client, Options};
use wire::{
    ApiKey, Message,
    frame::{self, RequestFrame},
    message::{ApiVersionsResponse, MetadataResponse, api_versions::ApiVersion, metadata},
};

/// What a fake broker does with a request.
pub(crate) enum Reply {
    /// These bytes go out as they are.
    Bytes(Vec<u8>),
    /// The connection is closed.
    Close,
    /// Nothing.
    Silence,
}

pub(crate) struct FakeBroker {
    pub(crate) address: SocketAddr,
    /// What was asked so far.
    pub(crate) asked: Arc<Mutex<Vec<ApiKey>>>,
}

impl FakeBroker {
    /// Answers every request, on every connection, by `answer`.
    pub(crate) fn start(answer: impl FnMut(&RequestFrame<'_>, SocketAddr) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(Mutex::new(answer)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || {
                    serve(stream.unwrap(), |request| {
                        log.lock().unwrap().push(request.key);
                        (answer.lock().unwrap())(request, address)
                    });
                });
            }
        });
        Self { address, asked }
    }

    pub(crate) fn count(&self, api: ApiKey) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == api).count()
    }

    /// A client that gives up soon.
    pub(crate) fn client(&self) -> Client {
        let options = Options {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_millis(300),
            operation_timeout: Duration::from_millis(900),
            unknown_topic_timeout: Duration::from_millis(500),
            retry_wait: Duration::from_millis(10),
            ..Options::default()
        };
        Client::new(vec![self.address.to_string()], options)
    }
}

fn serve(mut stream: TcpStream, mut answer: impl FnMut(&RequestFrame<'_>) -> Reply) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut bytes).unwrap();
        match answer(&frame::read_request(&bytes).unwrap()) {
            Reply::Bytes(bytes) if stream.write_all(&bytes).is_ok() => {}
            Reply::Bytes(_) | Reply::Close => return,
            Reply::Silence => {}
        }
    }
}

/// A proper answer.
pub(crate) fn reply<'m>(request: &RequestFrame<'_>, response: &impl Message<'m>) -> Reply {
    let mut bytes = Vec::new();
    frame::write_response(&mut bytes, request.key, request.version, request.correlation_id, response)
        .unwrap();
    Reply::Bytes(bytes)
}

/// All that a current broker serves.
pub(crate) fn versions() -> ApiVersionsResponse<'static> {
    let row = |api: &ApiKey| ApiVersion {
        api_key: api.code(),
        min_version: *api.versions().start(),
        max_version: *api.versions().end(),
    };
    ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(row).collect(), ..Default::default() }
}

/// One topic, `t`, with one partition, led by node 1, which is at `address`.
pub(crate) fn metadata(address: SocketAddr, topic_error: i16) -> MetadataResponse<'static> {
    let partition = metadata::MetadataResponsePartition { leader_id: 1, ..Default::default() };
    let topic = metadata::MetadataResponseTopic {
        error_code: topic_error,
        name: Some("t".into()),
        partitions: vec![partition].into(),
        ..Default::default()
    };
    let broker = metadata::MetadataResponseBroker {
        node_id: 1,
        host: "127.0.0.1".into(),
        port: i32::from(address.port()),
        ..Default::default()
    };
    MetadataResponse { brokers: vec![broker].into(), topics: vec![topic].into(), ..Default::default() }
}
