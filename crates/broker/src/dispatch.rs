//! Which handler answers which API, and in which versions.
//!
//! `SERVED` is what ApiVersions lists: an API stands there once a handler answers it.

use std::rc::Rc;
use std::sync::Arc;

use wire::api::ApiKey;
use wire::error::ErrorCode;
use wire::frame::{self, FrameTooLong, RequestFrame};
use wire::primitive::{DecodeError, Message, Request, Writer};

use crate::api::{admin, cluster, data, group, security, session, txn};
use crate::connection::Connection;
use crate::connection::answer::Answer;
use crate::counters::Counters;
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
    ApiKey::DescribeCluster,
    ApiKey::DescribeTopicPartitions,
    ApiKey::DescribeProducers,
    ApiKey::CreatePartitions,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::ListConfigResources,
    ApiKey::ElectLeaders,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::DescribeDelegationToken,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
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

/// A request that the pump answers and that can't be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its bytes: of the frame's head, or of the body.
    #[error("{}: {error}", api.map_or("a request", ApiKey::name))]
    Malformed { api: Option<ApiKey>, error: DecodeError },
    /// Its version.
    #[error("{} version {version} is not served", api.name())]
    Version { api: ApiKey, version: i16 },
    /// Have its batches checked beside the I/O thread.
    #[error("a batch decompresses to more than is checked at once")]
    Heavy,
}

/// Reads a request that the pump answers.
///
/// # Errors
/// Why the connection is closed.
pub(crate) fn read<'a, R: Request<'a>>(frame: &'a [u8]) -> Result<(RequestFrame<'a>, R), StartError> {
    let malformed = |api| move |error| StartError::Malformed { api, error };
    let mut request = frame::read_request(frame).map_err(malformed(None))?;
    if !R::KEY.versions().contains(&request.version) {
        return Err(StartError::Version { api: R::KEY, version: request.version });
    }
    let body = R::decode(&mut request.body, request.version).map_err(malformed(Some(R::KEY)))?;
    Ok((request, body))
}

/// Appends an answer's frame to `out`, and counts the errors in it.
///
/// # Errors
/// It is longer than a frame can be.
pub(crate) fn write_response<'a>(
    counters: &Counters,
    (key, version, correlation_id): (ApiKey, i16, i32),
    response: &impl Message<'a>,
    out: &mut Vec<u8>,
) -> Result<(), FrameTooLong> {
    let unfinished = frame::start_response(out, key, version, correlation_id);
    let mut writer = Writer::new(out);
    response.encode(&mut writer, version);
    counters.answered(key, &writer.errors);
    unfinished.finish(out, &[])
}

