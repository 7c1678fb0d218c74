//! `takhin topic list|create|alter|config|delete|describe`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use client::{At, Client, ClientError, NewTopic, TopicConfig};
use serde_json::{Value, json};
use wire::ErrorCode;

use crate::{
    cli::{OutputArgs, TopicCommand, TopicConfigCommand},
    output::{self, Output, Table},
};

/// Runs `takhin topic …`.
///
/// # Errors
/// What the broker says, or that the result can't be printed.
pub(crate) fn run(command: TopicCommand) -> Result<()> {
    match command {
        TopicCommand::List { cluster, output } => list(&mut super::client(&cluster), &output)?,
        TopicCommand::Create {
            name,
            partitions,
            replication_factor,
            config,
            if_not_exists,
            cluster,
            output,
        } => {
            let topic = NewTopic { name, partitions, replication_factor, configs: config };
            create(&mut super::client(&cluster), &topic, if_not_exists, &output)?;
        }
        TopicCommand::Delete { names, if_exists, cluster, output } => {
            delete(&mut super::client(&cluster), &names, if_exists, &output)?;
        }
        TopicCommand::Alter { name, config, delete_config, cluster, output } => {
            let set = config.into_iter().map(|(key, value)| (key, Some(value)));
            let changes: Vec<_> = set.chain(delete_config.into_iter().map(|key| (key, None))).collect();
            alter(&mut super::client(&cluster), &name, &changes, &output)?;
        }
        TopicCommand::Config(TopicConfigCommand::List { topic, cluster, output }) => {
            list_configs(&mut super::client(&cluster), &topic, &output)?;
        }
        TopicCommand::Config(TopicConfigCommand::Get { topic, key, cluster, output }) => {
            show_config(&mut super::client(&cluster), &topic, &key, &output)?;
        }
        TopicCommand::Describe { name, cluster, output } => {
            describe(&mut super::client(&cluster), &name, &output)?;
        }
    }
    Ok(output::finish()?)
}

fn list(client: &mut Client, output: &OutputArgs) -> Result<()> {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "INTERNAL"]);
    let mut topics = Vec::new();
    for topic in client.topics()? {
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        let partitions = topic.partitions.len();
        topics.push(json!({
            "name": topic.name,
            "topicId": topic.id.to_string(),
            "partitionCount": partitions,
            "replicationFactor": replicas,
            "internal": topic.is_internal,
        }));
        let internal = if topic.is_internal { "yes" } else { "no" };
        table.row([topic.name, partitions.to_string(), replicas.to_string(), internal.to_owned()]);
    }
    Output::new(output).value(&json!(topics), |out| table.write(out))?;
    Ok(())
}

fn create(client: &mut Client, topic: &NewTopic, if_not_exists: bool, output: &OutputArgs) -> Result<()> {
    let is_created = unless(if_not_exists, ErrorCode::TOPIC_ALREADY_EXISTS, client.create_topic(topic))?;
    let name = &topic.name;
    let done = if is_created { "created" } else { "was there already" };
    let json = json!({ "name": name, "created": is_created });
    Output::new(output).value(&json, |out| writeln!(out, "topic {name}: {done}"))?;
    Ok(())
}

fn delete(client: &mut Client, names: &[String], if_exists: bool, output: &OutputArgs) -> Result<()> {
    for name in names {
        let deleted = client.delete_topic(name);
        let is_deleted = unless(if_exists, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, deleted)?;
        let done = if is_deleted { "deleted" } else { "there was none" };
        let json = json!({ "name": name, "deleted": is_deleted });
        Output::new(output).value(&json, |out| writeln!(out, "topic {name}: {done}"))?;
    }
    Ok(())
}

fn alter(
    client: &mut Client,
    name: &str,
    changes: &[(String, Option<String>)],
    output: &OutputArgs,
) -> Result<()> {
    client.alter_topic(name, changes)?;
    let configs: BTreeMap<_, _> = client.topic_configs(name)?.into_iter().collect();
    let json = json!({ "name": name, "configs": configs });
    Output::new(output).value(&json, |out| writeln!(out, "topic {name}: {}", shown(&configs)))?;
    Ok(())
}

fn list_configs(client: &mut Client, name: &str, output: &OutputArgs) -> Result<()> {
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    let mut configs = Vec::new();
    for config in client.topic_configs_in_force(name)? {
        configs.push(config_json(&config));
        table.row([config.name, config.value.unwrap_or_default(), config.source.name().to_owned()]);
    }
    Output::new(output).value(&json!(configs), |out| table.write(out))?;
    Ok(())
}

fn show_config(client: &mut Client, name: &str, key: &str, output: &OutputArgs) -> Result<()> {
    let configs = client.topic_configs_in_force(name)?;
    let found = configs.into_iter().find(|config| config.name == key);
    let config = found.with_context(|| format!("topic {name} has no config {key}"))?;
    Output::new(output).value(&config_json(&config), |out| {
        writeln!(out, "{}", config.value.as_deref().unwrap_or_default())
    })?;
    Ok(())
}

fn config_json(config: &TopicConfig) -> Value {
    json!({ "key": config.name, "value": config.value, "from": config.source.name() })
}

fn shown(configs: &BTreeMap<String, String>) -> String {
    if configs.is_empty() {
        return "no configs of its own".to_owned();
    }
    configs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Whether it was done; where `excused`, this code says that there was nothing to do.
fn unless(excused: bool, code: ErrorCode, done: Result<(), ClientError>) -> Result<bool, ClientError> {
    match done {
        Ok(()) => Ok(true),
        Err(e) if excused && e.code() == Some(code) => Ok(false),
        Err(e) => Err(e),
    }
}

fn describe(client: &mut Client, name: &str, output: &OutputArgs) -> Result<()> {
    let topic = client.topic(name)?;
    let mut table = Table::new(&["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "FIRST", "NEXT"]);
    let mut partitions = Vec::new();
    for partition in &topic.partitions {
        let mut offset = |at| match partition.leader {
            Some(_) => client.offset(name, partition.index, at),
            None => Ok(None),
        };
        let (first, next) = (offset(At::Earliest)?, offset(At::Latest)?);
        partitions.push(json!({
            "partition": partition.index,
            "leader": partition.leader,
            "leaderEpoch": partition.leader_epoch,
            "replicas": partition.replicas,
            "isr": partition.isr,
            "logStartOffset": first,
            "highWaterMark": next,
        }));
        let number = |value: Option<i64>| value.map_or("none".to_owned(), |value| value.to_string());
        let nodes = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        table.row([
            partition.index.to_string(),
            number(partition.leader.map(i64::from)),
            partition.leader_epoch.to_string(),
            nodes(&partition.replicas),
            nodes(&partition.isr),
            number(first),
            number(next),
        ]);
    }
    let (id, internal) = (topic.id.to_string(), topic.is_internal);
    let configs: BTreeMap<_, _> = client.topic_configs(name)?.into_iter().collect();
    let json = json!({
        "name": name, "topicId": id, "internal": internal, "configs": configs, "partitions": partitions
    });
    Output::new(output).value(&json, |out| {
        writeln!(
            out,
            "topic {name}, id {id}, {} partitions{}",
            topic.partitions.len(),
            if internal { ", internal" } else { "" }
        )?;
        writeln!(out, "{}", shown(&configs))?;
        table.write(out)
    })?;
    Ok(())
}
