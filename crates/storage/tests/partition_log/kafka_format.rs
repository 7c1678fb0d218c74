//! Segments hold what Kafka's own tools read: whole, valid batches of every codec, with their offsets and epochs.

use std::path::PathBuf;

use env::Instant;
use env::disk::{Access, Caching, Disk, RealDisk};
use storage::id::{PartitionId, ShardId, TopicId};
use storage::partition_log::NewBatch;
use storage::partition_log::producers::ProducerStamp;
use storage::segment_writer::{StoreOptions, WriterCore};
use wire::record::{BatchHeader, Builder, Codec, Compression, Header, Limits, batches, read};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const COUNT: i64 = 7;

fn sent(number: i64, codec: Codec) -> NewBatch {
    let mut builder = Builder::new(Compression::from(codec)).producer(50, 1, (number * COUNT) as i32);
    for at in 0..COUNT {
        let value = format!("{} record {at}", codec.name());
        let header = Header { key: b"at", value: Some(b"7") };
        builder.append(1000 * number + at, Some(b"key"), Some(value.as_bytes()), &[header]).unwrap();
    }
    NewBatch {
        bytes: builder.finish().unwrap().into(),
        leader_epoch: 4,
        last_offset_delta: COUNT as i32 - 1,
        max_timestamp: 1000 * number + COUNT - 1,
        max_timestamp_delta: COUNT as i32 - 1,
        producer: Some(ProducerStamp {
            id: 50,
            epoch: 1,
            base_sequence: (number * COUNT) as i32,
            last_offset_delta: COUNT as i32 - 1,
        }),
    }
}

/// Where the segments go: kept in `TAKHIN_SEGMENT_DIR` for `kafka-dump-log`, else removed.
fn dir() -> (PathBuf, bool) {
    match std::env::var_os("TAKHIN_SEGMENT_DIR") {
        Some(dir) => (dir.into(), true),
        None => (std::env::temp_dir().join(format!("takhin-kafka-format-{}", std::process::id())), false),
    }
}

#[test]
fn a_segment_is_a_sequence_of_batches_that_validate() {
    let (dir, keep) = dir();
    let partition = PartitionId { topic_id: TopicId([0xab; 16]), partition: 3 };
    let (mut core, mut recovered) =
        WriterCore::open(std::sync::Arc::new(RealDisk), &dir, &StoreOptions::default(), Box::new(|| {}))
            .unwrap();
    let mut logs = recovered.take(ShardId(1)).logs;
    logs.create(1, partition, 0, Instant::now());
    for number in 0..10 {
        let batch = sent(number, CODECS[number as usize % 5]);
        let pin = logs.pinned().pin(batch.bytes.len() as u64);
        logs.append(number as u64 + 2, &partition, &pin, batch, Instant::now()).unwrap();
    }
    core.submit(logs.maintain_all(11, 11).works);
    assert!(core.step(Instant::now(), true).poisoned.is_none());

    let name = format!("{}-3/00000000000000000000.log", "ab".repeat(16));
    let file = RealDisk.open(&dir.join("partitions").join(name), Access::Read, Caching::Cached).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let mut next = 0;
    for (number, batch) in batches(&bytes).enumerate() {
        let batch = batch.unwrap();
        let header = BatchHeader::parse(batch).unwrap();
        assert_eq!((header.base_offset, header.partition_leader_epoch), (next, 4));
        assert_eq!(header.codec().unwrap(), CODECS[number % 5]);
        for record in read(batch, &Limits::default()).unwrap().iter() {
            let record = record.unwrap();
            assert_eq!(record.offset, next);
            let value = format!("{} record {}", CODECS[number % 5].name(), next % COUNT);
            assert_eq!(record.value, Some(value.as_bytes()));
            next += 1;
        }
    }
    assert_eq!(next, 10 * COUNT);
    if !keep {
        std::fs::remove_dir_all(dir).unwrap();
    }
}
