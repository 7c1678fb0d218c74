//! The topic of a run: made where that is asked for, and found.

use anyhow::{Context, Result};
use client::{Client, Creation, NewTopic, Topic};
use wire::ErrorCode;

use super::args::TopicArgs;
use crate::command::UsageError;

/// Partitions of a topic that is made without saying how many.
const PARTITIONS: u64 = 1;

/// The topic, with the partitions that are to be used.
///
/// # Errors
/// What the broker says; the topic has fewer partitions than are wanted.
pub(crate) fn prepare(client: &mut Client, arguments: &TopicArgs) -> Result<Topic> {
    if arguments.create {
        let new = NewTopic {
            name: arguments.topic.clone(),
            partitions: Some(i32::try_from(arguments.partitions.unwrap_or(PARTITIONS))?),
            replication_factor: None,
            configs: arguments.topic_config.clone(),
        };
        match client.create_topic(&new) {
            Err(e) if e.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {}
            created => created?,
        }
    }
    find(client, &arguments.topic, arguments.partitions)
}

/// A topic whose partitions have leaders, cut to its first `partitions`.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn find(client: &mut Client, name: &str, partitions: Option<u64>) -> Result<Topic> {
    let mut topic = client.topic_with_leaders(name, Creation::Never)?;
    if let Some(wanted) = partitions {
        let has = topic.partitions.len();
        let wanted = usize::try_from(wanted).context("--partitions")?;
        if wanted > has {
            let text = format!("--partitions {wanted}: 1 to {has} is expected, so many has topic {name}");
            return Err(UsageError(text).into());
        }
        topic.partitions.truncate(wanted);
    }
    Ok(topic)
}
