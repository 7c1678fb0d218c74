//! `takhin group describe`.
//!
//! However many groups are described, each broker is asked once for descriptions, once for offsets and once for ends.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use anyhow::Result;
use client::{At, Client, GroupDescription, GroupMember, Offsets, Partitions};
use serde_json::{Value, json};
use wire::ErrorCode;

use super::{
    args::DescribeArgs,
    lag::{self, PartitionLag},
    list::or_dash,
};
use crate::output::{Output, Table};

/// Types of groups that are described: `consumer` is that of KIP-848, and older brokers tell none.
const TYPES: [&str; 3] = ["classic", "consumer", ""];

/// Prints what was asked for about groups.
///
/// # Errors
/// What a broker says, a group that isn't there among it; or that the result can't be printed.
pub(super) fn run(arguments: &DescribeArgs) -> Result<()> {
    let mut client = super::super::client(&arguments.cluster);
    let groups = described(&mut client, arguments)?;
    let output = Output::new(&arguments.output);
    if arguments.state {
        states(&groups, &output)?;
    } else if arguments.members {
        members(&groups, &output)?;
    } else {
        lags(&mut client, &groups, &output)?;
    }
    Ok(())
}

fn described(client: &mut Client, arguments: &DescribeArgs) -> Result<Vec<GroupDescription>> {
    let ids: BTreeSet<String> = if arguments.all {
        let listed = client.groups()?.into_iter();
        listed.filter(|group| TYPES.contains(&group.group_type.as_str())).map(|group| group.id).collect()
    } else {
        arguments.groups.iter().cloned().collect()
    };
    let mut groups = Vec::new();
    for told in client.describe_groups(&ids)?.into_values() {
        match told {
            Ok(group) => groups.push(group),
            // It went away since it was listed.
            Err(e) if arguments.all && e.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(groups)
}

fn states(groups: &[GroupDescription], output: &Output) -> Result<()> {
    let mut table = Table::new(&["GROUP", "STATE", "PROTOCOL", "ASSIGNOR", "MEMBERS", "COORDINATOR"]);
    for group in groups {
        table.row([
            group.id.clone(),
            group.state.clone(),
            or_dash(&group.protocol_type),
            or_dash(&group.assignor),
            group.members.len().to_string(),
            group.coordinator.to_string(),
        ]);
    }
    let json: Vec<Value> = groups.iter().map(head_json).collect();
    output.value(&json!(json), |out| table.write(out))?;
    Ok(())
}

fn members(groups: &[GroupDescription], output: &Output) -> Result<()> {
    let json = groups.iter().map(|group| {
        let mut json = head_json(group);
        json["members"] = group.members.iter().map(member_json).collect();
        json
    });
    output.value(&json.collect(), |out| {
        for group in groups {
            writeln!(out, "{}", head(group, None))?;
            let mut table = Table::new(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"]);
            for member in &group.members {
                table.row([
                    member.id.clone(),
                    or_dash(member.instance_id.as_deref().unwrap_or_default()),
                    member.client_id.clone(),
                    member.host.clone(),
                    or_dash(&shown(member.assignment.as_ref())),
                ]);
            }
            if !group.members.is_empty() {
                table.write(out)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn lags(client: &mut Client, groups: &[GroupDescription], output: &Output) -> Result<()> {
    let mut told = client.group_offsets(&groups.iter().map(|group| group.id.clone()).collect())?;
    let mut committed = Vec::new();
    for group in groups {
        committed.push(told.remove(&group.id).unwrap_or_else(|| Ok(Offsets::new()))?);
    }
    let mut partitions: BTreeSet<(&str, i32)> = BTreeSet::new();
    for (group, committed) in groups.iter().zip(&committed) {
        partitions.extend(lag::partitions(group, committed));
    }
    let mut asked = Partitions::new();
    for (topic, index) in partitions {
        asked.entry(topic.to_owned()).or_default().push(index);
    }
    let ends = client.offsets(&asked, At::Latest)?;
    let lags: Vec<(&GroupDescription, Vec<PartitionLag<'_>>)> = groups
        .iter()
        .zip(&committed)
        .map(|(group, committed)| (group, lag::lags(group, committed, &ends)))
        .collect();
    let json = lags.iter().map(|(group, lags)| {
        let mut json = head_json(group);
        json["partitions"] = lags.iter().map(lag_json).collect();
        json
    });
    output.value(&json.collect(), |out| {
        for (group, lags) in &lags {
            write_lags(out, group, lags)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_lags(
    out: &mut dyn Write,
    group: &GroupDescription,
    partitions: &[PartitionLag<'_>],
) -> io::Result<()> {
    writeln!(out, "{}", head(group, Some(partitions.iter().filter_map(PartitionLag::lag).sum())))?;
    if partitions.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(&["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "CLIENT", "HOST"]);
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    for partition in partitions {
        let of_member = |field: fn(&GroupMember) -> &String| {
            partition.member.map_or("-".to_owned(), |member| field(member).clone())
        };
        table.row([
            partition.topic.to_owned(),
            partition.partition.to_string(),
            number(partition.committed),
            number(partition.end),
            number(partition.lag()),
            of_member(|member| &member.id),
            of_member(|member| &member.client_id),
            of_member(|member| &member.host),
        ]);
    }
    table.write(out)
}

/// The line above a group's table.
fn head(group: &GroupDescription, lag: Option<i64>) -> String {
    let mut told = format!("group {}: {}", group.id, group.state);
    for (name, value) in [("protocol", &group.protocol_type), ("assignor", &group.assignor)] {
        if !value.is_empty() {
            told.push_str(&format!(", {name} {value}"));
        }
    }
    let s = if group.members.len() == 1 { "" } else { "s" };
    told.push_str(&format!(", {} member{s}", group.members.len()));
    if let Some(lag) = lag {
        told.push_str(&format!(", lag {lag}"));
    }
    told
}

fn head_json(group: &GroupDescription) -> Value {
    json!({
        "groupId": group.id,
        "state": group.state,
        "protocolType": group.protocol_type,
        "assignor": group.assignor,
        "coordinator": group.coordinator,
        "memberCount": group.members.len(),
    })
}

fn member_json(member: &GroupMember) -> Value {
    json!({
        "memberId": member.id,
        "instanceId": member.instance_id,
        "clientId": member.client_id,
        "host": member.host,
        "assignment": member.assignment,
    })
}

fn lag_json(partition: &PartitionLag<'_>) -> Value {
    json!({
        "topic": partition.topic,
        "partition": partition.partition,
        "committedOffset": partition.committed,
        "logEndOffset": partition.end,
        "lag": partition.lag(),
        "memberId": partition.member.map(|member| &member.id),
        "clientId": partition.member.map(|member| &member.client_id),
        "host": partition.member.map(|member| &member.host),
    })
}

/// `orders:0,1 payments:2`
fn shown(assignment: Option<&Partitions>) -> String {
    let list = |indexes: &[i32]| indexes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let topics = assignment.into_iter().flatten();
    topics.map(|(topic, indexes)| format!("{topic}:{}", list(indexes))).collect::<Vec<_>>().join(" ")
}
