//! `takhin serve`: the process around a broker.
//!
//! In order: settings, messages, the data directory, metrics and health, the broker, its lines on start; then signals. The
//! first SIGTERM or SIGINT drains, the second ends at once.

use std::{collections::BTreeMap, ops::RangeInclusive, rc::Rc, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use batch::merge::{CodecChoice, MergeOptions};
use batch::wait::WaitSettings;
use batch::{PolicyName, Settings as BatchSettings};
use broker::{
    BrokerOptions, GroupConfigBounds, GroupOptions, GroupSettings, ListenerOptions, MigrationPolicy, Server,
    TopicConfig,
};
use cluster::{
    log_config::{LogConfig, MergeConfig},
    node::NodeOptions,
};
use env::disk::RealDisk;
use gateway::{DoorOptions, Gateway, GatewayOptions};
use tokio::sync::oneshot;
use tracing::{info, warn};
use wire::record::Codec;

use crate::{
    cli::Settings,
    command,
    config::{
        BatchCodec, BatchPolicy, Config, GroupMigration, InForce,
        table::{Groups, TopicDefaults},
    },
    data_dir::DataDir,
    logging::{self, Levels},
    output,
    signals::Signals,
    started_with::started_with,
};

/// Bytes of a file of the write-ahead log; a few are kept and used again.
const WAL_FILE_BYTES: u64 = 64 << 20;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Runs a broker until it is told to stop.
///
/// # Errors
/// One line: what in the settings, the data directory or the broker stopped it.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let in_force = command::config::in_force(settings)?;
    let levels = Rc::new(logging::start(&in_force.config.logging));
    info!(version = env!("CARGO_PKG_VERSION"), "takhin starts");
    for line in in_force.without_effect() {
        warn!("{line}");
    }
    let config = &in_force.config;
    let data_dir = DataDir::open(&RealDisk, &config.storage.data_dir, config.kafka.broker_id)?;
    info!(
        "data directory {}: {}, cluster {}, node {}",
        data_dir.path.display(),
        if data_dir.is_new { "new" } else { "opened" },
        data_dir.meta.cluster_id,
        data_dir.meta.node_id,
    );
    env::task::block_on_io_thread(until_stopped(&in_force, &data_dir, levels)).context("starting")?
}

async fn until_stopped(in_force: &InForce, data_dir: &DataDir, levels: Rc<Levels>) -> Result<()> {
    let mut signals = Signals::new().context("taking over signals")?;
    // Before the broker: a start that replays its log can be watched.
    let gateway = Gateway::open(&gateway_options(&in_force.config))?;
    for (door, address) in gateway.addresses() {
        info!("{door} on http://{address}/{door}");
        announce(&format!("{door} on {address}"));
    }
    let (node, broker) = (node_options(&in_force.config, data_dir), broker_options(in_force, levels));
    let server = Server::open(Arc::new(RealDisk), &data_dir.path, node, broker).await?;
    gateway.serving(server.observer());
    info!("an acknowledged record has been synced to disk: the log is written {}", server.wal_write_mode());
    for (name, address) in server.addresses() {
        info!("listening on {address} ({name})");
        announce(&format!("listening on {address}"));
    }
    let (stop, told_to_stop) = oneshot::channel();
    let signalled = async {
        let first = signals.next().await;
        gateway.stopping();
        info!("{first}: answering what is under way, then stopping; once more ends at once");
        // The receiver lives as long as the server runs, which this future doesn't outlive.
        let _ = stop.send(());
        signals.next().await
    };
    let serving = server.run(async {
        // Without a sender nobody is left to tell: that is a reason to stop, too.
        let _ = told_to_stop.await;
    });
    tokio::select! {
        () = serving => info!("stopped"),
        second = signalled => end_at_once(second),
    }
    Ok(())
}

/// Tells a program that started us where we listen, whatever `logging.*` says: the only thing on standard
/// output, a line for each port. That nobody reads it is no reason to stop.
fn announce(line: &str) {
    let _ = output::line(line).and_then(|()| output::finish());
}

/// Acknowledged records are on disk at any moment, so that nothing is lost by it.
fn end_at_once(signal: &str) -> ! {
    warn!("{signal} again: ending at once");
    env::task::end_process(1)
}

