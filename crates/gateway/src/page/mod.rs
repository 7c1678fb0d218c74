//! The page of metrics: names, help and values, group by group, from one observation.
//!
//! Every name here is explained in docs/operating.md; a test compares the two.

use std::fmt;
use std::time::Duration;

use broker::{Durations, Observation, PartitionStats, RECORDS_PER_GROUP_BOUNDS, SYNC_TIME_BOUNDS_US};
use env::WallTime;
use env::disk::DiskUse;
use env::machine::ProcessUse;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
    prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::doors::Watched;

mod flows;
mod groups;
#[cfg(test)]
mod page_test;
mod topics;

/// The whole page, in Prometheus's text format.
pub(crate) fn text(observation: Observation, watched: &Watched) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Observed {
        observation,
        process: env::machine::process_use(),
        began_at: watched.began_at,
        partitions_max: watched.partitions_max,
        version: watched.version,
    }));
    let mut text = String::with_capacity(16 << 10);
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

struct Observed {
    observation: Observation,
    process: ProcessUse,
    began_at: WallTime,
    partitions_max: usize,
    version: &'static str,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        let partitions: Vec<PartitionStats<'_>> = self.observation.partitions().collect();
        self.process(&mut page)?;
        self.traffic(&mut page)?;
        self.wal(&mut page)?;
        self.tails_and_cuts(&mut page)?;
        self.batching(&mut page)?;
        topics::of_topics(&self.observation, &mut page)?;
        flows::of_topics(&self.observation.flows, &mut page)?;
        flows::of_segments(&partitions, &mut page)?;
        flows::of_clients(&self.observation.flows, &mut page)?;
        self.checkpoints(&mut page)?;
        self.disk(&mut page)?;
        let shown = &partitions[..partitions.len().min(self.partitions_max)];
        groups::of_groups(&self.observation, shown, &mut page)?;
        page.gauge(
            "takhin_storage_partitions",
            "Partitions that this broker leads.",
            partitions.len() as u64,
        )?;
        page.gauge(
            "takhin_metrics_partitions_left_out",
            "Those without series of their own: there are more than metrics.partitions.max.",
            (partitions.len() - shown.len()) as u64,
        )?;
        of_partitions(shown, &mut page)
    }
}

