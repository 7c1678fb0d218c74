//! docs/protocol.md lists every API of Kafka's with what is in `words`: `UPDATE_DOCS=1 cargo test -p broker documentation`
//! writes it. That its columns of versions are those of a running Kafka and of a running Takhin, `conformance/` asks.
#![allow(clippy::disallowed_methods)] // reads and writes the document, as an editor would

use std::fmt::Write;
use std::fs;
use std::path::Path;

use wire::api::ApiKey;
use wire::message::api_versions::ApiVersion;

use crate::api::session::api_versions::listed;
use crate::dispatch::SERVED;

const BEGIN: &str = "<!-- APIs: written from crates/broker/src/documentation_test.rs -->\n";
const END: &str = "<!-- End of APIs -->\n";

/// What Kafka lists only where a plug-in takes in the metrics that clients send.
const NEEDS_A_PLUGIN: [ApiKey; 2] = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];

/// Of an API that is served: in what its answers differ from Kafka's, nothing if in nothing. Of any other: why it is absent.
const fn words(key: ApiKey) -> &'static str {
    use ApiKey::*;
    match key {
        Produce => {
            "0–2 are listed and refused, as in Kafka; acks=1 waits as long as acks=all; transactions are refused; of the \
             records that break a rule of their topic an answer names the first 1,000 and counts the others (Kafka names all, \
             however many); a producer is forgotten `producer.id.expiration.ms` after its last batch came, whatever timestamps its records have \
             (Kafka counts from these)"
        }
        Fetch => {
            "whole batches only; a partition named twice without a session is answered twice; a deleted topic in a session by \
             ids is UNKNOWN_TOPIC_ID; all sessions together hold at most a million partitions"
        }
        ListOffsets => {
            "order of the partitions; no offset before the log start for the largest timestamp (−3), where Kafka names \
             deleted records"
        }
        Metadata => "topics ordered by name; a topic without name and id is INVALID_REQUEST",
        CreateTopics => {
            "names of one request that differ only by `.` and `_` collide; id zero for a topic that is only validated; \
             `timeout_ms` is not looked at"
        }
        DeleteTopics => "order of the topics; `timeout_ms` is not looked at",
        CreatePartitions => {
            "order of the topics; a topic with more than 10,000 new partitions gets none and POLICY_VIOLATION (Kafka: \
             UNKNOWN_SERVER_ERROR, and what fits); `timeout_ms` is not looked at"
        }
        DeleteRecords => "order of topics and partitions; `timeout_ms` is not looked at",
        DescribeConfigs => {
            "order of configs; of brokers and groups those only that mean something here; documentation is ours; \
             `retention.ms` and `segment.ms` of a topic name the broker's hours where these were set; a text that names an \
             unknown resource type"
        }
        IncrementalAlterConfigs => {
            "a broker's dynamic configs that mean nothing here are kept and change nothing; an unknown operation is \
             INVALID_REQUEST with a text (Kafka: UNKNOWN_SERVER_ERROR)"
        }
        AlterConfigs => "a topic that is named twice is INVALID_REQUEST (Kafka never answers)",
        ListConfigResources => "order of names",
        DescribeLogDirs | AlterReplicaLogDirs => "order of topics and partitions",
        DescribeTopicPartitions => {
            "a topic without a name is INVALID_TOPIC_EXCEPTION (Kafka: UNKNOWN_SERVER_ERROR for all)"
        }
        DescribeProducers => "an answer ends with a million producers",
        DescribeQuorum => "the node has no listeners, as there is none for controllers",
        ElectLeaders => "order of the topics when all are asked for",
        UpdateFeatures => {
            "`group.version` is at its only level, so that every update that changes something is refused; of several the \
             first is named"
        }
        DescribeAcls | CreateAcls | DeleteAcls => {
            "SECURITY_DISABLED, as in a Kafka without authorizer; also for a type of 0 (Kafka closes the connection)"
        }
        CreateDelegationToken | DescribeDelegationToken | RenewDelegationToken | ExpireDelegationToken => {
            "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as in a Kafka without logins"
        }
        InitProducerId => "with a transactional id: NOT_COORDINATOR",
        FindCoordinator => {
            "the first question about a group is answered when `__consumer_offsets` is there (Kafka: \
             COORDINATOR_NOT_AVAILABLE until then); transactions and share groups are COORDINATOR_NOT_AVAILABLE"
        }
        JoinGroup | SyncGroup => "a member's second request answers its first one, which Kafka forgets",
        OffsetFetch => "order of topics when all are asked for",
        DescribeGroups | ListGroups | DeleteGroups => "order of groups",
        ConsumerGroupHeartbeat => {
            "targets are computed at once, not once a second; an expression stands for its topics in the first answer \
             already; a text of an expression that is none"
        }
        ConsumerGroupDescribe => "order of groups; topics that are gone are not told of",
        DescribeClientQuotas => "order of entities",
        AlterClientQuotas => {
            "quotas are kept and shown, none is enforced yet; order of entities; of several things wrong with one \
             another may be told"
        }
        DescribeUserScramCredentials => "order of users",
        AlterUserScramCredentials => "credentials are kept, nothing logs in with them yet; order of users",
        ApiVersions => "of features `group.version` is listed",

        OffsetForLeaderEpoch
        | DescribeCluster
        | AlterPartitionReassignments
        | ListPartitionReassignments
        | Heartbeat
        | LeaveGroup
        | OffsetCommit
        | OffsetDelete => "",

        SaslHandshake | SaslAuthenticate => "logins are not served yet",
        AddPartitionsToTxn | AddOffsetsToTxn | EndTxn | WriteTxnMarkers | TxnOffsetCommit
        | DescribeTransactions | ListTransactions => "transactions are not served yet",
        ShareGroupHeartbeat
        | ShareGroupDescribe
        | ShareFetch
        | ShareAcknowledge
        | DescribeShareGroupOffsets
        | AlterShareGroupOffsets
        | DeleteShareGroupOffsets => "share groups are not served yet",
        InitializeShareGroupState
        | ReadShareGroupState
        | WriteShareGroupState
        | DeleteShareGroupState
        | ReadShareGroupStateSummary => "Kafka's brokers among themselves, for share groups",
        StreamsGroupHeartbeat | StreamsGroupDescribe => "groups of streams consumers are not served yet",
        UnregisterBroker | AddRaftVoter | RemoveRaftVoter => {
            "a node is alone: there is no broker and no voter to add or to take away"
        }
        GetTelemetrySubscriptions | PushTelemetry => {
            "clients' metrics are not collected, nor are they by a Kafka without a plug-in for them"
        }
    }
}

