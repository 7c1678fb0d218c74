//! Every key there is: name, default, range, unit, what it does, and the field that holds it.
//!
//! One row is all that a key needs: the typed [`Config`], the checks, the environment names, `config
//! show` and docs/configuration.md come from it. A key is here once it does something.

use std::{path::PathBuf, time::Duration};

use super::{
    BatchCodec, BatchPolicy, GroupMigration, LogFormat, LogLevel, Values,
    listener::{self, Endpoint},
    rule::{Rule, Word},
};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Key {
    /// The key as it is written in full, such as `kafka.max.message.bytes`.
    pub(crate) path: &'static str,
    /// Other names that mean the same: Kafka's own, where ours differs.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) rule: Rule,
    pub(crate) default: &'static str,
    /// What it does, in a sentence or two.
    pub(crate) doc: &'static str,
}

macro_rules! table {
    ($(
        $(#[doc = $group_doc:literal])+
        $group:ident: $Group:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $ty:ty = $path:literal $(| $alias:literal)*, $rule:expr, $default:literal;
        )*}
    )*) => {
        /// The rows, in the order in which they are shown.
        pub(crate) const KEYS: &[Key] = &[$($(Key {
            path: $path,
            aliases: &[$($alias),*],
            rule: $rule,
            default: $default,
            doc: concat!($($doc),+).trim_ascii(),
        },)*)*];

        /// What is in force, typed: one field per key.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct Config {$(
            $(#[doc = $group_doc])+
            pub(crate) $group: $Group,
        )*}

        $(
            $(#[doc = $group_doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub(crate) struct $Group {$(
                $(#[doc = $doc])+
                pub(crate) $field: $ty,
            )*}
        )*

        impl Config {
            /// Reads every field; `values` holds an accepted value for every key.
            pub(super) fn read(values: &Values) -> Self {
                Self {$($group: $Group {$($field: values.field($path),)*},)*}
            }
        }
    };
}

const INT_MAX: i64 = 2_147_483_647;
const PORT_MAX: i64 = 65_535;
const GIB: i64 = 1 << 30;

/// Stands where a key in finer units is not set, so that one in coarser units holds.
pub(crate) const UNSET: &str = "unset";

const fn integer(min: i64, max: i64, unit: &'static str) -> Rule {
    Rule::Integer { min, max, unit, word: None }
}

const fn integer_or(
    min: i64,
    max: i64,
    unit: &'static str,
    text: &'static str,
    meaning: &'static str,
) -> Rule {
    Rule::Integer { min, max, unit, word: Some(Word { text, meaning }) }
}

