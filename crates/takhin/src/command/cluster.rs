//! `takhin cluster describe`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cli::{ClusterCommand, OutputArgs},
    output::{self, Output, Table},
};

/// Runs `takhin cluster …`.
///
/// # Errors
/// What the broker says, or that the result can't be printed.
pub(crate) fn run(command: &ClusterCommand) -> Result<()> {
    match command {
        ClusterCommand::Describe { cluster, output } => describe(&mut super::client(cluster), output)?,
    }
    Ok(output::finish()?)
}

fn describe(client: &mut client::Client, output: &OutputArgs) -> Result<()> {
    let cluster = client.cluster()?;
    let partitions: usize = cluster.topics.iter().map(|topic| topic.partitions.len()).sum();
    let leaderless = |topic: &client::Topic| topic.partitions.iter().filter(|p| p.leader.is_none()).count();
    let leaderless: usize = cluster.topics.iter().map(leaderless).sum();
    let mut table = Table::new(&["BROKER", "HOST", "PORT", "RACK", "LEADS"]);
    let mut brokers: Vec<Value> = Vec::new();
    for node in &cluster.nodes {
        let led = cluster.topics.iter().flat_map(|topic| &topic.partitions);
        let leads = led.filter(|partition| partition.leader == Some(node.id)).count();
        brokers.push(json!({
            "id": node.id, "host": node.host, "port": node.port, "rack": node.rack, "leads": leads
        }));
        table.row([
            node.id.to_string(),
            node.host.clone(),
            node.port.to_string(),
            node.rack.clone().unwrap_or("-".to_owned()),
            leads.to_string(),
        ]);
    }
    let json = json!({
        "clusterId": cluster.id,
        "controller": cluster.controller,
        "brokers": brokers,
        "topicCount": cluster.topics.len(),
        "partitionCount": partitions,
        "leaderlessPartitionCount": leaderless,
    });
    Output::new(output).value(&json, |out| {
        let controller = cluster.controller.map_or("none".to_owned(), |id| id.to_string());
        writeln!(out, "cluster {}, controller {controller}", cluster.id.as_deref().unwrap_or("without id"))?;
        writeln!(
            out,
            "{} topics, {partitions} partitions, {leaderless} without a leader",
            cluster.topics.len()
        )?;
        table.write(out)
    })?;
    Ok(())
}
