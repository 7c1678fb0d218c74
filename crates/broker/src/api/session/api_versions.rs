//! ApiVersions: key 18, versions 0–4. Flexible since 3, which also says what the client is.
//!
//! Lists what is served, keys ascending. Produce is listed from version 0 although 0 to 2 are refused, as in Kafka: older
//! librdkafka compresses only towards a broker that lists them (KAFKA-18659).
//!
//! Of Kafka's features `group.version` is listed: groups of the consumer protocol. The others stand for what is not served
//! (transactions of the second kind, share groups, streams), and `metadata.version` and `kraft.version` are about Kafka's own
//! controllers. Clients take a missing feature as level 0.

use std::rc::Rc;

use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::frame;
use wire::message::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::primitive::{Message, Writer};

use crate::api::FEATURES;
use crate::dispatch::{Caller, SERVED};
use crate::server::Broker;

/// The first version that says what the client is.
const CLIENT_SOFTWARE_SINCE: i16 = 3;

/// What is remembered of the name and of the version.
const SOFTWARE_CHARS_MAX: usize = 64;

/// Says which APIs are served.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: &ApiVersionsRequest<'a>,
) -> ApiVersionsResponse<'a> {
    let says_what_it_is =
        is_software(&request.client_software_name) && is_software(&request.client_software_version);
    if caller.version >= CLIENT_SOFTWARE_SINCE && !says_what_it_is {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST.code(), ..Default::default() };
    }
    tracing::debug!(
        peer = %caller.connection.peer,
        client_id = caller.client_id,
        software = %request.client_software_name,
        version = %request.client_software_version,
        "client"
    );
    if caller.version >= CLIENT_SOFTWARE_SINCE {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        let software = format!("{name:.SOFTWARE_CHARS_MAX$} {version:.SOFTWARE_CHARS_MAX$}");
        *caller.connection.software.borrow_mut() = Some(software.into());
    }
    let mut served = SERVED.to_vec();
    served.sort_unstable();
    ApiVersionsResponse {
        api_keys: served.into_iter().map(listed).collect(),
        supported_features: FEATURES.into_iter().map(supported).collect(),
        // Features never change, so that they are of the first epoch for ever.
        finalized_features_epoch: 0,
        finalized_features: FEATURES.into_iter().map(finalized).collect(),
        ..Default::default()
    }
}

fn supported<'a>((name, level): (&'a str, i16)) -> SupportedFeatureKey<'a> {
    SupportedFeatureKey { name: name.into(), min_version: level, max_version: level }
}

fn finalized<'a>((name, level): (&'a str, i16)) -> FinalizedFeatureKey<'a> {
    FinalizedFeatureKey { name: name.into(), min_version_level: level, max_version_level: level }
}

/// Answers a request of a version that is not served: in version 0, which every client can read, with the versions that it
/// may ask in (KIP-511).
pub(crate) fn refuse_version(correlation_id: i32, out: &mut Vec<u8>) {
    let unfinished = frame::start_response(out, ApiKey::ApiVersions, 0, correlation_id);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.code(),
        api_keys: vec![listed(ApiKey::ApiVersions)].into(),
        ..Default::default()
    };
    response.encode(&mut Writer::new(out), 0);
    unfinished.finish(out, &[]).expect("a few bytes");
}

/// An API that is served, as clients are told of it.
pub(crate) fn listed(key: ApiKey) -> ApiVersion {
    let (first, last) = (*key.versions().start(), *key.versions().end());
    let min_version = if key == ApiKey::Produce { 0 } else { first };
    ApiVersion { api_key: key.code(), min_version, max_version: last }
}

/// Kafka's pattern for names and versions of clients: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(is_inner)
}

#[cfg(test)]
#[path = "api_versions_test.rs"]
mod api_versions_test;
