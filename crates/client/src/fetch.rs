//! Fetch: record batches from partitions of one topic.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use wire::{
    ApiKey,
    message::fetch::{FetchPartition, FetchRequest, FetchTopic},
};

use crate::{
    Client, ClientError,
    client::{Limits, To},
    metadata::{Creation, Topic},
};

/// Bytes that one partition may contribute to an answer; its first batch always comes whole (KIP-74).
const PARTITION_BYTES_MAX: i32 = 1 << 20;
/// Bytes of an answer, also beyond whole first batches.
const ANSWER_BYTES_MAX: i32 = 50 << 20;

/// What one partition gave.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The partition.
    pub partition: i32,
    /// Behind the last record that can be read.
    pub high_watermark: i64,
    /// Whole record batches, the last one perhaps cut off. The first may begin below the offset asked for.
    pub records: Vec<u8>,
}

impl Client {
    /// Reads from partitions of a topic, each from an offset on; waits up to `wait` for a record to come.
    ///
    /// Each leader is asked once, one after the other. Partitions without an answer are left out.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn fetch(
        &mut self,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
        wait: Duration,
    ) -> Result<Vec<Fetched>, ClientError> {
        self.retry(|client, deadline| {
            let known = client.topic_known(topic, Creation::Never, deadline)?;
            let mut by_leader: BTreeMap<Option<i32>, (To, Vec<FetchPartition>)> = BTreeMap::new();
            for (&partition, &offset) in offsets {
                let to = client.leader(&known, partition)?;
                let id = if let To::Node(id) = to { Some(id) } else { None };
                by_leader.entry(id).or_insert((to, Vec::new())).1.push(FetchPartition {
                    partition,
                    fetch_offset: offset,
                    partition_max_bytes: PARTITION_BYTES_MAX,
                    ..Default::default()
                });
            }
            // One leader waits as long as the caller says; several share that time, as they are asked in turn.
            let leaders = u32::try_from(by_leader.len()).unwrap_or(u32::MAX).max(1);
            let mut fetched = Vec::new();
            for (to, partitions) in by_leader.into_values() {
                let limits = Limits { beside: wait, ..Limits::until(deadline) };
                fetched.extend(client.fetch_from(to, &known, partitions, wait / leaders, limits)?);
            }
            Ok(fetched)
        })
    }

    fn fetch_from(
        &mut self,
        to: To,
        topic: &Topic,
        partitions: Vec<FetchPartition>,
        wait: Duration,
        limits: Limits,
    ) -> Result<Vec<Fetched>, ClientError> {
        let asked = FetchTopic {
            topic: Cow::Borrowed(&topic.name),
            topic_id: topic.id,
            partitions: partitions.into(),
        };
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: ANSWER_BYTES_MAX,
            // No session: each request says all (KIP-227).
            session_id: 0,
            session_epoch: -1,
            topics: vec![asked].into(),
            ..Default::default()
        };
        let version_max = topic.version_max();
        let refuse = |broker: &str, about: String, code: i16| {
            Err(ClientError::Refused {
                broker: broker.to_owned(),
                api: ApiKey::Fetch,
                about,
                code,
                message: None,
            })
        };
        self.call(to, &request, Limits { version_max, ..limits }, |response, broker| {
            if response.error_code != 0 {
                return refuse(broker, format!("topic {}", topic.name), response.error_code);
            }
            let mut fetched = Vec::new();
            for of_topic in &response.responses {
                for of_partition in &of_topic.partitions {
                    let (partition, high_watermark) =
                        (of_partition.partition_index, of_partition.high_watermark);
                    if of_partition.error_code != 0 {
                        let about = format!("partition {}-{partition}", topic.name);
                        return refuse(broker, about, of_partition.error_code);
                    }
                    let records = of_partition.records.as_slice().unwrap_or_default().to_vec();
                    fetched.push(Fetched { partition, high_watermark, records });
                }
            }
            Ok(fetched)
        })
    }
}
