//! Consumer groups: counted, and some of them one by one.

use std::collections::HashMap;
use std::fmt;

use broker::{GROUP_STATES, Observation, PartitionStats};
use prometheus_client::metrics::MetricType;

use super::{Page, gauge};

pub(super) fn of_groups(
    observation: &Observation,
    partitions: &[PartitionStats<'_>],
    page: &mut Page<'_>,
) -> fmt::Result {
    let (counts, work) = (&observation.groups, &observation.group_work);
    let by_state = GROUP_STATES.iter().zip(counts.by_state);
    page.family(
        "takhin_consumer_groups",
        "Groups, by state.",
        MetricType::Gauge,
        by_state.map(|(state, count)| ([("state", *state)], count as u64)),
        gauge,
    )?;
    page.gauge("takhin_consumer_group_offsets", "Committed offsets of all groups.", counts.offsets as u64)?;
    page.counter("takhin_consumer_group_rebalances", "Generations that were assigned.", work.rebalances)?;
    page.counter("takhin_consumer_group_commits", "Offsets committed.", work.commits)?;
    page.counter("takhin_consumer_group_offsets_expired", "Committed offsets that expired.", work.expired)?;
    let summaries = &observation.group_summaries;
    page.family(
        "takhin_consumer_group_members",
        "Members of a group.",
        MetricType::Gauge,
        summaries.iter().map(|of| ([("group_id", of.group.to_string())], of.members as u64)),
        gauge,
    )?;
    page.family(
        "takhin_consumer_group_state",
        "1, labelled with the state of a group.",
        MetricType::Gauge,
        summaries.iter().map(|of| (([("group_id", of.group.to_string())], [("state", of.state)]), 1_u64)),
        gauge,
    )?;
    let ends: HashMap<(&str, i32), i64> =
        partitions.iter().map(|of| ((of.topic, of.partition), of.log_end_offset)).collect();
    let lags = summaries.iter().flat_map(|of| {
        let ends = &ends;
        of.offsets.iter().filter_map(move |(topic, partition, committed)| {
            let end = ends.get(&(&**topic, *partition))?;
            let labels = (
                [("group_id", of.group.to_string())],
                ([("topic", topic.to_string())], [("partition", *partition)]),
            );
            Some((labels, u64::try_from(end - committed).unwrap_or(0)))
        })
    });
    page.family(
        "takhin_consumer_group_lag_offsets",
        "Offsets from what a group has committed of a partition to its end.",
        MetricType::Gauge,
        lags,
        gauge,
    )
}
