//! Record batches as producers send them, as far as storage looks into them.

use bytes::Bytes;
use storage::id::{PartitionId, TopicId};
use storage::partition_log::NewBatch;
use storage::partition_log::producers::ProducerStamp;
use wire::record::BatchHeader;
use wire::record::header::{HEADER_BYTES, LENGTH_COVERS_FROM, assign_offset, seal};

pub(crate) fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: TopicId([number as u8; 16]), partition: number }
}

pub(crate) struct Spec {
    pub(crate) count: i32,
    pub(crate) payload: usize,
    pub(crate) leader_epoch: i32,
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_delta: i32,
    pub(crate) producer: Option<ProducerStamp>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            count: 1,
            payload: 40,
            leader_epoch: 1,
            max_timestamp: 1000,
            max_timestamp_delta: 0,
            producer: None,
        }
    }
}

/// A batch with `fill` as its payload; the producer's base offset and leader epoch are noise, as they may be.
pub(crate) fn batch(spec: &Spec, fill: u8) -> NewBatch {
    let mut bytes = vec![fill; HEADER_BYTES + spec.payload];
    let stamp = spec.producer.unwrap_or(ProducerStamp {
        id: -1,
        epoch: -1,
        base_sequence: -1,
        last_offset_delta: spec.count - 1,
    });
    let header = BatchHeader {
        base_offset: i64::from(fill),
        batch_length: (bytes.len() - LENGTH_COVERS_FROM) as i32,
        partition_leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: spec.count - 1,
        base_timestamp: spec.max_timestamp,
        max_timestamp: spec.max_timestamp,
        producer_id: stamp.id,
        producer_epoch: stamp.epoch,
        base_sequence: stamp.base_sequence,
        record_count: spec.count,
    };
    header.write(&mut bytes).unwrap();
    seal(&mut bytes).unwrap();
    NewBatch {
        bytes: Bytes::from(bytes),
        leader_epoch: spec.leader_epoch,
        last_offset_delta: spec.count - 1,
        max_timestamp: spec.max_timestamp,
        max_timestamp_delta: spec.max_timestamp_delta,
        producer: spec.producer,
    }
}

/// The bytes that a consumer must get.
pub(crate) fn as_stored(batch: &NewBatch, base_offset: i64) -> Vec<u8> {
    let mut bytes = batch.bytes.to_vec();
    assign_offset(&mut bytes, base_offset, batch.leader_epoch).unwrap();
    bytes
}