/// The versions of an API as ApiVersions lists them.
fn versions(ApiVersion { min_version, max_version, .. }: ApiVersion) -> String {
    if min_version == max_version {
        min_version.to_string()
    } else {
        format!("{min_version}–{max_version}")
    }
}

fn rendered() -> String {
    let mut text = String::from(
        "\n| key | API | Takhin | Kafka 4.3.1 | what differs, or why it is absent |\n|---|---|---|---|---|\n",
    );
    for key in ApiKey::ALL {
        let of = |is_listed| if is_listed { versions(listed(key)) } else { "none".to_owned() };
        let (ours, kafkas) = (of(SERVED.contains(&key)), of(!NEEDS_A_PLUGIN.contains(&key)));
        writeln!(text, "| {} | {key} | {ours} | {kafkas} | {} |", key.code(), words(key)).unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn documentation_lists_every_api_that_kafka_has() {
    // A page that is kept by hand names what was served when it was last thought of.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let document = fs::read_to_string(&path).expect("docs/protocol.md");
    let (head, rest) = document.split_once(BEGIN).expect("the mark before the APIs");
    let (apis, tail) = rest.split_once(END).expect("the mark after the APIs");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", rendered())).unwrap();
        return;
    }
    assert!(
        apis == rendered(),
        "docs/protocol.md is stale: UPDATE_DOCS=1 cargo test -p broker documentation"
    );
}

#[test]
fn documentation_says_why_an_api_is_absent() {
    // Whoever takes an API away, or brings a newer Kafka's in, owes its users a reason.
    for key in ApiKey::ALL.into_iter().filter(|key| !SERVED.contains(key)) {
        assert!(!words(key).is_empty(), "{key} is neither served nor is it said why not");
    }
}
