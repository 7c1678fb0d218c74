//! A checkpoint log that is not what was written: torn is repaired, corrupt is refused.

use std::path::Path;

use storage::segment_writer::{StoreError, WriterCore};

use crate::batches::{Spec, batch, partition};
use crate::dice::Dice;
use crate::model::Op;
use crate::node::{Node, options};

const LOG: &str = "data/checkpoint/checkpoint.log";

/// A node with several checkpoints; the second result is the log's length after each.
fn node() -> (Node, Vec<usize>) {
    let mut node = Node::new(1, options(1500, 600));
    let mut lengths = Vec::new();
    for number in 0..3 {
        node.apply(0, vec![Op::Create { partition: partition(number), epoch_base: 0 }]);
        let batch = batch(&Spec::default(), 1);
        node.apply(0, vec![Op::Append { partition: partition(number), batch }]);
        node.drain();
        lengths.push(node.disk.bytes(Path::new(LOG)).len());
    }
    (node, lengths)
}

fn open(node: &Node) -> Result<(), StoreError> {
    WriterCore::open(node.disk.clone(), Path::new("data"), &node.options, Box::new(|| {})).map(|_| ())
}

// The last checkpoint may never have returned: whatever is left of it, the ones before it hold.
#[test]
fn every_torn_end_of_the_last_checkpoint_is_cut_off() {
    let (probe, lengths) = node();
    let whole = probe.disk.bytes(Path::new(LOG));
    for len in lengths[1]..whole.len() {
        let (mut node, _) = node();
        node.shards[0].released = 4;
        node.disk.damage(Path::new(LOG), |bytes| bytes[len..].fill(0));
        node.crash(&mut Dice::new(len as u64));
        node.check(&mut Dice::new(1));
    }
}

#[test]
fn what_is_appended_after_a_torn_end_counts() {
    let (mut node, lengths) = node();
    node.shards[0].released = 4;
    node.disk.damage(Path::new(LOG), |bytes| bytes[lengths[1]] ^= 1);
    node.crash(&mut Dice::new(1));
    assert_eq!(node.disk.bytes(Path::new(LOG)).len(), lengths[1], "remains would be taken for records");
    node.drain();
    node.crash(&mut Dice::new(2));
    node.check(&mut Dice::new(1));
}

#[test]
fn a_flipped_bit_before_the_last_checkpoint_refuses_the_start() {
    let (mut node, lengths) = node();
    let before_last = lengths[1];
    for at in 0..before_last {
        node.disk.damage(Path::new(LOG), |bytes| bytes[at] ^= 1);
        let refused = open(&node);
        // Padding is nobody's.
        if let Err(error) = refused {
            assert!(error.to_string().contains(LOG), "{error}");
        } else {
            let byte = node.disk.bytes(Path::new(LOG))[at];
            assert_eq!(byte, 1, "byte {at} is believed");
        }
        node.disk.damage(Path::new(LOG), |bytes| bytes[at] ^= 1);
    }
    node.crash(&mut Dice::new(1));
    node.check(&mut Dice::new(1));
}

#[test]
fn a_newer_format_is_refused_by_its_version() {
    let (node, _) = node();
    node.disk.damage(Path::new(LOG), |bytes| {
        bytes[4] = 3;
        let crc = crc32c::crc32c(&bytes[4..32]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
    });
    let refused = open(&node).unwrap_err().to_string();
    assert_eq!(refused, format!("{LOG} has format version 3, this program reads 2"));
}

#[test]
fn a_segment_shorter_than_what_was_synced_refuses_the_start() {
    let (node, _) = node();
    let segment = node.disk.paths().into_iter().find(|path| path.starts_with("data/partitions")).unwrap();
    node.disk.damage(&segment, |bytes| bytes.truncate(bytes.len() - 1));
    let refused = open(&node).unwrap_err().to_string();
    assert!(refused.contains(segment.to_str().unwrap()), "{refused}");
}