/// Answers any request that the pump does not: `out` is empty and gets a whole frame.
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
        broker.counters.failed(key, ErrorCode::UNSUPPORTED_VERSION, 1);
        return Ok(());
    }
    if !SERVED.contains(&key) || !key.versions().contains(&version) {
        return Err(format!("{} version {version} is not served", key.name()));
    }
    broker.counters.requested(key, version);
    let caller = Caller { connection, version, client_id: request.client_id };
    let asked = Exchange { broker, caller: &caller, request, out };
    match key {
        ApiKey::ApiVersions => asked.reply_now(|b, c, r| session::api_versions::handle(b, c, &r)),
        ApiKey::Metadata => asked.reply(cluster::metadata::handle).await,
        ApiKey::CreateTopics => asked.reply(admin::create_topics::handle).await,
        ApiKey::DeleteTopics => asked.reply(admin::delete_topics::handle).await,
        ApiKey::CreatePartitions => asked.reply(admin::create_partitions::handle).await,
        ApiKey::DeleteRecords => asked.reply(admin::delete_records::handle).await,
        ApiKey::OffsetForLeaderEpoch => asked.reply_now(data::offset_for_leader_epoch::handle),
        ApiKey::DescribeCluster => asked.reply_now(cluster::describe_cluster::handle),
        ApiKey::DescribeTopicPartitions => asked.reply_now(cluster::describe_topic_partitions::handle),
        ApiKey::DescribeProducers => asked.reply_now(cluster::describe_producers::handle),
        ApiKey::DescribeLogDirs => asked.reply(cluster::describe_log_dirs::handle).await,
        ApiKey::DescribeQuorum => asked.reply_now(cluster::describe_quorum::handle),
        ApiKey::AlterReplicaLogDirs => asked.reply_now(admin::alter_replica_log_dirs::handle),
        ApiKey::ElectLeaders => asked.reply_now(admin::elect_leaders::handle),
        ApiKey::AlterPartitionReassignments => asked.reply_now(admin::alter_partition_reassignments::handle),
        ApiKey::ListPartitionReassignments => asked.reply_now(admin::list_partition_reassignments::handle),
        ApiKey::UpdateFeatures => asked.reply_now(admin::update_features::handle),
        ApiKey::DescribeClientQuotas => asked.reply_now(admin::describe_client_quotas::handle),
        ApiKey::AlterClientQuotas => asked.reply(admin::alter_client_quotas::handle).await,
        ApiKey::DescribeUserScramCredentials => {
            asked.reply_now(security::describe_user_scram_credentials::handle)
        }
        ApiKey::AlterUserScramCredentials => {
            asked.reply(security::alter_user_scram_credentials::handle).await
        }
        ApiKey::DescribeConfigs => asked.reply_now(admin::describe_configs::handle),
        ApiKey::AlterConfigs => asked.reply(admin::alter_configs::handle).await,
        ApiKey::ListConfigResources => asked.reply_now(admin::list_config_resources::handle),
        ApiKey::IncrementalAlterConfigs => asked.reply(admin::incremental_alter_configs::handle).await,
        ApiKey::JoinGroup => asked.reply(group::join_group::handle).await,
        ApiKey::SyncGroup => asked.reply(group::sync_group::handle).await,
        ApiKey::Heartbeat => asked.reply(group::heartbeat::handle).await,
        ApiKey::LeaveGroup => asked.reply(group::leave_group::handle).await,
        ApiKey::OffsetFetch => asked.reply(group::offset_fetch::handle).await,
        ApiKey::OffsetDelete => asked.reply(group::offset_delete::handle).await,
        ApiKey::DescribeGroups => asked.reply(group::describe_groups::handle).await,
        ApiKey::ListGroups => asked.reply(group::list_groups::handle).await,
        ApiKey::DeleteGroups => asked.reply(group::delete_groups::handle).await,
        ApiKey::ConsumerGroupHeartbeat => asked.reply(group::consumer_group_heartbeat::handle).await,
        ApiKey::ConsumerGroupDescribe => asked.reply(group::consumer_group_describe::handle).await,
        ApiKey::Fetch => {
            *asked.out = data::fetch::answer(broker, &caller, asked.request).await?;
            Ok(())
        }
        ApiKey::ListOffsets => asked.reply(data::list_offsets::handle).await,
        ApiKey::FindCoordinator => asked.reply(group::find_coordinator::handle).await,
        ApiKey::InitProducerId => asked.reply(txn::init_producer_id::handle).await,
        ApiKey::DescribeAcls => asked.reply_now(security::describe_acls::handle),
        ApiKey::CreateAcls => asked.reply_now(security::create_acls::handle),
        ApiKey::DeleteAcls => asked.reply_now(security::delete_acls::handle),
        ApiKey::CreateDelegationToken => asked.reply_now(security::create_delegation_token::handle),
        ApiKey::RenewDelegationToken => asked.reply_now(security::renew_delegation_token::handle),
        ApiKey::ExpireDelegationToken => asked.reply_now(security::expire_delegation_token::handle),
        ApiKey::DescribeDelegationToken => asked.reply_now(security::describe_delegation_token::handle),
        _ => Err(format!("{} has no handler", key.name())),
    }
}

/// A request, who asks, and where the answer goes.
struct Exchange<'a> {
    broker: &'a Rc<Broker>,
    caller: &'a Caller<'a>,
    request: RequestFrame<'a>,
    out: &'a mut Answer,
}

impl<'a> Exchange<'a> {
    /// Decodes the body as `R`, has it handled and writes the answer's frame.
    async fn reply<R: Request<'a>>(
        mut self,
        handle: impl AsyncFnOnce(&'a Rc<Broker>, &'a Caller<'a>, R) -> R::Response<'a>,
    ) -> Result<(), String> {
        let request = self.decode()?;
        let response = handle(self.broker, self.caller, request).await;
        self.write::<R>(&response)
    }

    /// The same where nothing is to be waited for.
    fn reply_now<R: Request<'a>>(
        mut self,
        handle: impl FnOnce(&'a Rc<Broker>, &'a Caller<'a>, R) -> R::Response<'a>,
    ) -> Result<(), String> {
        let request = self.decode()?;
        let response = handle(self.broker, self.caller, request);
        self.write::<R>(&response)
    }

    /// Bytes behind the body are left alone, as in Kafka.
    fn decode<R: Request<'a>>(&mut self) -> Result<R, String> {
        let decoded = R::decode(&mut self.request.body, self.request.version);
        decoded.map_err(|error| format!("{}: {error}", R::KEY.name()))
    }

    fn write<R: Request<'a>>(self, response: &R::Response<'a>) -> Result<(), String> {
        let head = (R::KEY, self.request.version, self.request.correlation_id);
        let written = write_response(&self.broker.counters, head, response, self.out.own_bytes());
        written.map_err(|error| error.to_string())
    }
}
