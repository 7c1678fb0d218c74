//! The topic configs of Kafka 4.3.1, and ours that begin with `batch.`: names, what values they take, defaults.
//!
//! The texts of refusals are Kafka's. A config that nothing here uses yet is checked and kept all the same, so that
//! tools which set it go on working.

use super::known::{Kind, Known, known};

/// Begins the names of configs that Kafka has for its own tests: taken, but shown only where they are set.
const INTERNAL: &str = "internal.";

const LONG_MAX: &str = "9223372036854775807";

/// All of them, names ascending.
pub(super) const TABLE: &[Known] = &[
    known(
        "batch.linger.ms",
        Kind::Int(-1, i32::MAX),
        "-1",
        "Longest that a small record batch waits for company before its commit, in milliseconds; -1: the broker's kafka.batch.linger.ms.",
    ),
    known(
        "batch.merge.enable",
        Kind::Bool,
        "true",
        "Whether small record batches are merged when they are stored.",
    ),
    known(
        "batch.target.p99.ms",
        Kind::Int(0, i32::MAX),
        "0",
        "The produce p99 that producers accept for larger commit groups, in milliseconds; 0: none.",
    ),
    known(
        "cleanup.policy",
        Kind::SomeOf(&["compact", "delete"]),
        "delete",
        "What happens to old records: delete, by age and size; compact, so that the last record of each key stays; or both.",
    ),
    known(
        "compression.gzip.level",
        Kind::GzipLevel,
        "-1",
        "Level of gzip where compression.type is gzip; -1: its default.",
    ),
    known("compression.lz4.level", Kind::Int(1, 17), "9", "Level of lz4 where compression.type is lz4."),
    known(
        "compression.type",
        Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "producer",
        "Codec of stored record batches; producer: as they were sent.",
    ),
    known(
        "compression.zstd.level",
        Kind::Int(-131_072, 22),
        "3",
        "Level of zstd where compression.type is zstd.",
    ),
    known(
        "delete.retention.ms",
        Kind::Long(0),
        "86400000",
        "How long a record without a value stays in a compacted topic, in milliseconds.",
    ),
    known(
        "file.delete.delay.ms",
        Kind::Long(0),
        "60000",
        "Taken and changes nothing: files go with the next checkpoint.",
    ),
    known(
        "flush.messages",
        Kind::Long(1),
        LONG_MAX,
        "Taken and changes nothing: an acknowledged record has been synced.",
    ),
    known(
        "flush.ms",
        Kind::Long(0),
        LONG_MAX,
        "Taken and changes nothing: an acknowledged record has been synced.",
    ),
    known(
        "follower.replication.throttled.replicas",
        Kind::ThrottledReplicas,
        "",
        "Replicas whose following is throttled, as partition:broker.",
    ),
    known(
        "index.interval.bytes",
        Kind::Int(0, i32::MAX),
        "4096",
        "Taken and changes nothing: the index has its own density.",
    ),
    known(
        "internal.segment.bytes",
        Kind::Int(i32::MIN, i32::MAX),
        "1073741824",
        "Bytes of a segment, without a lower bound; for tests.",
    ),
    known(
        "leader.replication.throttled.replicas",
        Kind::ThrottledReplicas,
        "",
        "Replicas whose leading is throttled, as partition:broker.",
    ),
    known(
        "local.retention.bytes",
        Kind::Long(-2),
        "-2",
        "Bytes that stay here of a topic with tiered storage, which is not there.",
    ),
    known(
        "local.retention.ms",
        Kind::Long(-2),
        "-2",
        "How long records stay here of a topic with tiered storage, which is not there.",
    ),
    known(
        "max.compaction.lag.ms",
        Kind::Long(1),
        LONG_MAX,
        "Longest that a record of a compacted topic waits for compaction, in milliseconds.",
    ),
    known("max.message.bytes", Kind::Int(0, i32::MAX), "1048588", "Bytes of the largest record batch."),
    known(
        "message.timestamp.after.max.ms",
        Kind::Long(0),
        "3600000",
        "How far a record's timestamp may lie ahead of the broker's clock, in milliseconds.",
    ),
    known(
        "message.timestamp.before.max.ms",
        Kind::Long(0),
        LONG_MAX,
        "How far a record's timestamp may lie behind the broker's clock, in milliseconds.",
    ),
    known(
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "Whose clock records' timestamps show: the producer's (CreateTime) or the broker's (LogAppendTime).",
    ),
    known(
        "min.cleanable.dirty.ratio",
        Kind::Ratio,
        "0.5",
        "Share of a compacted log that is to be new before it is compacted.",
    ),
    known(
        "min.compaction.lag.ms",
        Kind::Long(0),
        "0",
        "Shortest that a record of a compacted topic stays as it is, in milliseconds.",
    ),
    known(
        "min.insync.replicas",
        Kind::Int(1, i32::MAX),
        "1",
        "Replicas that have to have a record before it is acknowledged to acks=all.",
    ),
    known("preallocate", Kind::Bool, "false", "Taken and changes nothing: segments are written whole."),
    known("remote.log.copy.disable", Kind::Bool, "false", "Of tiered storage, which is not there."),
    known("remote.log.delete.on.disable", Kind::Bool, "false", "Of tiered storage, which is not there."),
    known(
        "remote.storage.enable",
        Kind::Bool,
        "false",
        "Tiered storage, which is not there: true is refused.",
    ),
    known(
        "retention.bytes",
        Kind::Long(i64::MIN),
        "-1",
        "Bytes of a partition beyond which its oldest segments are deleted; -1: no bound.",
    ),
    known(
        "retention.ms",
        Kind::Long(-1),
        "604800000",
        "How long records are kept, from their timestamps, in milliseconds; -1: for ever.",
    ),
    known(
        "segment.bytes",
        Kind::Int(1 << 20, i32::MAX),
        "1073741824",
        "Bytes at which a segment is closed and the next one begun.",
    ),
    known(
        "segment.index.bytes",
        Kind::Int(4, i32::MAX),
        "10485760",
        "Taken and changes nothing: an index is as large as its segment needs.",
    ),
    known(
        "segment.jitter.ms",
        Kind::Long(0),
        "0",
        "Taken and changes nothing: files of many partitions are synced together.",
    ),
    known(
        "segment.ms",
        Kind::Long(1),
        "604800000",
        "Age at which a segment is closed and the next one begun, in milliseconds.",
    ),
    known(
        "unclean.leader.election.enable",
        Kind::Bool,
        "false",
        "Whether a replica that lacks records may lead; it never may here.",
    ),
];

/// The config called `name`.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    TABLE.binary_search_by_key(&name, |known| known.name).ok().map(|at| &TABLE[at])
}

/// Whether it is shown where it is not set.
pub(super) fn is_shown(known: &Known) -> bool {
    !known.name.starts_with(INTERNAL)
}
