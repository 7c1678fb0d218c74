//! `takhin group list|describe|delete|delete-offsets|reset|export`: looking after consumer groups of any Kafka broker.

pub(crate) mod args;
#[cfg(test)]
mod args_test;
mod csv;
#[cfg(test)]
mod csv_test;
mod describe;
mod lag;
#[cfg(test)]
mod lag_test;
mod list;
mod plan;
#[cfg(test)]
mod plan_test;
mod reset;
mod time;
#[cfg(test)]
mod time_test;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use client::{Client, Offsets, Partitions};
use serde_json::json;

use self::args::{GroupCommand, TopicPartitions};
use crate::{
    cli::OutputArgs,
    output::{self, Output},
};

/// Runs `takhin group …`.
///
/// # Errors
/// What a broker says, or that the result can't be printed.
pub(crate) fn run(command: &GroupCommand) -> Result<()> {
    match command {
        GroupCommand::List(arguments) => list::run(arguments)?,
        GroupCommand::Describe(arguments) => describe::run(arguments)?,
        GroupCommand::Delete { groups, cluster, output } => {
            delete(&mut super::client(cluster), groups, output)?;
        }
        GroupCommand::DeleteOffsets { group, topic, cluster, output } => {
            delete_offsets(&mut super::client(cluster), group, topic, output)?;
        }
        GroupCommand::Reset(arguments) => reset::run(arguments)?,
        GroupCommand::Export { group, cluster } => export(&mut super::client(cluster), group)?,
    }
    Ok(output::finish()?)
}

/// Deletes what it can; the first group that it can't delete is its error.
fn delete(client: &mut Client, groups: &[String], output: &OutputArgs) -> Result<()> {
    let groups: BTreeSet<String> = groups.iter().cloned().collect();
    let mut failed = None;
    for (group, result) in client.delete_groups(&groups)? {
        match result {
            Ok(()) => Output::new(output).value(&json!({ "group": group, "deleted": true }), |out| {
                writeln!(out, "group {group}: deleted")
            })?,
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    Ok(failed.map_or(Ok(()), Err)?)
}

fn delete_offsets(
    client: &mut Client,
    group: &str,
    topics: &[TopicPartitions],
    output: &OutputArgs,
) -> Result<()> {
    let committed = offsets_of(client, group)?;
    let mut partitions = Partitions::new();
    for TopicPartitions { topic, partitions: chosen } in topics {
        let Some(of_topic) = committed.get(topic) else {
            bail!("group {group} has no offsets of topic {topic}");
        };
        let indexes = chosen.clone().unwrap_or_else(|| of_topic.keys().copied().collect());
        if let Some(stray) = indexes.iter().find(|index| !of_topic.contains_key(index)) {
            bail!("group {group} has no offset of partition {topic}-{stray}");
        }
        partitions.entry(topic.clone()).or_default().extend(indexes);
    }
    client.delete_group_offsets(group, &partitions)?;
    let count: usize = partitions.values().map(Vec::len).sum();
    let json = json!({ "group": group, "deleted": partitions });
    Output::new(output).value(&json, |out| {
        let s = if count == 1 { "" } else { "s" };
        writeln!(out, "group {group}: {count} offset{s} deleted")
    })?;
    Ok(())
}

fn export(client: &mut Client, group: &str) -> Result<()> {
    let offsets = offsets_of(client, group)?;
    if offsets.is_empty() {
        bail!("group {group} has no offsets");
    }
    for (topic, of_topic) in offsets {
        for (partition, offset) in of_topic {
            output::line(&csv::line(&topic, partition, offset))?;
        }
    }
    Ok(())
}

/// What a group has committed; nothing where there is no such group.
fn offsets_of(client: &mut Client, group: &str) -> Result<Offsets> {
    let mut told = client.group_offsets(&BTreeSet::from([group.to_owned()]))?;
    Ok(told.remove(group).with_context(|| format!("nothing was said about group {group}"))??)
}
