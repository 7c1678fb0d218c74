//! Record batches that go on forming until their group is handed over.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use cluster::commit::{Commit, CommitListener, Committed, TopicWait};
use cluster::node::Node;
use storage::id::PartitionId;
use tokio::sync::oneshot;
use wire::record::{Builder, Compression};

use super::{Directory, Waiter, batch, item, open_for, partition_of, produce, read_all, run, topic};

/// Puts what is announced into one record batch when it is asked for it.
#[derive(Default)]
struct Forming {
    node: RefCell<Weak<Node<Waiter>>>,
    announced: RefCell<Vec<(PartitionId, Vec<u8>, Waiter)>>,
    gathered: RefCell<Vec<usize>>,
}

impl Forming {
    fn announce(
        &self,
        node: &Node<Waiter>,
        partition: PartitionId,
        value: &[u8],
    ) -> oneshot::Receiver<Committed> {
        let (tell, told) = oneshot::channel();
        self.announced.borrow_mut().push((partition, value.to_vec(), tell));
        node.committer().announce(partition.topic_id, TopicWait::default(), 0);
        told
    }
}

impl CommitListener<Waiter> for Forming {
    fn committed(&self, waiter: Waiter, outcome: Committed, _commit: &Commit) {
        let _ = waiter.send(outcome);
    }

    fn entry_done(&self) {}

    fn gather(&self) {
        let node = self.node.borrow().upgrade().unwrap();
        let announced = self.announced.take();
        self.gathered.borrow_mut().push(announced.len());
        let mut builder = Builder::new(Compression::NONE);
        announced.iter().for_each(|(_, value, _)| builder.append(1000, None, Some(value), &[]).unwrap());
        let requests = announced.len();
        let (partition, _, waiter) = announced.into_iter().next_back().unwrap();
        let bytes = builder.finish().unwrap();
        let shard = node.partitions().find(&partition).unwrap().reader.shard();
        node.committer().add_announced(shard, item(partition, &bytes), requests, waiter);
    }
}

#[test]
fn what_is_announced_while_a_group_is_in_flight_is_asked_for_once() {
    // Could break: a batch that is asked for too early holds one request; one that nobody asks for is never answered.
    let dir = Directory::new("announced");
    run(async {
        let forming = Rc::new(Forming::default());
        let node = open_for(&dir.0, 4 << 20, Duration::from_secs(3600), forming.clone()).await;
        forming.node.replace(Rc::downgrade(&node));
        node.create_topic(topic("t", 2)).await.unwrap();
        let (partition, other) = (partition_of(&node, "t", 0), partition_of(&node, "t", 1));
        let first = forming.announce(&node, partition, b"a");
        assert!(!node.committer().is_idle() && forming.gathered.borrow().is_empty());
        while forming.gathered.borrow().is_empty() {
            env::yield_now().await;
        }
        // The first is on its way: these are of the next group, with what somebody else adds.
        let mut last = [b"b", b"c", b"d"].map(|value| forming.announce(&node, partition, value));
        let added = produce(&node, other, &batch(b"x", None)).await.unwrap();
        assert_eq!(first.await.unwrap().unwrap().unwrap().base_offset, 0);
        assert_eq!(last[2].try_recv().unwrap().unwrap().unwrap().base_offset, 1);
        assert_eq!((added.base_offset, &*forming.gathered.borrow()), (0, &vec![1, 3]));
        let values: Vec<Vec<u8>> = read_all(&node, partition).into_iter().map(|(.., value)| value).collect();
        assert_eq!(values, [b"a", b"b", b"c", b"d"]);
        assert!(node.committer().is_idle());
    });
}
