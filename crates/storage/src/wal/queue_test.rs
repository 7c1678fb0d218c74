use std::collections::VecDeque;

use bytes::Bytes;

use super::error::AppendError;
use super::frame::{Frame, LogPosition};
use super::options::WalOptions;
use super::queue::WalQueue;
use super::recovery::Recovered;
use crate::id::ShardId;

const SHARD: ShardId = ShardId(2);

fn queue() -> WalQueue {
    let options = WalOptions { queued_bytes_max: 1000, entry_bytes_max: 5000, ..WalOptions::default() };
    WalQueue::new(&Recovered::default(), &options)
}

fn entry(index: u64, bytes: usize) -> Frame {
    Frame::Entry { term: 1, index, meta: 0, payload: Bytes::from(vec![0; bytes]).into() }
}

fn taken(queue: &mut WalQueue) -> usize {
    let mut to = VecDeque::new();
    queue.take_into(&mut to);
    to.len()
}

/// A group that was not handed over yet must not be written in halves.
#[test]
fn nothing_is_taken_before_it_is_submitted() {
    let mut queue = queue();
    queue.append(SHARD, [entry(0, 10), entry(1, 10)], Some(1)).unwrap();
    assert!(queue.is_empty());
    queue.submit();
    queue.append(SHARD, [entry(2, 10)], Some(2)).unwrap();
    assert_eq!(taken(&mut queue), 2);
    queue.submit();
    assert_eq!(taken(&mut queue), 1);
}

/// Half an append would leave a shard with entries that its Raft core believes refused.
#[test]
fn a_refused_append_leaves_nothing_behind() {
    let mut queue = queue();
    let refused = queue.append(SHARD, [entry(0, 10), entry(1, 10), entry(3, 10)], Some(1));
    assert_eq!(refused, Err(AppendError::OutOfOrder { shard: SHARD, expected: 2, index: 3 }));
    assert_eq!(queue.bytes(), 0);
    let refused = queue.append(SHARD, [entry(0, 10), entry(1, 6000)], Some(1));
    assert_eq!(refused, Err(AppendError::TooLarge { bytes: 6000, bytes_max: 5000 }));
    queue.append(SHARD, [entry(0, 10)], Some(1)).unwrap();
    queue.submit();
    assert_eq!(taken(&mut queue), 1);
}

/// The bound counts what is being written too, and refuses entries only: a vote or a purge may be what frees it.
#[test]
fn the_bound_holds_until_bytes_are_written() {
    let mut queue = queue();
    queue.append(SHARD, [entry(0, 2000)], None).unwrap();
    queue.submit();
    assert_eq!(taken(&mut queue), 1);
    assert!(matches!(queue.append(SHARD, [entry(1, 1)], None), Err(AppendError::Full { .. })));
    queue.append(SHARD, [Frame::Purge(LogPosition { term: 1, index: 0 })], None).unwrap();
    queue.written(2064);
    queue.append(SHARD, [entry(1, 1)], None).unwrap();
    queue.set_no_space(true);
    assert_eq!(queue.append(SHARD, [entry(2, 1)], None), Err(AppendError::NoSpace));
    queue.append_promised(SHARD, [entry(2, 1)], None).expect("it was promised when there was space");
    queue.append(SHARD, [Frame::Vote(Bytes::from_static(b"v"))], None).unwrap();
}

/// Gaps would be found at the next start only, when it is too late.
#[test]
fn a_shards_log_is_kept_in_order() {
    let mut queue = queue();
    let order = |expected, index| Err(AppendError::OutOfOrder { shard: SHARD, expected, index });
    assert_eq!(queue.append(SHARD, [entry(2, 1)], None), order(1, 2));
    queue.append(SHARD, [entry(1, 1), entry(2, 1), entry(3, 1)], None).unwrap();
    queue.append(SHARD, [Frame::Truncate { from: 3 }, entry(3, 1)], None).unwrap();
    assert_eq!(queue.append(SHARD, [entry(3, 1)], None), order(4, 3));
    queue.append(SHARD, [Frame::Purge(LogPosition { term: 1, index: 10 }), entry(11, 1)], None).unwrap();
    assert_eq!(queue.append(SHARD, [Frame::Truncate { from: 10 }], None), order(11, 10));
    queue.append(ShardId(9), [entry(0, 1), Frame::Truncate { from: 0 }, entry(1, 1)], None).unwrap();
}
