//! A node on a disk that fills or fails: writes are refused, reads go on, and nothing acknowledged is lost.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::cast_possible_wrap)]

mod disk;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::WaitSettings;
use cluster::commit::{Commit, CommitListener, Committed, NewItem, Rewrite, TopicWait};
use cluster::log_config::LogConfig;
use cluster::node::{CreateTopicError, NewTopic, Node, NodeOptions};
use cluster::shard::outcome::ProposeError;
use storage::id::PartitionId;
use wire::record::{Builder, Compression};

use crate::disk::TroubledDisk;

const PATIENCE: Duration = Duration::from_secs(30);
const FREE_BYTES_MIN: u64 = 1000;

/// Keeps what became of each batch, by its number.
#[derive(Default)]
struct Outcomes(RefCell<BTreeMap<u32, Committed>>);

impl CommitListener<u32> for Outcomes {
    fn committed(&self, number: u32, outcome: Committed, _commit: &Commit) {
        assert!(self.0.borrow_mut().insert(number, outcome).is_none(), "each is told once");
    }

    fn entry_done(&self) {}
}

/// A node with a topic of one partition, on a disk and in a directory of its own.
struct Life {
    node: Rc<Node<u32>>,
    outcomes: Rc<Outcomes>,
    next: u32,
}

struct Bench {
    disk: TroubledDisk,
    dir: PathBuf,
}

impl Bench {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-trouble-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self { disk: TroubledDisk::default(), dir }
    }

    async fn open(&self) -> Life {
        let options = NodeOptions {
            cluster_id: "a-cluster".into(),
            broker_id: 1,
            log_defaults: LogConfig::default(),
            producer_expiration: Duration::from_secs(24 * 60 * 60),
            retention_period: Duration::from_secs(3600),
            tail_age_max: Duration::from_secs(1),
            tail_bytes_max: 64 << 20,
            queued_bytes_max: 16 << 20,
            wait: WaitSettings::default(),
            wal_bytes_max: 4 << 20,
            wal_file_bytes: 1 << 20,
            merged_size: None,
            free_bytes_min: Some(FREE_BYTES_MIN),
        };
        let outcomes = Rc::new(Outcomes::default());
        let node =
            Node::open(Arc::new(self.disk.clone()), &self.dir, options, outcomes.clone()).await.unwrap();
        if node.image().topic("t").is_none() {
            node.create_topic(topic("t")).await.unwrap();
        }
        Life { node, outcomes, next: 0 }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn topic(name: &str) -> NewTopic {
    NewTopic { name: name.into(), partitions: 1, configs: BTreeMap::new() }
}

impl Life {
    fn partition(&self) -> PartitionId {
        PartitionId { topic_id: self.node.image().topic("t").unwrap().id, partition: 0 }
    }

    /// Adds a batch as if nobody had asked for room; its number.
    fn add(&mut self, bytes: usize) -> u32 {
        let mut builder = Builder::new(Compression::NONE);
        builder.append(1000, None, Some(&vec![7; bytes]), &[]).unwrap();
        let batch = builder.finish().unwrap();
        let (partition, number) = (self.partition(), self.next);
        let shard = self.node.partitions().find(&partition).unwrap().reader.shard();
        let rewrite = Rewrite::CreateTime(1000);
        let item = NewItem {
            partition,
            offset_delta_of_max_timestamp: 0,
            bytes: &batch,
            rewrite,
            wait: TopicWait::default(),
            answered_in: 0,
        };
        self.node.committer().add(shard, item, number);
        self.next += 1;
        number
    }

    async fn outcome(&self, number: u32) -> Committed {
        wait_until(|| self.outcomes.0.borrow().contains_key(&number)).await;
        self.outcomes.0.borrow()[&number].clone()
    }

    fn acknowledged(&self) -> i64 {
        self.outcomes.0.borrow().values().filter(|outcome| matches!(outcome, Ok(Ok(_)))).count() as i64
    }

    /// Reads everything there is; how many records.
    fn read_all(&self) -> i64 {
        let reader = self.node.partitions().find(&self.partition()).unwrap().reader.clone();
        let (mut records, end) = (0, reader.offsets().high_watermark);
        while records < end {
            let mut bytes = Vec::new();
            for slice in reader.read(records, 1 << 20).unwrap().slices {
                slice.copy_into(&mut bytes).unwrap();
            }
            records += wire::record::batches(&bytes).count() as i64;
        }
        records
    }
}

async fn wait_until(holds: impl Fn() -> bool) {
    let began = env::Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it does not come");
        env::sleep(Duration::from_millis(2)).await;
    }
}

