//! Batching by topic and by client. Prometheus keeps a series for every label, so that there are bounds.

use std::fmt;

use broker::{FlowCounts, PartitionStats, TopicFlows};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::MetricType;

use super::{Page, counter};

/// Topics that are shown, those with the most batches.
const TOPICS_MAX: usize = 1000;
/// Clients that are shown, likewise: pairs of a client and a topic.
const CLIENTS_MAX: usize = 20;

pub(super) fn of_topics(flows: &[TopicFlows], page: &mut Page<'_>) -> fmt::Result {
    let shown = &flows[..flows.len().min(TOPICS_MAX)];
    let each = |of: &TopicFlows| ([("topic", of.topic.to_string())], of.counts);
    let rows: Vec<_> = shown.iter().map(each).collect();
    let names = [
        "takhin_batch_topic_sent",
        "takhin_produce_messages",
        "takhin_produce_bytes",
        "takhin_batch_topic_commits",
        "takhin_batch_topic_commit_records",
        "takhin_batch_topic_wait_seconds",
    ];
    sent(page, &rows, names, "Records, of all topics, in those.")
}

pub(super) fn of_clients(flows: &[TopicFlows], page: &mut Page<'_>) -> fmt::Result {
    let pairs = flows.iter().flat_map(|of| {
        of.clients.iter().map(|client| {
            let labels = ([("client_id", client.client_id.to_string())], [("topic", of.topic.to_string())]);
            (labels, client.counts)
        })
    });
    let mut rows: Vec<_> = pairs.collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.batches));
    rows.truncate(CLIENTS_MAX);
    let names = [
        "takhin_batch_client_sent",
        "takhin_batch_client_sent_records",
        "takhin_batch_client_sent_bytes",
        "takhin_batch_client_commits",
        "takhin_batch_client_commit_records",
        "takhin_batch_client_wait_seconds",
    ];
    sent(page, &rows, names, "Records, of all clients, in those.")
}

/// What was sent, and how it was committed.
fn sent<L: EncodeLabelSet + Clone>(
    page: &mut Page<'_>,
    rows: &[(L, FlowCounts)],
    names: [&str; 6],
    help_of_commit_records: &str,
) -> fmt::Result {
    let [batches, records, bytes, commits, commit_records, wait] = names;
    family(page, rows, batches, "Record batches acknowledged.", |of| of.batches)?;
    family(page, rows, records, "Records in them.", |of| of.records)?;
    family(page, rows, bytes, "Their bytes.", |of| of.bytes)?;
    family(page, rows, commits, "Durable writes that held some of them.", |of| of.commits)?;
    family(page, rows, commit_records, help_of_commit_records, |of| of.commit_records)?;
    let waits = rows.iter().map(|(labels, of)| (labels.clone(), of.wait.as_secs_f64()));
    let help = "Waits of those commits' first batches, in sum.";
    page.family(wait, help, MetricType::Counter, waits, counter)
}

/// What the segment writer made of it.
pub(super) fn of_segments(partitions: &[PartitionStats<'_>], page: &mut Page<'_>) -> fmt::Result {
    let by_topic = PartitionStats::merged_by_topic(partitions.iter().copied());
    let written = by_topic.into_iter().filter(|(_, merged)| merged.sent_batches > 0);
    let mut rows: Vec<_> = written.map(|(topic, merged)| ([("topic", topic.to_owned())], merged)).collect();
    rows.sort_by_key(|(_, merged)| std::cmp::Reverse(merged.sent_batches));
    rows.truncate(TOPICS_MAX);
    family(page, &rows, "takhin_batch_topic_cut", "Record batches written into segments, as sent.", |of| {
        of.sent_batches
    })?;
    family(page, &rows, "takhin_batch_topic_cut_bytes", "Their bytes.", |of| of.sent_bytes)?;
    family(page, &rows, "takhin_batch_topic_stored", "Record batches that became of those.", |of| {
        of.stored_batches
    })?;
    family(page, &rows, "takhin_batch_topic_stored_bytes", "Their bytes.", |of| of.stored_bytes)
}

fn family<L: EncodeLabelSet + Clone, C>(
    page: &mut Page<'_>,
    rows: &[(L, C)],
    name: &str,
    help: &str,
    value: impl Fn(&C) -> u64,
) -> fmt::Result {
    let values = rows.iter().map(|(labels, counts)| (labels.clone(), value(counts)));
    page.family(name, help, MetricType::Counter, values, counter)
}