impl Observed {
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        page.family(
            "takhin_build_info",
            "1, labelled with the version.",
            MetricType::Gauge,
            [([("version", self.version)], 1_u64)],
            gauge,
        )?;
        page.counter(
            "process_cpu_seconds",
            "Processor time of all threads.",
            self.process.cpu.as_secs_f64(),
        )?;
        page.gauge("process_start_time_seconds", "Start, in Unix time.", millis(self.began_at.0))?;
        let known = [
            ("process_resident_memory_bytes", "Resident memory.", self.process.resident_bytes),
            ("process_threads", "Threads.", self.process.threads),
            ("process_open_fds", "Open file descriptors.", self.process.open_files),
            ("process_max_fds", "File descriptors that there may be.", self.process.open_files_max),
        ];
        for (name, help, value) in known {
            if let Some(value) = value {
                page.gauge(name, help, value)?;
            }
        }
        Ok(())
    }

    fn traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        let traffic = &self.observation.traffic;
        page.gauge("takhin_connections_active", "Kafka connections open now.", traffic.connections_active)?;
        page.counter("takhin_connections", "Kafka connections accepted.", traffic.connections)?;
        page.counter(
            "takhin_connections_refused",
            "Kafka connections closed at once: there were kafka.max.connections.",
            traffic.connections_refused,
        )?;
        page.counter("takhin_bytes_received", "Bytes read from Kafka clients.", traffic.bytes_received)?;
        page.counter("takhin_bytes_sent", "Bytes written to Kafka clients.", traffic.bytes_sent)?;
        page.family(
            "takhin_kafka_requests",
            "Requests, by API and version.",
            MetricType::Counter,
            traffic.requests.iter().map(|(api, version, count)| {
                (([("api_key", *api)], [("version", i32::from(*version))]), *count)
            }),
            counter,
        )?;
        page.family(
            "takhin_kafka_request_errors",
            "Errors in answers: of requests, and of the topics, partitions and groups in them.",
            MetricType::Counter,
            traffic
                .errors
                .iter()
                .map(|(api, error, count)| ([("api_key", *api), ("error_code", *error)], *count)),
            counter,
        )?;
        page.family(
            "takhin_kafka_request_duration_seconds",
            "From reading a request until its answer was ready, by API.",
            MetricType::Histogram,
            traffic.durations.iter().map(|(api, durations)| ([("api_key", *api)], *durations)),
            durations,
        )
    }

    fn wal(&self, page: &mut Page<'_>) -> fmt::Result {
        let (wal, commit) = (&self.observation.node.wal, &self.observation.node.commit);
        page.counter("takhin_wal_fsyncs", "Durable writes to the write-ahead log.", wal.syncs)?;
        page.histogram(
            "takhin_wal_fsync_seconds",
            "Time of a durable write to the write-ahead log.",
            wal.sync_time.as_secs_f64(),
            &buckets(&SYNC_TIME_BOUNDS_US, &wal.sync_times, |us| Duration::from_micros(us).as_secs_f64()),
        )?;
        page.gauge(
            "takhin_wal_fsync_seconds_max",
            "The longest since the start.",
            wal.sync_time_max.as_secs_f64(),
        )?;
        page.histogram(
            "takhin_wal_records_per_fsync",
            "Records that shared a durable write.",
            number(commit.records),
            &buckets(&RECORDS_PER_GROUP_BOUNDS, &commit.records_per_group, number),
        )?;
        page.counter("takhin_wal_bytes", "Bytes written to the write-ahead log.", wal.bytes)?;
        page.counter("takhin_wal_groups", "Groups of frames, one write each.", wal.groups)?;
        page.counter("takhin_wal_frames", "Frames in them.", wal.frames)?;
        page.counter(
            "takhin_wal_entries_copied",
            "Entries of quiet shards that were copied out of a file that was due.",
            wal.entries_copied,
        )?;
        page.gauge("takhin_wal_queue_bytes", "Bytes that wait for the write-ahead log.", wal.queued_bytes)?;
        page.gauge(
            "takhin_commit_queue_bytes",
            "Bytes that form a group or are in flight.",
            commit.queued_bytes,
        )?;
        let free_bytes = wal.files_free_bytes - wal.file_prepared_bytes;
        let states =
            [("live", wal.files_live_bytes), ("free", free_bytes), ("prepared", wal.file_prepared_bytes)];
        page.family(
            "takhin_wal_file_bytes",
            "Files of the write-ahead log: needed, kept for later, made ready to be the next.",
            MetricType::Gauge,
            states.map(|(state, bytes)| ([("state", state)], bytes)),
            gauge,
        )?;
        page.counter("takhin_wal_files_opened", "Files opened for writing.", wal.files_opened)?;
        page.counter(
            "takhin_wal_files_unprepared",
            "Files opened that were not ready in time.",
            wal.files_opened_unprepared,
        )
    }

    fn tails_and_cuts(&self, page: &mut Page<'_>) -> fmt::Result {
        let (node, store) = (&self.observation.node, &self.observation.node.store);
        page.gauge(
            "takhin_storage_tail_pinned_bytes",
            "Memory of committed entries that are not in segments yet.",
            node.tail_pinned_bytes,
        )?;
        page.gauge("takhin_storage_tail_pinned_bytes_max", "Its bound.", node.tail_pinned_bytes_max)?;
        page.gauge(
            "takhin_storage_uncut_partitions",
            "Partitions with records in memory that are not on their way to a segment.",
            node.shards.iter().map(|shard| shard.uncut_partitions).sum::<u64>(),
        )?;
        page.gauge(
            "takhin_storage_writer_queue",
            "Works that wait for the segment writer.",
            store.queued_works,
        )?;
        page.counter("takhin_storage_cuts", "Cuts of partitions' tails written into segments.", store.cuts)?;
        page.counter("takhin_storage_cut_batches", "Record batches in them.", store.batches)?;
        page.counter("takhin_storage_cut_bytes", "Their bytes.", store.bytes)?;
        page.counter("takhin_storage_cut_writes", "Writes into segments.", store.writes)?;
        page.counter("takhin_storage_segments_created", "Segment files created.", store.segments_created)?;
        page.counter("takhin_storage_segments_removed", "Segment files removed.", store.segments_removed)?;
        page.gauge("takhin_storage_segment_files_open", "Segment files open.", store.files_open)
    }

    fn batching(&self, page: &mut Page<'_>) -> fmt::Result {
        let (commit, store) = (&self.observation.node.commit, &self.observation.node.store);
        page.gauge(
            "takhin_batch_wait_seconds",
            "How long the first record batch of a group waits before its commit begins, a moving average.",
            commit.effective_wait.as_secs_f64(),
        )?;
        page.counter(
            "takhin_batch_stored",
            "Record batches that became of those in cuts, merged or as they were.",
            store.batches_stored,
        )?;
        page.counter("takhin_batch_stored_bytes", "Their bytes.", store.bytes_stored)?;
        page.counter(
            "takhin_batch_saved_bytes",
            "Bytes fewer than were sent.",
            store.bytes.saturating_sub(store.bytes_stored),
        )?;
        page.counter(
            "takhin_batch_merge_failures",
            "Record batches stored as they were sent because merging them failed.",
            store.merge_failures,
        )?;
        page.family(
            "takhin_batch_target_records",
            "Records that a merged batch is to have, where a policy moves that.",
            MetricType::Gauge,
            store.target_records.map(|records| (NO_LABELS, records)),
            gauge,
        )
    }

    fn checkpoints(&self, page: &mut Page<'_>) -> fmt::Result {
        let (node, store) = (&self.observation.node, &self.observation.node.store);
        page.counter("takhin_storage_checkpoints", "Checkpoints taken.", store.checkpoints)?;
        page.counter(
            "takhin_storage_checkpoint_seconds",
            "Time that they took, syncing the segments included.",
            store.checkpoint_time.as_secs_f64(),
        )?;
        page.gauge(
            "takhin_storage_checkpoint_seconds_max",
            "The longest since the start.",
            store.checkpoint_time_max.as_secs_f64(),
        )?;
        page.counter("takhin_storage_checkpoint_bytes", "Bytes of their records.", store.checkpoint_bytes)?;
        page.gauge(
            "takhin_storage_checkpoint_log_bytes",
            "Length of the checkpoint log.",
            store.checkpoint_log_bytes,
        )?;
        let lag = &store.lag;
        page.gauge(
            "takhin_storage_checkpoint_lag_bytes",
            "Bytes stored and in no checkpoint yet.",
            lag.bytes,
        )?;
        page.gauge("takhin_storage_checkpoint_lag_batches", "Batches likewise.", lag.batches)?;
        page.gauge("takhin_storage_checkpoint_lag_partitions", "Partitions likewise.", lag.partitions)?;
        page.gauge(
            "takhin_storage_checkpoint_lag_seconds",
            "Age of the oldest change that is in no checkpoint.",
            lag.since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
        )?;
        page.family(
            "takhin_storage_checkpoint_lag_entries",
            "Entries that a restart would replay, by shard.",
            MetricType::Gauge,
            node.shards.iter().map(|shard| {
                ([("shard", u32::from(shard.shard.0))], shard.applied.saturating_sub(shard.covered))
            }),
            gauge,
        )
    }

    fn disk(&self, page: &mut Page<'_>) -> fmt::Result {
        let node = &self.observation.node;
        let files = DiskUse::of_process();
        page.counter("takhin_storage_io_reads", "Reads of files.", files.reads)?;
        page.counter("takhin_storage_io_writes", "Writes to files.", files.writes)?;
        page.counter("takhin_storage_io_errors", "Failed reads, writes and syncs of files.", files.errors)?;
        if let Some(space) = self.observation.space() {
            page.gauge(
                "takhin_storage_free_bytes",
                "Free on the data directory's file system.",
                space.free_bytes,
            )?;
            page.gauge("takhin_storage_total_bytes", "Size of that file system.", space.total_bytes)?;
        }
        page.gauge("takhin_storage_free_bytes_min", "What is to stay free.", node.store.free_bytes_min)?;
        let reasons = [
            ("wal_no_space", node.wal.is_short_of_space),
            ("wal_failed", node.is_wal_poisoned),
            ("segments_no_space", node.store.is_short_of_space),
            ("segments_failed", node.store.is_poisoned),
        ];
        page.family(
            "takhin_storage_writes_refused",
            "1 while writes are refused for this reason.",
            MetricType::Gauge,
            reasons.map(|(reason, holds)| ([("reason", reason)], u64::from(holds))),
            gauge,
        )
    }
}

