//! A broker that lies, or says nothing: an error in bounded time and memory, never a panic.

use std::time::Instant;

use crate::broker::{FakeBroker, Reply, metadata, reply, versions};
use client::ClientError;
use wire::{ApiKey, ErrorCode, message::ApiVersionsResponse};

/// The error of listing topics at a broker that answers the first request so.
fn error_of(first: impl Fn() -> Reply + Send + 'static) -> ClientError {
    FakeBroker::start(move |_, _| first()).client().topics().unwrap_err()
}

// The length is what the other side claims: believing it would be an allocation of 2 GiB.
#[test]
fn lengths_that_lie_are_refused() {
    for length in [i32::MAX, -1, i32::MIN, 0, 3, 300 << 20] {
        let error = error_of(move || Reply::Bytes(length.to_be_bytes().to_vec()));
        assert!(matches!(error, ClientError::Answer { api: ApiKey::ApiVersions, .. }), "{length}: {error}");
    }
}

#[test]
fn an_answer_that_never_ends_is_given_up_in_time() {
    for reply in [Vec::new(), vec![0, 0, 4, 0, 0, 0]] {
        #[allow(clippy::disallowed_methods)] // measures the client from outside
        let started = Instant::now();
        let error = error_of(move || Reply::Bytes(reply.clone()));
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        assert!(started.elapsed().as_millis() < 3_000);
    }
    assert!(matches!(error_of(|| Reply::Silence), ClientError::TimedOut { .. }));
}

#[test]
fn a_connection_that_closes_is_an_error_that_says_so() {
    let error = error_of(|| Reply::Close);
    assert!(error.to_string().starts_with("ApiVersions to 127.0.0.1:"), "{error}");
    assert!(matches!(error, ClientError::Connection { .. }));
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let broker = FakeBroker::start(|request, _| {
        let mut other = request.clone();
        other.correlation_id += 1;
        reply(&other, &versions())
    });
    assert!(broker.client().topics().unwrap_err().to_string().contains("it belongs to another request"));
}

#[test]
fn bytes_that_are_no_answer_are_refused() {
    let broker = FakeBroker::start(|request, _| {
        let mut bytes = 14_i32.to_be_bytes().to_vec();
        bytes.extend_from_slice(&request.correlation_id.to_be_bytes());
        bytes.extend_from_slice(&[0xff; 10]);
        Reply::Bytes(bytes)
    });
    let error = broker.client().topics().unwrap_err();
    assert!(error.to_string().contains("the answer can't be read"), "{error}");
    assert_eq!(broker.count(ApiKey::ApiVersions), 1, "it would be no better the second time");
}

// A broker that is older than ApiVersions 4 answers version 0 and code 35.
#[test]
fn an_older_broker_is_asked_again_in_a_version_that_it_has() {
    let broker = FakeBroker::start(|request, address| match request.key {
        ApiKey::ApiVersions if request.version > 2 => {
            let mut older = request.clone();
            older.version = 0;
            let mut answer = versions();
            answer.error_code = ErrorCode::UNSUPPORTED_VERSION.code();
            answer.api_keys = answer
                .api_keys
                .iter()
                .map(|mut api| {
                    api.max_version = api.max_version.min(2);
                    api
                })
                .collect();
            reply(&older, &answer)
        }
        ApiKey::ApiVersions => {
            assert_eq!(request.version, 2);
            reply(request, &versions())
        }
        _ => reply(request, &metadata(address, 0)),
    });
    assert_eq!(broker.client().topics().unwrap()[0].name, "t");
    assert_eq!(broker.count(ApiKey::ApiVersions), 2);
}

#[test]
fn an_api_that_the_broker_lacks_is_named() {
    let broker = FakeBroker::start(|request, _| reply(request, &ApiVersionsResponse::default()));
    let error = broker.client().topics().unwrap_err().to_string();
    assert!(error.contains("Metadata to ") && error.contains("it serves no version of it"), "{error}");
}

#[test]
fn an_error_of_a_topic_names_broker_api_and_code() {
    let broker = FakeBroker::start(|request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        _ => reply(request, &metadata(address, ErrorCode::TOPIC_AUTHORIZATION_FAILED.code())),
    });
    let error = broker.client().topic("t").unwrap_err().to_string();
    assert_eq!(error, format!("Metadata to {}: topic t: TOPIC_AUTHORIZATION_FAILED (29)", broker.address));
}

// A wrong address is a person's slip: a minute of silence would not tell.
#[test]
fn an_address_where_nobody_listens_is_told_at_once() {
    let mut client = client::Client::new(vec!["127.0.0.1:1".to_owned()], client::Options::default());
    let error = client.topics().unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to 127.0.0.1:1: "), "{error}");
}
