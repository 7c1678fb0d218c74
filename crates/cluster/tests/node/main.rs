//! What a node of one broker keeps over a restart, on the real disk.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod announced;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::WaitSettings;
use cluster::commit::{Commit, CommitListener, Committed, NewItem, Rewrite, TopicWait};
use cluster::log_config::LogConfig;
use cluster::metadata::{ConfigKind, QuotaEntity, QuotaEntityType, ScramCredential, ScramMechanism};
use cluster::node::{
    ConfigAlteration, CreatePartitionsError, CreateTopicError, NewTopic, Node, NodeOptions, ScramAlteration,
};
use cluster::shard::outcome::{Appended, Refused};
use env::disk::RealDisk;
use storage::id::{PartitionId, TopicId};
use storage::partition_log::producers::ProducerEntry;
use tokio::sync::oneshot;
use wire::record::{Builder, Compression, Limits};

/// Hands each outcome to whoever waits for it.
#[derive(Default)]
struct Outcomes(RefCell<usize>);

type Waiter = oneshot::Sender<Committed>;

impl CommitListener<Waiter> for Outcomes {
    fn committed(&self, waiter: Waiter, outcome: Committed, _commit: &Commit) {
        *self.0.borrow_mut() += 1;
        let _ = waiter.send(outcome);
    }

    fn entry_done(&self) {}
}

/// A directory of this test's own, gone when the test is over.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("takhin-cluster-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn item(partition: PartitionId, bytes: &[u8]) -> NewItem<'_> {
    NewItem {
        partition,
        offset_delta_of_max_timestamp: 0,
        bytes,
        rewrite: Rewrite::CreateTime(1000),
        wait: TopicWait::default(),
        answered_in: 0,
    }
}

async fn open(dir: &Path) -> Rc<Node<Waiter>> {
    open_with(dir, 4 << 20, Duration::from_secs(3600)).await
}

/// As [`open`], with a WAL of so many bytes and retention that looks once per `retention_period`.
async fn open_with(dir: &Path, wal_bytes_max: u64, retention_period: Duration) -> Rc<Node<Waiter>> {
    open_for(dir, wal_bytes_max, retention_period, Rc::new(Outcomes::default())).await
}

async fn open_for(
    dir: &Path,
    wal_bytes_max: u64,
    retention_period: Duration,
    listener: Rc<dyn CommitListener<Waiter>>,
) -> Rc<Node<Waiter>> {
    let options = NodeOptions {
        cluster_id: "a-cluster".into(),
        broker_id: 1,
        log_defaults: LogConfig::default(),
        producer_expiration: Duration::from_secs(24 * 60 * 60),
        retention_period,
        tail_age_max: Duration::from_secs(1),
        tail_bytes_max: 64 << 20,
        queued_bytes_max: 16 << 20,
        wait: WaitSettings::default(),
        wal_bytes_max,
        wal_file_bytes: 1 << 20,
        merged_size: None,
        free_bytes_min: Some(0),
    };
    Node::open(Arc::new(RealDisk), dir, options, listener).await.unwrap()
}

fn topic(name: &str, partitions: u32) -> NewTopic {
    NewTopic { name: name.into(), partitions, configs: BTreeMap::from([("retention.ms".into(), "1".into())]) }
}

fn partition_of(node: &Node<Waiter>, topic: &str, partition: i32) -> PartitionId {
    PartitionId { topic_id: node.image().topic(topic).unwrap().id, partition }
}

/// A batch of one record, of producer `id` at `sequence` when there is one.
fn batch(value: &[u8], producer: Option<(i64, i16, i32)>) -> Vec<u8> {
    let mut builder = Builder::new(Compression::NONE);
    if let Some((id, epoch, sequence)) = producer {
        builder = builder.producer(id, epoch, sequence);
    }
    builder.append(1000, None, Some(value), &[]).unwrap();
    builder.finish().unwrap()
}

async fn produce(node: &Node<Waiter>, partition: PartitionId, batch: &[u8]) -> Result<Appended, Refused> {
    let (tell, told) = oneshot::channel();
    let shard = node.partitions().find(&partition).expect("the partition is led here").reader.shard();
    node.committer().add(shard, item(partition, batch), tell);
    told.await.unwrap().expect("the shard runs")
}

