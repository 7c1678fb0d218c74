//! AlterReplicaLogDirs: key 34, versions 1–2. Flexible since 2.
//!
//! There is one directory, `storage.data.dir`, so a replica can only be moved to where it is, which is done at once. The directory
//! is named as DescribeLogDirs names it, to the letter. A partition that is named several times goes to the last directory.
//!
//! Where it differs from Kafka 4.3.1: topics and partitions come in order, and of more than `NAMED_MAX` that are named the rest is
//! left out.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Moves replicas.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: AlterReplicaLogDirsRequest<'a>,
) -> AlterReplicaLogDirsResponse<'a> {
    let results =
        is_there(request, &broker.log_dir.to_string_lossy()).into_iter().map(|(topic_name, asked)| {
            let count = broker.node().image().topic(&topic_name).map_or(0, |topic| topic.shards.len());
            let answer = |(partition_index, is_there): (i32, bool)| AlterReplicaLogDirPartitionResult {
                partition_index,
                error_code: judge(is_there, count, partition_index).code(),
            };
            AlterReplicaLogDirTopicResult {
                topic_name: topic_name.into(),
                partitions: asked.into_iter().map(answer).collect(),
            }
        });
    AlterReplicaLogDirsResponse { results: results.collect(), ..AlterReplicaLogDirsResponse::default() }
}

/// For each partition that is named, whether it is to go to `here`, which is the directory that there is.
fn is_there(request: AlterReplicaLogDirsRequest<'_>, here: &str) -> BTreeMap<String, BTreeMap<i32, bool>> {
    let (mut named, mut left) = (BTreeMap::<_, BTreeMap<_, _>>::new(), NAMED_MAX);
    for dir in request.dirs.iter().take(NAMED_MAX) {
        for topic in dir.topics.iter().take(left) {
            for partition in topic.partitions.iter().take(left) {
                named.entry(topic.name.clone().into_owned()).or_default().insert(partition, dir.path == here);
                left -= 1;
            }
        }
    }
    named
}

/// `count`: how many partitions the topic has. Kafka looks at the directory first.
fn judge(is_there: bool, count: usize, partition: i32) -> ErrorCode {
    match (is_there, usize::try_from(partition)) {
        (false, _) => ErrorCode::LOG_DIR_NOT_FOUND,
        (true, Ok(index)) if index < count => ErrorCode::NONE,
        (true, _) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

#[cfg(test)]
mod tests {
    use wire::message::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};

    use super::*;

    #[test]
    fn a_replica_goes_to_the_last_directory_that_is_named() {
        // Kafka makes a map of the request before it looks at anything.
        let dir = |path: &'static str, partitions: &[i32]| {
            let topic = AlterReplicaLogDirTopic {
                name: "t".into(),
                partitions: partitions.iter().copied().collect(),
            };
            AlterReplicaLogDir { path: path.into(), topics: vec![topic].into() }
        };
        let request =
            AlterReplicaLogDirsRequest { dirs: vec![dir("/here", &[0, 1]), dir("/there", &[1, 2])].into() };
        let expected = BTreeMap::from([(0, true), (1, false), (2, false)]);
        assert_eq!(is_there(request, "/here"), BTreeMap::from([("t".to_owned(), expected)]));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_before_a_partition_that_is_not() {
        // Taken from a running Kafka 4.3.1.
        assert_eq!(judge(false, 0, 0), ErrorCode::LOG_DIR_NOT_FOUND);
        assert_eq!(judge(true, 3, 2), ErrorCode::NONE);
        for (count, partition) in [(0, 0), (3, 3), (3, -1)] {
            assert_eq!(judge(true, count, partition), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
}
