//! What was asked of topics.

use std::fmt;

use broker::{Durations, Observation, TopicTraffic};
use prometheus_client::metrics::MetricType;

use super::{Page, counter, durations};

pub(super) fn of_topics(observation: &Observation, page: &mut Page<'_>) -> fmt::Result {
    page.gauge(
        "takhin_metrics_topics_left_out",
        "Topics without series of their requests: others have more.",
        observation.topics_left_out as u64,
    )?;
    let topics = &observation.topics;
    let mut count = |name, help, value: fn(&TopicTraffic) -> u64| {
        let values = topics.iter().map(|of| ([("topic", of.topic.to_string())], value(of)));
        page.family(name, help, MetricType::Counter, values, counter)
    };
    count("takhin_produce_requests", "Produce requests that named a topic.", |of| of.produce_requests)?;
    count("takhin_fetch_requests", "Fetches that looked at a topic.", |of| of.fetch_requests)?;
    count(
        "takhin_fetch_messages",
        "Records in answers to those, from the offset on that was asked for.",
        |of| of.fetch_messages,
    )?;
    count("takhin_fetch_bytes", "Bytes of record batches in answers to those.", |of| of.fetch_bytes)?;
    let mut took = |name, help, value: fn(&TopicTraffic) -> Durations| {
        let answered = topics.iter().filter(|of| value(of).count() > 0);
        let values = answered.map(|of| ([("topic", of.topic.to_string())], value(of)));
        page.family(name, help, MetricType::Histogram, values, durations)
    };
    took(
        "takhin_produce_latency_seconds",
        "From reading a produce request until its answer was ready.",
        |of| of.produce,
    )?;
    took("takhin_fetch_latency_seconds", "From reading a fetch until its answer was ready.", |of| of.fetch)
}
