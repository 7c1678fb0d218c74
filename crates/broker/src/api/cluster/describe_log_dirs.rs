//! DescribeLogDirs: key 35, versions 1–5. Flexible since 2; an error of its own since 3, the file system's sizes since 4.
//!
//! There is one directory, `storage.data.dir`. A partition's size is that of its segments and of what waits in memory to
//! get there; the write-ahead log belongs to no partition. What is asked for and not there is left out, as in Kafka 4.3.1.
//! Where it differs: topics and partitions come in order, and of more than `NAMED_MAX` that are named the rest is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use storage::id::{PartitionId, TopicId};
use wire::error::ErrorCode;
use wire::message::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use wire::primitive::Array;

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Partitions that are measured before others of this thread have their turn.
const MEASURED_AT_ONCE: usize = 256;
/// A size of the file system that could not be learned.
const UNKNOWN_BYTES: i64 = -1;

/// Describes the directory.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeLogDirsRequest<'_>,
) -> DescribeLogDirsResponse<'a> {
    let mut topics = Vec::new();
    for (name, id, partitions) in asked(broker, request.topics.as_ref()) {
        let partitions = measure(broker, id, partitions).await;
        if !partitions.is_empty() {
            topics.push(DescribeLogDirsTopic { name: name.into(), partitions: partitions.into() });
        }
    }
    let dir = broker.log_dir.clone();
    let (total_bytes, usable_bytes) = env::task::spawn_blocking(move || file_system_bytes(&dir)).await;
    let result = DescribeLogDirsResult {
        error_code: ErrorCode::NONE.code(),
        log_dir: broker.log_dir.to_string_lossy().into_owned().into(),
        topics: topics.into(),
        total_bytes,
        usable_bytes,
        is_cordoned: false,
    };
    DescribeLogDirsResponse { results: vec![result].into(), ..DescribeLogDirsResponse::default() }
}

/// The topics and numbers of partitions that are meant: all without a question. Not all of them need exist.
fn asked(
    broker: &Broker,
    topics: Option<&Array<'_, DescribableLogDirTopic<'_>>>,
) -> Vec<(String, TopicId, Vec<i32>)> {
    let image = broker.node().image();
    let Some(topics) = topics else {
        let all = |count: usize| (0..i32::try_from(count).unwrap_or(i32::MAX)).collect();
        return image
            .topics()
            .map(|topic| (topic.name.to_string(), topic.id, all(topic.shards.len())))
            .collect();
    };
    let (mut named, mut left) = (BTreeMap::<String, BTreeSet<i32>>::new(), NAMED_MAX);
    for topic in topics.iter().take(NAMED_MAX) {
        let partitions: Vec<i32> = topic.partitions.iter().take(left).collect();
        left -= partitions.len();
        named.entry(topic.topic.into_owned()).or_default().extend(partitions);
    }
    let known = |(name, partitions): (String, BTreeSet<i32>)| {
        let id = image.topic(&name)?.id;
        Some((name, id, partitions.into_iter().collect()))
    };
    named.into_iter().filter_map(known).collect()
}

async fn measure(broker: &Broker, topic_id: TopicId, partitions: Vec<i32>) -> Vec<DescribeLogDirsPartition> {
    let mut measured = Vec::with_capacity(partitions.len());
    for (at, partition) in partitions.into_iter().enumerate() {
        if at % MEASURED_AT_ONCE == MEASURED_AT_ONCE - 1 {
            env::yield_now().await;
        }
        let found = broker.node().partitions().find(&PartitionId { topic_id, partition });
        if let Some(extent) = found.and_then(|partition| partition.reader.extent().ok()) {
            measured.push(DescribeLogDirsPartition {
                partition_index: partition,
                partition_size: i64::try_from(extent.bytes()).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            });
        }
    }
    measured
}

/// Total and usable bytes of the file system that `dir` is on.
fn file_system_bytes(dir: &std::path::Path) -> (i64, i64) {
    let clamp = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    match env::machine::file_system_bytes(dir) {
        Ok(bytes) => (clamp(bytes.total), clamp(bytes.usable)),
        Err(error) => {
            tracing::warn!(%error, dir = %dir.display(), "the size of the file system");
            (UNKNOWN_BYTES, UNKNOWN_BYTES)
        }
    }
}