fn of_partitions(partitions: &[PartitionStats<'_>], page: &mut Page<'_>) -> fmt::Result {
    let mut each = |name, help, value: fn(&PartitionStats<'_>) -> u64| {
        let labelled = |of: &PartitionStats<'_>| {
            let labels = ([("topic", of.topic.to_owned())], [("partition", of.partition)]);
            (labels, value(of))
        };
        page.family(name, help, MetricType::Gauge, partitions.iter().map(labelled), gauge)
    };
    each("takhin_storage_log_start_offset", "The first offset.", |of| offset(of.log_start_offset))?;
    each("takhin_storage_log_end_offset", "The offset that the next record gets.", |of| {
        offset(of.log_end_offset)
    })?;
    each("takhin_storage_log_segments", "Segments.", |of| of.segments)?;
    each("takhin_storage_disk_usage_bytes", "Bytes in segments.", |of| of.segment_bytes)?;
    each("takhin_storage_active_segment_bytes", "Bytes in the segment that is appended to.", |of| {
        of.active_segment_bytes
    })
}

const NO_LABELS: [(&str, &str); 0] = [];

/// Writes metrics one after the other. Counters get their `_total` from the format.
struct Page<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn histogram(&mut self, name: &str, help: &str, sum: f64, buckets: &[(f64, u64)]) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    fn family<L: EncodeLabelSet, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = (L, V)>,
        write: fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            write(metric.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

fn gauge(mut metric: MetricEncoder<'_>, value: u64) -> fmt::Result {
    // The format counts in 63 bits.
    metric.encode_gauge(&value.min(i64::MAX.unsigned_abs()))
}

fn counter(mut metric: MetricEncoder<'_>, value: impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn durations(mut metric: MetricEncoder<'_>, of: Durations) -> fmt::Result {
    let buckets: Vec<_> = of.buckets().collect();
    metric.encode_histogram::<NoLabelSet>(of.sum.as_secs_f64(), of.count(), &buckets, None)
}

/// Counts with their upper bounds; what is above the last bound has none.
fn buckets<const N: usize, const M: usize>(
    bounds: &[u64; N],
    counts: &[u64; M],
    bound: impl Fn(u64) -> f64,
) -> Vec<(f64, u64)> {
    let bounds = bounds.iter().map(|at| bound(*at)).chain([f64::INFINITY]);
    bounds.zip(counts.iter().copied()).collect()
}

/// Nearest, above 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

fn millis(time: i64) -> f64 {
    time as f64 / 1000.0
}

fn offset(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