fn run(test: impl Future<Output = ()>) {
    env::task::block_on_io_thread(test).unwrap();
}

#[test]
fn below_the_bound_of_free_space_only_what_makes_space_is_written() {
    let bench = Bench::new("bound");
    run(async {
        let mut life = bench.open().await;
        let first = life.add(100);
        life.outcome(first).await.unwrap().unwrap();
        life.node.create_topic(topic("other")).await.unwrap();
        bench.disk.set_free_bytes(FREE_BYTES_MIN - 1);
        // Nothing looks while nothing is written.
        life.add(100);
        wait_until(|| life.node.refuses_writes().is_some()).await;
        let why = life.node.refuses_writes().unwrap();
        assert!(why.contains("999 bytes of the disk are free, 1000 are to stay free"), "{why}");
        let refused = life.node.create_topic(topic("third")).await.unwrap_err();
        assert!(matches!(refused, CreateTopicError::WritesRefused(_)), "{refused}");
        let known = life.node.create_topic(topic("other")).await.unwrap_err();
        assert!(matches!(known, CreateTopicError::Exists(_)), "what is there is told as ever");
        let other = life.node.image().topic("other").unwrap().id;
        life.node.delete_topic(other).await.unwrap();
        assert_eq!(life.read_all(), 2);
        bench.disk.set_free_bytes(FREE_BYTES_MIN * 2);
        wait_until(|| life.node.refuses_writes().is_none()).await;
        life.node.create_topic(topic("third")).await.unwrap();
    });
}

#[test]
fn a_full_disk_ends_no_engine_and_what_was_accepted_is_written_when_there_is_space() {
    // Could break: a batch whose room was checked reaches a log that has just run out of it. The engine takes a
    // refusal for a broken disk and ends.
    let bench = Bench::new("full");
    run(async {
        let mut life = bench.open().await;
        bench.disk.fill(true);
        let mut added = 0;
        while life.node.refuses_writes().is_none() {
            let number = life.add(20_000);
            life.outcome(number).await.unwrap().unwrap();
            added += 1;
            assert!(added < 1000, "the disk is full");
        }
        assert_eq!(life.read_all(), i64::from(added));
        // More than the file has left, added by those who asked for room just before.
        let late: Vec<u32> = (0..100).map(|_| life.add(20_000)).collect();
        let last = late[99];
        // What is written of them is answered; the rest has no place.
        env::sleep(Duration::from_millis(20)).await;
        assert!(!life.outcomes.0.borrow().contains_key(&last));
        assert_eq!(life.read_all(), life.acknowledged());
        bench.disk.fill(false);
        life.outcome(last).await.unwrap().unwrap();
        wait_until(|| life.node.refuses_writes().is_none()).await;
        let after = life.add(100);
        life.outcome(after).await.unwrap().unwrap();
        assert_eq!((life.read_all(), life.acknowledged()), (i64::from(life.next), i64::from(life.next)));
    });
    run(async {
        let life = bench.open().await;
        assert!(life.read_all() > 100, "and after a crash");
    });
}

#[test]
fn a_failed_sync_fails_everybody_who_waits_and_leaves_reads() {
    let bench = Bench::new("sync");
    run(async {
        let mut life = bench.open().await;
        for _ in 0..5 {
            let number = life.add(100);
            life.outcome(number).await.unwrap().unwrap();
        }
        bench.disk.fail_syncs();
        let waiting: Vec<u32> = (0..10).map(|_| life.add(100)).collect();
        for number in waiting {
            assert_eq!(life.outcome(number).await, Err(ProposeError::Stopped));
        }
        let why = life.node.refuses_writes().unwrap();
        assert!(why.contains("the disk is dying") && why.contains("/wal/"), "{why}");
        assert!(life.node.stats().is_wal_poisoned);
        let late = life.add(100);
        assert_eq!(life.outcome(late).await, Err(ProposeError::Stopped), "nothing is tried again");
        assert_eq!(life.read_all(), 5);
    });
    let healthy = Bench { disk: TroubledDisk::default(), dir: bench.dir.clone() };
    run(async {
        let mut life = healthy.open().await;
        assert_eq!(life.read_all(), 5, "what was not acknowledged was not written either");
        let number = life.add(100);
        life.outcome(number).await.unwrap().unwrap();
    });
}