/// All records: offset, timestamp and value. Batches may be merged at any time.
fn read_all(node: &Node<Waiter>, partition: PartitionId) -> Vec<(i64, i64, Vec<u8>)> {
    let reader = node.partitions().find(&partition).unwrap().reader.clone();
    let (mut out, mut offset) = (Vec::new(), reader.offsets().log_start);
    while offset < reader.offsets().high_watermark {
        for slice in reader.read(offset, 1 << 20).unwrap().slices {
            let mut bytes = Vec::new();
            slice.copy_into(&mut bytes).unwrap();
            for batch in wire::record::batches(&bytes) {
                let records = wire::record::read(batch.unwrap(), &Limits::default()).unwrap();
                for record in records.iter().map(Result::unwrap) {
                    out.push((record.offset, record.timestamp, record.value.unwrap().to_vec()));
                }
                offset = records.header().last_offset() + 1;
            }
        }
    }
    out
}

fn run(test: impl Future<Output = ()>) {
    env::task::block_on_io_thread(test).unwrap();
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_with_and_without_a_checkpoint() {
    // The first restart replays the WAL alone (the node is dropped), the second reads a checkpoint (it was stopped).
    let dir = Directory::new("restart");
    let mut expected = Vec::new();
    for round in 0..3 {
        run(async {
            let node = open(&dir.0).await;
            if round == 0 {
                node.create_topic(topic("t", 2)).await.unwrap();
            }
            let partition = partition_of(&node, "t", 1);
            assert_eq!(read_all(&node, partition), expected, "round {round}");
            for n in 0..20 {
                let appended = produce(&node, partition, &batch(&[round, n], None)).await.unwrap();
                assert_eq!(appended.base_offset, i64::from(round) * 20 + i64::from(n));
            }
            expected = read_all(&node, partition);
            assert_eq!(node.image().topic("t").unwrap().configs.len(), 1);
            if round == 1 {
                node.stop().await;
            }
        });
    }
}

#[test]
fn a_node_starts_behind_a_log_that_has_forgotten_its_beginning() {
    // The log's first entries, with the shard's voters among them, are gone with their files; the checkpoint has the rest.
    let dir = Directory::new("forgotten");
    let value = vec![b'x'; 200 << 10];
    let mut expected = Vec::new();
    for round in 0..3 {
        run(async {
            let node = open(&dir.0).await;
            if round == 0 {
                node.create_topic(topic("t", 1)).await.unwrap();
            }
            let partition = partition_of(&node, "t", 0);
            assert_eq!(read_all(&node, partition), expected, "round {round}");
            for _ in 0..60 {
                produce(&node, partition, &batch(&value, None)).await.unwrap();
            }
            expected = read_all(&node, partition);
            if round < 2 {
                node.stop().await;
            }
        });
    }
    let in_wal: u64 = std::fs::read_dir(dir.0.join("wal"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    let written = expected.iter().map(|(.., value)| value.len() as u64).sum::<u64>();
    assert!(in_wal < written / 2, "{in_wal} bytes are still in the log");
}

#[test]
fn a_duplicate_gets_the_originals_offset_also_after_a_restart() {
    let dir = Directory::new("duplicate");
    run(async {
        let node = open(&dir.0).await;
        node.create_topic(topic("t", 1)).await.unwrap();
        let partition = partition_of(&node, "t", 0);
        produce(&node, partition, &batch(b"other", None)).await.unwrap();
        // Both in one group: the second must not be decided on the state before the first.
        let (first, twice) = (batch(b"a", Some((7, 0, 0))), batch(b"a", Some((7, 0, 0))));
        let (first, twice) =
            tokio::join!(produce(&node, partition, &first), produce(&node, partition, &twice));
        assert_eq!((first.unwrap().base_offset, twice.unwrap().base_offset), (1, 1));
    });
    run(async {
        let node = open(&dir.0).await;
        let partition = partition_of(&node, "t", 0);
        let again = produce(&node, partition, &batch(b"a", Some((7, 0, 0)))).await.unwrap();
        assert_eq!(again.base_offset, 1);
        let gap = produce(&node, partition, &batch(b"c", Some((7, 0, 2)))).await;
        assert_eq!(gap, Err(Refused::OutOfOrder { expected: 1 }));
        assert_eq!(produce(&node, partition, &batch(b"b", Some((7, 0, 1)))).await.unwrap().base_offset, 2);
        produce(&node, partition, &batch(b"d", Some((7, 1, 0)))).await.unwrap();
        let fenced = produce(&node, partition, &batch(b"e", Some((7, 0, 2)))).await;
        assert_eq!(fenced, Err(Refused::Fenced { epoch: 1 }));
    });
}

// Shard 0 has a few entries at the log's beginning and is silent from then on.
#[test]
fn a_silent_shard_does_not_keep_the_log_that_the_others_write() {
    let dir = Directory::new("silent");
    let files = || std::fs::read_dir(dir.0.join("wal")).unwrap().count();
    run(async {
        let node = open_with(&dir.0, 1 << 30, Duration::from_secs(3600)).await;
        node.create_topic(topic("t", 2)).await.unwrap();
        let (loud, quiet) = (partition_of(&node, "t", 0), partition_of(&node, "t", 1));
        produce(&node, quiet, &batch(b"once", None)).await.unwrap();
        let value = vec![b'x'; 200 << 10];
        for _ in 0..100 {
            produce(&node, loud, &batch(&value, None)).await.unwrap();
        }
        // Twenty files of one mebibyte were written. What is released goes with one of the next groups.
        let mut left = 500;
        while files() > 8 {
            assert!(left > 0, "{} files are left of the log", files());
            left -= 1;
            produce(&node, loud, &batch(&value[..1000], None)).await.unwrap();
        }
    });
    // The topic is found again though its entry is not in the log any more.
    run(async {
        let node = open_with(&dir.0, 1 << 30, Duration::from_secs(3600)).await;
        let quiet = partition_of(&node, "t", 1);
        assert_eq!(produce(&node, quiet, &batch(b"twice", None)).await.unwrap().base_offset, 1);
    });
}

#[test]
fn a_topic_made_again_begins_empty_and_the_deleted_one_refuses_records() {
    let dir = Directory::new("again");
    run(async {
        let node = open(&dir.0).await;
        node.create_topic(topic("t", 1)).await.unwrap();
        let old = partition_of(&node, "t", 0);
        produce(&node, old, &batch(b"old", None)).await.unwrap();
        let shard = node.partitions().find(&old).unwrap().reader.shard();
        node.delete_topic(old.topic_id).await.unwrap();
        let (tell, told) = oneshot::channel();
        node.committer().add(shard, item(old, &batch(b"late", None)), tell);
        assert_eq!(told.await.unwrap(), Ok(Err(Refused::UnknownPartition)));
        node.create_topic(topic("t", 1)).await.unwrap();
    });
    run(async {
        let node = open(&dir.0).await;
        let partition = partition_of(&node, "t", 0);
        assert!(read_all(&node, partition).is_empty());
        assert_eq!(node.partitions().ids().len(), 1);
    });
}

#[test]
fn names_are_taken_once_and_producer_ids_are_never_given_twice() {
    let dir = Directory::new("names");
    let mut ids = Vec::new();
    for round in 0..2 {
        run(async {
            let node = open(&dir.0).await;
            if round == 0 {
                // Proposed one behind the other: the log's order decides.
                let (a, b) = tokio::join!(node.create_topic(topic("t", 1)), node.create_topic(topic("t", 3)));
                assert!(a.is_ok() && matches!(b, Err(CreateTopicError::Exists(_))));
            }
            let collides = node.create_topic(topic("a.b", 1)).await.is_ok() == (round == 0);
            assert!(
                collides
                    && matches!(
                        node.create_topic(topic("a_b", 1)).await,
                        Err(CreateTopicError::Collides { .. })
                    )
            );
            for _ in 0..1500 {
                ids.push(node.next_producer_id().await.unwrap());
            }
        });
    }
    let given = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), given);
}

#[test]
fn what_is_altered_together_is_one_entry() {
    // Could break: a crash between two entries leaves half of what a request had asked for.
    let dir = Directory::new("altered-together");
    let entries = |node: &Node<Waiter>| node.metadata_log().applied_end;
    let of = |user: &str| QuotaEntity::from([(QuotaEntityType::User, Some(user.to_owned()))]);
    let set = |user: &str| ScramAlteration {
        user: user.to_owned(),
        mechanism: ScramMechanism::Sha256,
        credential: Some(ScramCredential {
            iterations: 4096,
            salt: vec![1],
            stored_key: vec![2],
            server_key: vec![3],
        }),
    };
    let gone = |user: &str| ScramAlteration { credential: None, ..set(user) };
    run(async {
        let node = open(&dir.0).await;
        let before = entries(&node);
        let changes = BTreeMap::from([("producer_byte_rate".to_owned(), Some(1.0.into()))]);
        node.alter_quotas(vec![(of("u"), changes.clone()), (of("v"), changes)]).await.unwrap();
        assert_eq!(node.image().quotas().keys().collect::<Vec<_>>(), [&of("u"), &of("v")]);
        assert_eq!(entries(&node), before + 1);

        assert_eq!(node.alter_scram(vec![set("u"), set("v")]).await, Ok(vec![true, true]));
        assert_eq!(entries(&node), before + 2);
        // Proposed one behind the other: who comes second hears of the user who was gone, and the rest is done.
        let (first, second) = tokio::join!(
            node.alter_scram(vec![gone("u")]),
            node.alter_scram(vec![gone("u"), gone("v"), set("w")])
        );
        assert_eq!((first, second), (Ok(vec![true]), Ok(vec![false, true, true])));
        assert_eq!(entries(&node), before + 4);
        let users =
            |node: &Node<Waiter>| node.image().scram_credentials().keys().cloned().collect::<Vec<_>>();
        assert_eq!(users(&node), [("w".to_owned(), ScramMechanism::Sha256)]);

        node.create_topic(topic("t", 1)).await.unwrap();
        let id = node.image().topic("t").unwrap().id;
        let before = entries(&node);
        let set = || BTreeMap::from([("retention.ms".to_owned(), Some("1000".to_owned()))]);
        let altered = node.alter_configs(vec![
            ConfigAlteration::Topic(id, set()),
            ConfigAlteration::Topic(TopicId([9; 16]), set()),
            ConfigAlteration::Other(ConfigKind::Group, "g".to_owned(), set()),
        ]);
        assert_eq!(altered.await, Ok(vec![true, false, true]));
        assert_eq!(entries(&node), before + 1);
        assert_eq!(node.image().topic("t").unwrap().configs["retention.ms"], "1000");
        assert_eq!(node.image().configs(ConfigKind::Group, "g")["retention.ms"], "1000");
    });
}

#[test]
fn deleted_records_stay_deleted_after_a_restart_with_and_without_a_checkpoint() {
    let dir = Directory::new("deleted-records");
    for round in 0..4 {
        run(async {
            let node = open(&dir.0).await;
            if round == 0 {
                node.create_topic(topic("t", 2)).await.unwrap();
            }
            let partition = partition_of(&node, "t", 1);
            let log = node.partitions().find(&partition).unwrap().reader.clone();
            assert_eq!(log.offsets().log_start, round * 10, "round {round}");
            for n in 0..10 {
                let appended = produce(&node, partition, &batch(&[n], None)).await.unwrap();
                assert_eq!(appended.base_offset, round * 10 + i64::from(n));
            }
            // Never back, never beyond the end; a partition that is not there is passed over.
            let gone = PartitionId { partition: 7, ..partition };
            node.advance_log_starts(vec![(partition, 2), (gone, 5), (partition, i64::MAX)]).await.unwrap();
            assert_eq!(log.offsets().log_start, round * 10 + 10);
            assert!(read_all(&node, partition).is_empty());
            if round % 2 == 1 {
                node.stop().await;
            }
        });
    }
}

// The topic's retention.ms is 1, and its records are of 1970.
#[test]
fn retention_deletes_what_is_old_and_the_next_record_goes_on_behind_it() {
    let dir = Directory::new("retention");
    run(async {
        let node = open_with(&dir.0, 4 << 20, Duration::from_millis(1)).await;
        node.create_topic(topic("t", 2)).await.unwrap();
        let (old, kept) = (partition_of(&node, "t", 0), partition_of(&node, "t", 1));
        let log = node.partitions().find(&old).unwrap().reader.clone();
        for n in 1..4 {
            produce(&node, old, &batch(b"old", None)).await.unwrap();
            let deleted = async {
                while log.offsets().log_start < n {
                    env::yield_now().await;
                }
            };
            env::timeout(Duration::from_secs(30), deleted).await.expect("deleted by the next look but one");
            assert_eq!(log.offsets().high_watermark, n);
        }
        assert_eq!(node.partitions().find(&kept).unwrap().reader.offsets().log_start, 0);
    });
}

// The term may be any by then: what a partition begins with is not for its clients to see.
#[test]
fn the_leader_epoch_of_a_new_partition_is_0_whenever_it_is_made() {
    let dir = Directory::new("epochs");
    for name in ["first", "later"] {
        run(async {
            let node = open(&dir.0).await;
            node.create_topic(topic(name, 1)).await.unwrap();
            let id = partition_of(&node, name, 0);
            let partition = node.partitions().find(&id).unwrap();
            assert_eq!(node.leader_epoch(partition.reader.shard(), partition.epoch_base), 0);
            produce(&node, id, &batch(b"x", None)).await.unwrap();
            assert_eq!(partition.reader.latest_epoch(), Some(0));
            assert_eq!(partition.reader.end_of_epoch(0, 0), Some((0, 1)));
        });
    }
}

#[test]
fn a_topic_that_has_grown_keeps_its_partitions_over_restarts_with_and_without_a_checkpoint() {
    // The first restart replays the WAL alone, the second reads a checkpoint, and the image's snapshot in it.
    let dir = Directory::new("grown");
    for round in 0..3_u8 {
        run(async {
            let node = open(&dir.0).await;
            if round == 0 {
                node.create_topic(topic("t", 1)).await.unwrap();
            }
            let old = partition_of(&node, "t", 0);
            produce(&node, old, &batch(b"old", None)).await.unwrap();
            let count = 2 + u32::from(round);
            node.create_partitions(old.topic_id, count).await.unwrap();
            let again = node.create_partitions(old.topic_id, count).await;
            assert!(matches!(again, Err(CreatePartitionsError::There(there)) if there == count as usize));
            assert_eq!(node.partitions().ids().len(), count as usize);
            for partition in 1..=i32::from(round) + 1 {
                let new = partition_of(&node, "t", partition);
                let appended = produce(&node, new, &batch(b"new", None)).await.unwrap();
                assert_eq!(
                    appended.base_offset,
                    i64::from(round) + 1 - i64::from(partition),
                    "round {round}"
                );
            }
            assert_eq!(read_all(&node, old).len(), usize::from(round) + 1);
            if round == 1 {
                node.stop().await;
            }
        });
    }
}

#[test]
fn a_node_that_dies_before_its_data_shard_hears_of_new_partitions_makes_them_at_its_start() {
    // The metadata shard has committed them, so that clients may have seen them.
    let dir = Directory::new("half-grown");
    run(async {
        let node = open(&dir.0).await;
        node.create_topic(topic("t", 1)).await.unwrap();
        let id = partition_of(&node, "t", 0).topic_id;
        let is_committed = async {
            while node.image().topic("t").unwrap().shards.len() < 3 {
                env::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = is_committed => {}
            result = node.create_partitions(id, 3) => panic!("{result:?} came first"),
        }
        assert_eq!(node.partitions().ids().len(), 1, "nobody told the data shard");
    });
    run(async {
        let node = open(&dir.0).await;
        assert_eq!(node.partitions().ids().len(), 3);
        let new = partition_of(&node, "t", 2);
        assert_eq!(produce(&node, new, &batch(b"new", None)).await.unwrap().base_offset, 0);
    });
}

#[test]
fn requests_that_grow_a_topic_at_the_same_time_leave_it_with_the_larger_count() {
    let dir = Directory::new("growing");
    run(async {
        let node = open(&dir.0).await;
        node.create_topic(topic("t", 1)).await.unwrap();
        let id = partition_of(&node, "t", 0).topic_id;
        let (three, five, again) = tokio::join!(
            node.create_partitions(id, 3),
            node.create_partitions(id, 5),
            node.create_partitions(id, 4)
        );
        assert!(three.is_ok() && five.is_ok(), "{three:?} {five:?}");
        assert!(matches!(again, Err(CreatePartitionsError::There(5))), "{again:?}");
        assert_eq!(node.partitions().ids().len(), 5);
        let (gone, late) = tokio::join!(node.delete_topic(id), node.create_partitions(id, 9));
        assert!(gone.is_ok() && matches!(late, Err(CreatePartitionsError::Unknown)), "{gone:?} {late:?}");
        assert!(node.partitions().ids().is_empty());
    });
}

#[test]
fn a_partition_tells_what_its_producers_wrote_last() {
    let dir = Directory::new("producers");
    run(async {
        let node = open(&dir.0).await;
        node.create_topic(topic("t", 2)).await.unwrap();
        let partition = partition_of(&node, "t", 0);
        for (id, sequence) in [(9, 0), (4, 0), (9, 1)] {
            produce(&node, partition, &batch(b"x", Some((id, 0, sequence)))).await.unwrap();
        }
        let last = |id, entry: &ProducerEntry| (id, entry.batches().last().unwrap().last_sequence());
        assert_eq!(node.producers(&partition, last), Some(vec![(4, 0), (9, 1)]));
        assert_eq!(node.producers(&partition_of(&node, "t", 1), last), Some(vec![]));
        assert_eq!(node.producers(&partition_of(&node, "t", 2), last), None);
    });
}