fn gateway_options(config: &Config) -> GatewayOptions {
    let Config { metrics, health, .. } = config;
    let door = |host: &str, port| DoorOptions { host: host.to_owned(), port };
    GatewayOptions {
        metrics: metrics.enabled.then(|| door(&metrics.host, metrics.port)),
        health: health.enabled.then(|| door(&health.host, health.port)),
        partitions_max: usize::try_from(metrics.partitions_max).unwrap_or(usize::MAX),
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn node_options(config: &Config, data_dir: &DataDir) -> NodeOptions {
    NodeOptions {
        cluster_id: data_dir.meta.cluster_id.clone(),
        broker_id: data_dir.meta.node_id,
        log_defaults: log_defaults(config),
        producer_expiration: config.kafka.producer_id_expiration,
        retention_period: config.storage.log_cleanup_interval,
        tail_age_max: config.kafka.batch_tail_max,
        tail_bytes_max: config.storage.tail_max_bytes.unwrap_or_else(tail_bytes_max),
        wait: wait_settings(config),
        queued_bytes_max: usize::try_from(config.kafka.queued_max_bytes).unwrap_or(usize::MAX),
        wal_bytes_max: config.storage.wal_max_bytes,
        wal_file_bytes: WAL_FILE_BYTES,
        free_bytes_min: config.storage.free_space_min,
        merged_size: merged_size(config),
    }
}

/// How long small batches wait for company.
fn wait_settings(config: &Config) -> WaitSettings {
    let kafka = &config.kafka;
    let items_max = usize::try_from(kafka.batch_max_size).unwrap_or(usize::MAX);
    WaitSettings { linger: kafka.batch_linger, is_adaptive: kafka.batch_adaptive_enabled, items_max }
}

/// What moves the size of merged batches, if the policy is one that does.
fn merged_size(config: &Config) -> Option<BatchSettings> {
    let kafka = &config.kafka;
    let size = |number: i32| usize::try_from(number).unwrap_or(usize::MAX);
    let moves = kafka.batch_adaptive_enabled && kafka.batch_adaptive_policy == BatchPolicy::Throughput;
    moves.then(|| BatchSettings {
        max_size: size(kafka.batch_max_size),
        max_bytes: usize::try_from(kafka.batch_max_bytes).unwrap_or(usize::MAX),
        linger: kafka.batch_linger,
        is_adaptive: true,
        adaptive_min_size: size(kafka.batch_adaptive_min_size),
        adaptive_max_size: size(kafka.batch_adaptive_max_size),
        policy: PolicyName::Throughput,
    })
}

/// What a topic without configs of its own has for its logs.
fn log_defaults(config: &Config) -> LogConfig {
    let (storage, topics) = (&config.storage, &config.topics);
    let mut log = LogConfig { merge: merge_defaults(config), ..LogConfig::default() }
        .overridden_by(&topic_configs(topics));
    log.roll.segment_bytes = u64::from(storage.log_segment_size);
    log.roll.segment_ms = topics.roll_ms.unwrap_or(i64::from(topics.roll_hours) * HOUR_MS);
    let minutes = topics.retention_minutes.map(i64::from);
    let in_minutes = minutes.map(|minutes| if minutes < 0 { -1 } else { minutes * MINUTE_MS });
    let hours = storage.log_retention_hours.map(|hours| i64::from(hours) * HOUR_MS);
    log.retention_ms = topics.retention_ms.or(in_minutes).or(hours).filter(|ms| *ms >= 0);
    log.retention_bytes = storage.log_retention_bytes.filter(|bytes| *bytes > 0);
    log
}

/// What a topic without configs of its own has.
fn topic_defaults(config: &Config) -> TopicConfig {
    let max_message_bytes = usize::try_from(config.kafka.max_message_bytes).unwrap_or(usize::MAX);
    let defaults = TopicConfig { max_message_bytes, ..TopicConfig::default() };
    TopicConfig { log: log_defaults(config), ..defaults.overridden_by(&topic_configs(&config.topics)) }
}

/// What the operator has set of all topics, as a topic's own configs.
fn topic_configs(topics: &TopicDefaults) -> BTreeMap<String, String> {
    let gzip_level = topics.gzip_level.unwrap_or(-1);
    let configs = [
        ("cleanup.policy", topics.cleanup_policy.join(",")),
        ("compression.gzip.level", gzip_level.to_string()),
        ("compression.lz4.level", topics.lz4_level.to_string()),
        ("compression.type", topics.compression_type.clone()),
        ("compression.zstd.level", topics.zstd_level.to_string()),
        ("message.timestamp.after.max.ms", topics.timestamp_after_max_ms.to_string()),
        ("message.timestamp.before.max.ms", topics.timestamp_before_max_ms.to_string()),
        ("message.timestamp.type", topics.timestamp_type.clone()),
        ("min.insync.replicas", topics.min_insync_replicas.to_string()),
        ("unclean.leader.election.enable", topics.unclean_leader_election_enable.to_string()),
    ];
    configs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// How the batches of a topic without configs of its own are merged.
fn merge_defaults(config: &Config) -> MergeConfig {
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let kafka = &config.kafka;
    let bytes_max = bytes(kafka.batch_max_bytes);
    let of_uncompressed = match kafka.batch_compression_type {
        BatchCodec::None => Codec::None,
        BatchCodec::Gzip => Codec::Gzip,
        BatchCodec::Snappy => Codec::Snappy,
        BatchCodec::Lz4 => Codec::Lz4,
        BatchCodec::Zstd => Codec::Zstd,
    };
    // Who asks for larger batches than consumers ask for by default shall have them.
    let is_larger = bytes_max > 1 << 20;
    let encoded_bytes_max =
        if is_larger { bytes_max } else { bytes_max.min(MergeOptions::ENCODED_BYTES_MAX) };
    // What is aimed at is what is at hand, so that of the adaptive bounds only the upper one can hold.
    let adaptive_max = if kafka.batch_adaptive_enabled { kafka.batch_adaptive_max_size } else { i32::MAX };
    let options = MergeOptions {
        records_max: kafka.batch_max_size.min(adaptive_max),
        bytes_max,
        encoded_bytes_max,
        codec: CodecChoice::Producers { of_uncompressed },
        ..MergeOptions::default()
    };
    MergeConfig { is_enabled: true, options, max_message_bytes: bytes(kafka.max_message_bytes) }
}

/// An eighth of the memory, at least 64 MiB.
fn tail_bytes_max() -> u64 {
    const TAIL_BYTES_MIN: u64 = 64 << 20;
    (env::machine::memory_bytes() / 8).max(TAIL_BYTES_MIN)
}

fn broker_options(in_force: &InForce, levels: Rc<Levels>) -> BrokerOptions {
    let Config { kafka, .. } = &in_force.config;
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let listeners = in_force.listeners.iter().map(|listener| ListenerOptions {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        advertised_host: listener.advertised_host.clone(),
        advertised_port: listener.advertised_port,
    });
    BrokerOptions {
        listeners: listeners.collect(),
        request_time_max: kafka.request_timeout,
        connections_max: bytes(kafka.max_connections),
        connections_per_ip_max: bytes(kafka.max_connections_per_ip),
        connections_per_ip_overrides: kafka.max_connections_per_ip_overrides.clone(),
        rack: kafka.rack.as_deref().map(Into::into),
        frame_bytes_max: bytes(kafka.socket_request_max_bytes),
        frames_bytes_max: usize::try_from(kafka.queued_max_bytes).unwrap_or(usize::MAX),
        frame_time_max: kafka.connection_timeout,
        idle_time_max: kafka.connections_max_idle.unwrap_or(Duration::MAX),
        num_partitions: u32::try_from(kafka.num_partitions).unwrap_or(1),
        auto_create_topics: kafka.auto_create_topics_enable,
        topics_may_be_deleted: kafka.delete_topic_enable,
        topic_defaults: topic_defaults(&in_force.config),
        started_with: started_with(in_force),
        group_config_bounds: group_config_bounds(&in_force.config.groups),
        log_levels: levels,
        fetch_response_bytes_max: bytes(kafka.fetch_max_bytes),
        fetch_sessions_max: usize::try_from(kafka.fetch_sessions_max).unwrap_or(usize::MAX),
        groups: group_options(&in_force.config),
    }
}

fn group_config_bounds(groups: &Groups) -> GroupConfigBounds {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let bounds = |min, max| RangeInclusive::new(ms(min), ms(max));
    GroupConfigBounds {
        session_timeout_ms: bounds(groups.consumer_min_session_timeout, groups.consumer_max_session_timeout),
        heartbeat_interval_ms: bounds(
            groups.consumer_min_heartbeat_interval,
            groups.consumer_max_heartbeat_interval,
        ),
    }
}

fn group_options(config: &Config) -> GroupOptions {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let groups = &config.groups;
    GroupOptions {
        groups: GroupSettings {
            session_timeout_min: groups.min_session_timeout,
            session_timeout_max: groups.max_session_timeout,
            initial_rebalance_delay: groups.initial_rebalance_delay,
            size_max: size(groups.max_size),
            consumer_session_timeout: groups.consumer_session_timeout,
            consumer_heartbeat_interval: groups.consumer_heartbeat_interval,
            consumer_size_max: size(groups.consumer_max_size),
            consumer_assignors: groups.consumer_assignors.iter().map(|name| name.as_str().into()).collect(),
            migration: match groups.consumer_migration {
                GroupMigration::Disabled => MigrationPolicy::Disabled,
                GroupMigration::Upgrade => MigrationPolicy::Upgrade,
                GroupMigration::Downgrade => MigrationPolicy::Downgrade,
                GroupMigration::Bidirectional => MigrationPolicy::Bidirectional,
            },
            offset_metadata_max: size(groups.metadata_max),
            offsets_retention: Duration::from_mins(groups.offsets_retention_minutes.into()),
        },
        partitions: groups.offsets_partitions,
        segment_bytes: groups.offsets_segment_bytes,
        expiry_period: groups.offsets_retention_check,
    }
}