table! {
    /// Where the broker listens when `kafka.listeners` says nothing.
    server: Server {
        /// Address to bind: 0.0.0.0 is every IPv4 address of the machine.
        host: String = "server.host", Rule::Text { allowed: "an IP address or a host name", fits: listener::is_host }, "0.0.0.0";
        /// Port to bind: 0 takes a free one, which the start prints.
        port: u16 = "server.port", integer(0, PORT_MAX, ""), "9092";
    }

    /// The Kafka port.
    kafka: Kafka {
        /// Number of this broker, kept by its data directory.
        broker_id: i32 = "kafka.broker.id" | "kafka.node.id", integer(0, INT_MAX, ""), "1";
        /// Addresses to bind, each NAME://host:port; wins over server.host and server.port.
        listeners: Vec<Endpoint> = "kafka.listeners",
            Rule::List { allowed: "NAME://host:port (plain text; an empty host binds every address)", fits: listener::is_bind }, "";
        /// Host that clients are told to connect to, on the first listener. Empty: the bound host, and where that is every address,
        /// the one on which the client reached the broker.
        advertised_host: Option<String> = "kafka.advertised.host",
            Rule::Text { allowed: "a host name or an IP address, not 0.0.0.0 or ::", fits: listener::is_advertised_host_or_empty }, "";
        /// Port that clients are told to connect to, on the first listener.
        advertised_port: Option<u16> = "kafka.advertised.port", integer_or(1, PORT_MAX, "", "auto", "the bound port"), "auto";
        /// What clients of each listener are told to connect to, each NAME://host:port; wins over kafka.advertised.host and
        /// kafka.advertised.port.
        advertised_listeners: Vec<Endpoint> = "kafka.advertised.listeners",
            Rule::List { allowed: "NAME://host:port, the name being that of a listener", fits: listener::is_advertised }, "";
        /// Largest record batch accepted; a topic's own max.message.bytes wins.
        max_message_bytes: u32 = "kafka.max.message.bytes" | "kafka.message.max.bytes", integer(0, INT_MAX, "bytes"), "1048588";
        /// Connections at a time; one more is closed as soon as it is accepted.
        max_connections: u32 = "kafka.max.connections", integer(1, 1_000_000, "connections"), "10000";
        /// Connections at a time from one address; one more is closed as soon as it is accepted.
        max_connections_per_ip: u32 = "kafka.max.connections.per.ip", integer(0, INT_MAX, "connections"), "2147483647";
        /// Connections at a time of hosts or addresses that have a number of their own, each host:number; a name stands for all its addresses.
        max_connections_per_ip_overrides: String = "kafka.max.connections.per.ip.overrides",
            Rule::Text { allowed: "host:number, with commas between", fits: broker::are_connection_overrides }, "";
        /// Where this broker stands, which clients are told. Empty: nowhere in particular.
        rack: Option<String> = "kafka.broker.rack", Rule::Text { allowed: "a text", fits: |_| true }, "";
        /// How long a partition remembers an idempotent producer that writes nothing, looked at every ten minutes.
        producer_id_expiration: Duration = "kafka.producer.id.expiration.ms", integer(1, INT_MAX, "milliseconds"), "86400000";
        /// Longest that a request may wait for its commit before it is answered with an error.
        request_timeout: Duration = "kafka.request.timeout.ms", integer(1, INT_MAX, "milliseconds"), "30000";
        /// Longest that a connection may take for its first request, or for the rest of a half-sent one.
        connection_timeout: Duration = "kafka.connection.timeout.ms", integer(1, INT_MAX, "milliseconds"), "60000";
        /// A connection without a request for this long is closed.
        connections_max_idle: Option<Duration> = "kafka.connections.max.idle.ms",
            integer_or(1, INT_MAX, "milliseconds", "-1", "never"), "600000";
        /// Partitions of a topic that was created without saying how many.
        num_partitions: i32 = "kafka.num.partitions", integer(1, 100_000, "partitions"), "1";
        /// Replicas of a topic that was created without saying how many; not more than there are brokers.
        default_replication_factor: u32 = "kafka.default.replication.factor", integer(1, 32_767, "replicas"), "1";
        /// A client that asks about a topic which does not exist creates it.
        auto_create_topics_enable: bool = "kafka.auto.create.topics.enable", Rule::Flag, "true";
        /// Topics may be deleted by clients.
        delete_topic_enable: bool = "kafka.delete.topic.enable", Rule::Flag, "true";
        /// Bytes of records in one fetch answer at most, whatever the client asks for; the first batch of an answer always fits.
        fetch_max_bytes: u32 = "kafka.fetch.max.bytes", integer(1024, INT_MAX, "bytes"), "57671680";
        /// Fetch sessions (KIP-227) at a time; 0: none.
        fetch_sessions_max: u32 = "kafka.max.incremental.fetch.session.cache.slots", integer(0, INT_MAX, "sessions"), "1000";
        /// Largest request frame; a connection that announces more is closed.
        socket_request_max_bytes: u32 = "kafka.socket.request.max.bytes", integer(1024, INT_MAX, "bytes"), "104857600";
        /// Bytes of requests that wait to be committed, over all connections; beyond it sockets are not read.
        queued_max_bytes: u64 = "kafka.queued.max.bytes" | "kafka.queued.max.request.bytes", integer(1 << 20, 1024 * GIB, "bytes"), "268435456";
        /// Records of a merged batch at most: small batches are joined when they are stored, long after they were acknowledged.
        batch_max_size: i32 = "kafka.batch.max.size", integer(1, INT_MAX, "records"), "1000";
        /// Bytes of keys, values and headers of a merged batch at most; a batch that is larger by itself is stored as it was sent.
        batch_max_bytes: u32 = "kafka.batch.max.bytes", integer(1, INT_MAX, "bytes"), "1048576";
        /// Longest that a small batch waits for company before it is committed; 0: nothing waits on purpose. A topic's own
        /// batch.linger.ms wins.
        batch_linger: Duration = "kafka.batch.linger.ms", integer(0, INT_MAX, "milliseconds"), "10";
        /// The broker chooses how long a batch waits and how large a merged batch becomes, within the bounds. Without it a group
        /// waits until its first batch has waited kafka.batch.linger.ms or kafka.batch.max.size batches are there.
        batch_adaptive_enabled: bool = "kafka.batch.adaptive.enabled", Rule::Flag, "true";
        /// What chooses how large merged batches become: company, as much as is at hand when a tail is stored; throughput, every 5 s
        /// a tenth more if storing became faster, a tenth less if slower.
        batch_adaptive_policy: BatchPolicy = "kafka.batch.adaptive.policy", Rule::Choice(BatchPolicy::WORDS), "company";
        /// Records of a merged batch: the least that is aimed at.
        batch_adaptive_min_size: i32 = "kafka.batch.adaptive.min.size", integer(1, INT_MAX, "records"), "16";
        /// Records of a merged batch: the most that is aimed at; of this and kafka.batch.max.size the smaller one holds.
        batch_adaptive_max_size: i32 = "kafka.batch.adaptive.max.size", integer(1, INT_MAX, "records"), "10000";
        /// Codec of merged batches whose records were sent without one; a topic's own compression.type wins.
        batch_compression_type: BatchCodec = "kafka.batch.compression.type", Rule::Choice(BatchCodec::WORDS), "none";
        /// Longest that a record stays in memory only before it is stored in its segment; it was on disk when it was acknowledged.
        batch_tail_max: Duration = "kafka.batch.tail.max.ms", integer(1, INT_MAX, "milliseconds"), "1000";
    }

    /// What topics without configs of their own have. The storage keys on segments and retention belong to it, and so does
    /// `kafka.max.message.bytes`.
    topics: TopicDefaults {
        /// What happens to old records: delete, compact, or both.
        cleanup_policy: Vec<String> = "kafka.log.cleanup.policy", Rule::List { allowed: "delete, compact", fits: is_cleanup_policy }, "delete";
        /// Milliseconds that records are kept, counted from their timestamps; -1: for ever.
        retention_ms: Option<i64> = "kafka.log.retention.ms", integer_or(-1, i64::MAX, "milliseconds", UNSET, "kafka.log.retention.minutes"), "unset";
        /// Minutes that records are kept; -1: for ever.
        retention_minutes: Option<i32> = "kafka.log.retention.minutes", integer_or(-1, INT_MAX, "minutes", UNSET, "storage.log.retention.hours"), "unset";
        /// Milliseconds after which a segment is closed although it is small.
        roll_ms: Option<i64> = "kafka.log.roll.ms", integer_or(1, i64::MAX, "milliseconds", UNSET, "kafka.log.roll.hours"), "unset";
        /// Hours after which a segment is closed although it is small.
        roll_hours: u32 = "kafka.log.roll.hours", integer(1, INT_MAX, "hours"), "168";
        /// Codec of stored record batches; producer: as they were sent.
        compression_type: String = "kafka.compression.type",
            Rule::Choice(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), "producer";
        /// Level of gzip, where that is the topic's codec.
        gzip_level: Option<i32> = "kafka.compression.gzip.level", integer_or(1, 9, "", "-1", "gzip's own default"), "-1";
        /// Level of lz4, where that is the topic's codec.
        lz4_level: i32 = "kafka.compression.lz4.level", integer(1, 17, ""), "9";
        /// Level of zstd, where that is the topic's codec.
        zstd_level: i32 = "kafka.compression.zstd.level", integer(-131_072, 22, ""), "3";
        /// Whose clock records' timestamps show: the producer's or the broker's.
        timestamp_type: String = "kafka.log.message.timestamp.type", Rule::Choice(&["CreateTime", "LogAppendTime"]), "CreateTime";
        /// Replicas that have to have a record before it is acknowledged to acks=all.
        min_insync_replicas: i32 = "kafka.min.insync.replicas", integer(1, INT_MAX, "replicas"), "1";
        /// Whether a replica that lacks records may lead; it never may here.
        unclean_leader_election_enable: bool = "kafka.unclean.leader.election.enable", Rule::Flag, "false";
        /// How far a record's timestamp may lie behind the broker's clock.
        timestamp_before_max_ms: i64 = "kafka.log.message.timestamp.before.max.ms", integer(0, i64::MAX, "milliseconds"), "9223372036854775807";
        /// How far a record's timestamp may lie ahead of the broker's clock.
        timestamp_after_max_ms: i64 = "kafka.log.message.timestamp.after.max.ms", integer(0, i64::MAX, "milliseconds"), "3600000";
    }

    /// Consumer groups and what they commit.
    groups: Groups {
        /// Shortest session time-out that a member of a group of the classic protocol may ask for.
        min_session_timeout: Duration = "kafka.group.min.session.timeout.ms", integer(0, INT_MAX, "milliseconds"), "6000";
        /// Longest session time-out that a member of a group of the classic protocol may ask for.
        max_session_timeout: Duration = "kafka.group.max.session.timeout.ms", integer(0, INT_MAX, "milliseconds"), "1800000";
        /// How long the first members of a group wait for others before partitions are assigned.
        initial_rebalance_delay: Duration = "kafka.group.initial.rebalance.delay.ms", integer(0, INT_MAX, "milliseconds"), "3000";
        /// Members of a group at most.
        max_size: u32 = "kafka.group.max.size", integer(1, INT_MAX, "members"), "2147483647";
        /// How long a member of a group of the consumer protocol may be silent.
        consumer_session_timeout: Duration = "kafka.group.consumer.session.timeout.ms", integer(1, INT_MAX, "milliseconds"), "45000";
        /// How often a member of a group of the consumer protocol is told to be heard of.
        consumer_heartbeat_interval: Duration = "kafka.group.consumer.heartbeat.interval.ms", integer(1, INT_MAX, "milliseconds"), "5000";
        /// Shortest that a group's own consumer.session.timeout.ms may be.
        consumer_min_session_timeout: Duration = "kafka.group.consumer.min.session.timeout.ms", integer(1, INT_MAX, "milliseconds"), "45000";
        /// Longest that a group's own consumer.session.timeout.ms may be.
        consumer_max_session_timeout: Duration = "kafka.group.consumer.max.session.timeout.ms", integer(1, INT_MAX, "milliseconds"), "60000";
        /// Shortest that a group's own consumer.heartbeat.interval.ms may be.
        consumer_min_heartbeat_interval: Duration = "kafka.group.consumer.min.heartbeat.interval.ms", integer(1, INT_MAX, "milliseconds"), "5000";
        /// Longest that a group's own consumer.heartbeat.interval.ms may be.
        consumer_max_heartbeat_interval: Duration = "kafka.group.consumer.max.heartbeat.interval.ms", integer(1, INT_MAX, "milliseconds"), "15000";
        /// Members of a group of the consumer protocol at most.
        consumer_max_size: u32 = "kafka.group.consumer.max.size", integer(1, INT_MAX, "members"), "2147483647";
        /// How partitions of groups of the consumer protocol may be assigned; the first is for groups whose members do not say.
        consumer_assignors: Vec<String> = "kafka.group.consumer.assignors", Rule::List { allowed: "uniform, range", fits: is_assignor }, "uniform,range";
        /// Which groups with members change their protocol: to the consumer protocol when a member that speaks it joins, to the classic one
        /// when the last such member leaves. `disabled` also keeps members of the classic protocol out of groups of the other. A group
        /// without members always may.
        consumer_migration: GroupMigration = "kafka.group.consumer.migration.policy", Rule::ChoiceInAnyCase(GroupMigration::WORDS), "bidirectional";
        /// Characters that a client may keep with a committed offset.
        metadata_max: u32 = "kafka.offset.metadata.max.bytes", integer(0, INT_MAX, "characters"), "4096";
        /// How long committed offsets are kept that nobody needs: since the group has lost its last member, or, where it never had
        /// one or does not read the topic, since the commit.
        offsets_retention_minutes: u32 = "kafka.offsets.retention.minutes", integer(1, INT_MAX, "minutes"), "10080";
        /// Time between two looks for committed offsets to be forgotten.
        offsets_retention_check: Duration = "kafka.offsets.retention.check.interval.ms", integer(1, INT_MAX, "milliseconds"), "600000";
        /// Partitions of `__consumer_offsets`, when it is created.
        offsets_partitions: u32 = "kafka.offsets.topic.num.partitions", integer(1, 10_000, "partitions"), "50";
        /// Replicas of `__consumer_offsets`, when it is created; not more than there are brokers.
        offsets_replication_factor: u32 = "kafka.offsets.topic.replication.factor", integer(1, 32_767, "replicas"), "1";
        /// Bytes of the segments of `__consumer_offsets`, when it is created.
        offsets_segment_bytes: u32 = "kafka.offsets.topic.segment.bytes", integer(1 << 20, INT_MAX, "bytes"), "104857600";
    }

    /// What is on disk, and what waits in memory to get there.
    storage: Storage {
        /// Directory of everything the broker keeps; made if it is missing.
        data_dir: PathBuf = "storage.data.dir" | "kafka.log.dirs", Rule::Text { allowed: "the path of a directory", fits: is_path }, "./takhin-data";
        /// Size at which a partition's segment file is closed and the next one begun.
        log_segment_size: u32 = "storage.log.segment.size" | "kafka.log.segment.bytes", integer(1 << 20, INT_MAX, "bytes"), "1073741824";
        /// Hours that records are kept, counted from their timestamps; a topic's own retention.ms wins.
        log_retention_hours: Option<u32> = "storage.log.retention.hours" | "kafka.log.retention.hours",
            integer_or(1, INT_MAX, "hours", "-1", "for ever"), "168";
        /// Bytes of a partition beyond which its oldest segments are deleted; 0 sets no bound. A topic's own retention.bytes wins.
        log_retention_bytes: Option<u64> = "storage.log.retention.bytes" | "kafka.log.retention.bytes",
            integer_or(0, 1024 * 1024 * GIB, "bytes", "-1", "no bound"), "0";
        /// Time between two looks for what is to be deleted.
        log_cleanup_interval: Duration = "storage.log.cleanup.interval.ms" | "kafka.log.retention.check.interval.ms",
            integer(1, INT_MAX, "milliseconds"), "300000";
        /// Bytes of the write-ahead log that are kept.
        wal_max_bytes: u64 = "storage.wal.max.bytes", integer(256 << 20, 1024 * GIB, "bytes"), "1073741824";
        /// Memory for committed records that are not in their segments yet.
        tail_max_bytes: Option<u64> = "storage.tail.max.bytes",
            integer_or(16 << 20, 1024 * GIB, "bytes", "auto", "an eighth of the memory, at least 64 MiB"), "auto";
        /// Space that stays free on the file system of the data directory: below it writes are refused with KAFKA_STORAGE_ERROR,
        /// reads go on, and writes too once a tenth more than this is free. 0 leaves it to the disk to be full.
        free_space_min: Option<u64> = "storage.free.space.min.bytes",
            integer_or(0, 1024 * GIB, "bytes", "auto", "a twentieth of the file system, at most 1 GiB"), "auto";
    }

    /// The HTTP port for Prometheus: `/metrics`.
    metrics: Metrics {
        /// Whether metrics are served.
        enabled: bool = "metrics.enabled", Rule::Flag, "true";
        /// Address to bind.
        host: String = "metrics.host", Rule::Text { allowed: "an IP address or a host name", fits: listener::is_host }, "0.0.0.0";
        /// Port to bind: 0 takes a free one, which the start prints.
        port: u16 = "metrics.port", integer(0, PORT_MAX, ""), "9090";
        /// Partitions that have series of their own, those of a group's lag included: the first by their topics' names; 0 is
        /// none. `takhin_metrics_partitions_left_out` says how many there are besides.
        partitions_max: u32 = "metrics.partitions.max", integer(0, 1_000_000, ""), "10000";
    }

    /// The HTTP port for those who ask whether it works: `/health`, `/health/ready`, `/health/live`.
    health: Health {
        /// Whether health is served.
        enabled: bool = "health.enabled", Rule::Flag, "true";
        /// Address to bind.
        host: String = "health.host", Rule::Text { allowed: "an IP address or a host name", fits: listener::is_host }, "0.0.0.0";
        /// Port to bind: 0 takes a free one, which the start prints.
        port: u16 = "health.port", integer(0, PORT_MAX, ""), "9091";
    }

    /// Messages for people, on standard error.
    logging: Logging {
        /// The least important messages that are written.
        level: LogLevel = "logging.level", Rule::Choice(LogLevel::WORDS), "info";
        /// Lines to read, or one JSON object a line.
        format: LogFormat = "logging.format", Rule::Choice(LogFormat::WORDS), "text";
    }
}

fn is_cleanup_policy(text: &str) -> bool {
    matches!(text, "delete" | "compact")
}

fn is_assignor(text: &str) -> bool {
    broker::ASSIGNORS.contains(&text)
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

/// The key that `path` names, by its own name or by an alias.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path || key.aliases.contains(&path))
}
