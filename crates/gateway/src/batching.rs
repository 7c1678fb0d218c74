//! `/batching`: who sends what, how it is committed and how it is stored, in JSON. Counts are since the start of the broker.

use std::time::Duration;

use broker::{FlowCounts, MergeCounts, Observation, PartitionStats, TopicFlows};
use serde::{Deserialize, Serialize};

/// Topics that are told of, those with the most batches.
const TOPICS_MAX: usize = 1000;
/// Clients of a topic that are told of by themselves, likewise.
const CLIENTS_MAX: usize = 20;

/// See the module's head.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batching {
    /// How long the broker runs.
    pub uptime_seconds: f64,
    /// The port of its first listener for Kafka's protocol.
    pub kafka_port: u16,
    /// Durable writes of the write-ahead log.
    pub fsyncs: u64,
    /// How long they took, in sum.
    pub fsync_seconds: f64,
    /// Record batches that went through group commit, and their records.
    pub batches: u64,
    /// Likewise.
    pub records: u64,
    /// Topics that something was sent to, most batches first.
    pub topics: Vec<TopicBatching>,
    /// How many topics more there are that something was sent to.
    pub more_topics: u64,
    /// Clients that read in versions of Fetch that are older than a codec, within the last hour.
    pub old_readers: Vec<OldReader>,
}

/// A topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicBatching {
    /// Its name.
    pub topic: String,
    /// What was sent to it.
    pub sent: Sent,
    /// What became of that in segments.
    pub stored: Stored,
    /// Who sent it, most batches first.
    pub clients: Vec<ClientBatching>,
    /// What all others sent.
    pub others: Sent,
}

/// What the clients of one id sent to a topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientBatching {
    /// What the client calls itself.
    pub client_id: String,
    /// Name and version of its library, if it says so.
    pub software: Option<String>,
    /// What it sent.
    pub sent: Sent,
}

/// Record batches that were acknowledged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// How many.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of idempotent producers.
    pub idempotent_batches: u64,
    /// Kafka's names of the codecs that came.
    pub codecs: Vec<String>,
    /// Durable writes that held some of them.
    pub commits: u64,
    /// Records, whosesoever, in those.
    pub commit_records: u64,
    /// How long the first batches of those commits waited, in sum.
    pub wait_seconds: f64,
}

/// Record batches that were written into segments, and what they were before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// As they were sent.
    pub sent_batches: u64,
    /// Their bytes then.
    pub sent_bytes: u64,
    /// As they are stored.
    pub stored_batches: u64,
    /// Their bytes now.
    pub stored_bytes: u64,
}

/// A client that can't be expected to know every codec.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OldReader {
    /// What it calls itself.
    pub client_id: String,
    /// What it reads.
    pub topic: String,
    /// The version of Fetch that it speaks: zstd is known since 10 (KIP-110).
    pub fetch_version: i16,
}

impl Batching {
    pub(crate) fn of(observation: &Observation, uptime: Duration) -> Self {
        let stored = PartitionStats::merged_by_topic(observation.partitions());
        let (wal, commit) = (&observation.node.wal, &observation.node.commit);
        let topic = |flows: &TopicFlows| {
            TopicBatching::of(flows, stored.get(&*flows.topic).copied().unwrap_or_default())
        };
        Self {
            uptime_seconds: uptime.as_secs_f64(),
            kafka_port: observation.kafka_port,
            fsyncs: wal.syncs,
            fsync_seconds: wal.sync_time.as_secs_f64(),
            batches: commit.batches,
            records: commit.records,
            topics: observation.flows.iter().take(TOPICS_MAX).map(topic).collect(),
            more_topics: observation.flows.len().saturating_sub(TOPICS_MAX) as u64,
            old_readers: observation.old_readers.iter().map(OldReader::of).collect(),
        }
    }
}

impl TopicBatching {
    fn of(flows: &TopicFlows, stored: MergeCounts) -> Self {
        let (shown, more) = flows.clients.split_at(flows.clients.len().min(CLIENTS_MAX));
        let client = |client: &broker::ClientFlow| ClientBatching {
            client_id: client.client_id.to_string(),
            software: client.software.as_deref().map(str::to_owned),
            sent: Sent::of(&client.counts),
        };
        let mut others = flows.others;
        more.iter().for_each(|client| others += client.counts);
        Self {
            topic: flows.topic.to_string(),
            sent: Sent::of(&flows.counts),
            stored: Stored {
                sent_batches: stored.sent_batches,
                sent_bytes: stored.sent_bytes,
                stored_batches: stored.stored_batches,
                stored_bytes: stored.stored_bytes,
            },
            clients: shown.iter().map(client).collect(),
            others: Sent::of(&others),
        }
    }
}

impl Sent {
    fn of(counts: &FlowCounts) -> Self {
        Self {
            batches: counts.batches,
            records: counts.records,
            bytes: counts.bytes,
            idempotent_batches: counts.idempotent_batches,
            codecs: counts.codecs().map(|codec| codec.name().to_owned()).collect(),
            commits: counts.commits,
            commit_records: counts.commit_records,
            wait_seconds: counts.wait.as_secs_f64(),
        }
    }
}

impl OldReader {
    fn of(reader: &broker::OldReader) -> Self {
        Self {
            client_id: reader.client_id.to_string(),
            topic: reader.topic.to_string(),
            fetch_version: reader.fetch_version,
        }
    }
}
