//! Which handler answers which API, and in which versions.
//!
//! `SERVED` is what ApiVersions lists: an API stands there once a handler answers it.

use std::rc::Rc;
use std::sync::Arc;

use wire::api::ApiKey;
use wire::frame::{self, RequestFrame};
use wire::primitive::{Message, Request, Writer};

use crate::api::{admin, cluster, data, group, session, txn};
use crate::connection::Connection;
use crate::connection::answer::Answer;
use crate::server::Broker;

/// The APIs that are served, in every stable version that Kafka has of them.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeLogDirs,
    ApiKey::DescribeConfigs,
    ApiKey::DeleteGroups,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::OffsetDelete,
];

/// Who asks, and with what.
pub(crate) struct Caller<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) version: i16,
    pub(crate) client_id: Option<&'a str>,
}

impl Caller<'_> {
    /// The client's address as Kafka shows it to members and operators of groups.
    pub(crate) fn host(&self) -> Arc<str> {
        format!("/{}", self.connection.peer.ip()).into()
    }
}

/// The API that a frame is for, if it is one.
pub(crate) fn key_of(frame: &[u8]) -> Option<ApiKey> {
    ApiKey::try_from(i16::from_be_bytes(*frame.first_chunk()?)).ok()
}

/// Answers any request but Produce: `out` is empty and gets a whole frame.
///
/// # Errors
/// Why the connection is closed: Kafka closes it too when a request can't be read or is not served.
pub(crate) async fn answer(
    broker: &Rc<Broker>,
    connection: &Connection,
    frame: &[u8],
    out: &mut Answer,
) -> Result<(), String> {
    let request = frame::read_request(frame).map_err(|error| error.to_string())?;
    let (key, version) = (request.key, request.version);
    if key == ApiKey::ApiVersions && !key.versions().contains(&version) {
        session::api_versions::refuse_version(request.correlation_id, out.own_bytes());
        return Ok(());
    }
    if !SERVED.contains(&key) || !key.versions().contains(&version) {
        return Err(format!("{} version {version} is not served", key.name()));
    }
    broker.counters.requested(key, version);
    let caller = Caller { connection, version, client_id: request.client_id };
    match key {
        ApiKey::ApiVersions => {
            reply(request, out, async |r| session::api_versions::handle(broker, &caller, &r)).await
        }
        ApiKey::Metadata => {
            reply(request, out, async |r| cluster::metadata::handle(broker, &caller, r).await).await
        }
        ApiKey::CreateTopics => {
            reply(request, out, async |r| admin::create_topics::handle(broker, &caller, r).await).await
        }
        ApiKey::DeleteTopics => {
            reply(request, out, async |r| admin::delete_topics::handle(broker, &caller, r).await).await
        }
        ApiKey::DeleteRecords => {
            reply(request, out, async |r| admin::delete_records::handle(broker, &caller, r).await).await
        }
        ApiKey::OffsetForLeaderEpoch => {
            reply(request, out, async |r| data::offset_for_leader_epoch::handle(broker, &caller, r)).await
        }
        ApiKey::DescribeLogDirs => {
            reply(request, out, async |r| cluster::describe_log_dirs::handle(broker, &caller, r).await).await
        }
        ApiKey::DescribeConfigs => {
            reply(request, out, async |r| admin::describe_configs::handle(broker, &caller, r)).await
        }
        ApiKey::IncrementalAlterConfigs => {
            reply(request, out, async |r| admin::incremental_alter_configs::handle(broker, &caller, r).await)
                .await
        }
        ApiKey::Fetch => data::fetch::answer(broker, &caller, request).await.map(|answer| *out = answer),
        ApiKey::ListOffsets => {
            reply(request, out, async |r| data::list_offsets::handle(broker, &caller, r).await).await
        }
        ApiKey::FindCoordinator => {
            reply(request, out, async |r| group::find_coordinator::handle(broker, &caller, &r).await).await
        }
        ApiKey::JoinGroup => {
            reply(request, out, async |r| group::join_group::handle(broker, &caller, r).await).await
        }
        ApiKey::SyncGroup => {
            reply(request, out, async |r| group::sync_group::handle(broker, &caller, r).await).await
        }
        ApiKey::Heartbeat => {
            reply(request, out, async |r| group::heartbeat::handle(broker, &caller, r).await).await
        }
        ApiKey::LeaveGroup => {
            reply(request, out, async |r| group::leave_group::handle(broker, &caller, r).await).await
        }
        ApiKey::OffsetCommit => {
            reply(request, out, async |r| group::offset_commit::handle(broker, &caller, r).await).await
        }
        ApiKey::OffsetFetch => {
            reply(request, out, async |r| group::offset_fetch::handle(broker, &caller, r).await).await
        }
        ApiKey::OffsetDelete => {
            reply(request, out, async |r| group::offset_delete::handle(broker, &caller, r).await).await
        }
        ApiKey::DescribeGroups => {
            reply(request, out, async |r| group::describe_groups::handle(broker, &caller, r).await).await
        }
        ApiKey::ListGroups => {
            reply(request, out, async |r| group::list_groups::handle(broker, &caller, r).await).await
        }
        ApiKey::DeleteGroups => {
            reply(request, out, async |r| group::delete_groups::handle(broker, &caller, r).await).await
        }
        ApiKey::InitProducerId => {
            reply(request, out, async |r| txn::init_producer_id::handle(broker, &caller, r).await).await
        }
        _ => Err(format!("{} has no handler", key.name())),
    }
}

/// Decodes the body as `R`, has it handled and writes the answer's frame.
async fn reply<'a, R: Request<'a>>(
    mut request: RequestFrame<'a>,
    out: &mut Answer,
    handle: impl AsyncFnOnce(R) -> R::Response<'a>,
) -> Result<(), String> {
    let version = request.version;
    // Bytes behind the body are left alone, as in Kafka.
    let decoded =
        R::decode(&mut request.body, version).map_err(|error| format!("{}: {error}", R::KEY.name()))?;
    let response = handle(decoded).await;
    let out = out.own_bytes();
    let unfinished = frame::start_response(out, R::KEY, version, request.correlation_id);
    response.encode(&mut Writer::new(out), version);
    unfinished.finish(out, &[]).map_err(|error| error.to_string())
}
