//! ListOffsets: where a partition begins, where it ends, and where a time is.

use std::{borrow::Cow, collections::BTreeMap};

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
};

use crate::{
    Client, ClientError,
    client::{Limits, To},
    metadata::Creation,
};

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The log start offset.
    Earliest,
    /// The high watermark: behind the last record that can be read.
    Latest,
    /// The first record whose timestamp is this or later, in milliseconds.
    Time(i64),
}

/// Stands for "where the partition begins" in a request.
const EARLIEST: i64 = -2;
/// Stands for "where the partition ends" in a request.
const LATEST: i64 = -1;

impl At {
    /// As requests have it.
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST,
            Self::Latest => LATEST,
            Self::Time(ms) => ms.max(0),
        }
    }
}

/// Partitions by topic.
pub type Partitions = BTreeMap<String, Vec<i32>>;
/// An offset for each of some partitions, by topic.
pub type Offsets = BTreeMap<String, BTreeMap<i32, i64>>;

impl Client {
    /// Asks for one offset of a partition; `None` where no record is as late as the time asked for.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn offset(&mut self, topic: &str, partition: i32, at: At) -> Result<Option<i64>, ClientError> {
        let timestamp = at.timestamp();
        self.retry(|client, deadline| {
            let known = client.topic_known(topic, Creation::Never, deadline)?;
            let leader = client.leader(&known, partition)?;
            let asked = ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
            let of_topic = ListOffsetsTopic { name: Cow::Borrowed(topic), partitions: vec![asked].into() };
            let request =
                ListOffsetsRequest { replica_id: -1, topics: vec![of_topic].into(), ..Default::default() };
            client.call(leader, &request, Limits::until(deadline), |response, broker| {
                let found =
                    response.topics.iter().flat_map(|t| t.partitions.iter().collect::<Vec<_>>()).next();
                let (code, offset) = match found {
                    Some(found) => (found.error_code, found.offset),
                    None => (ErrorCode::UNKNOWN_SERVER_ERROR.code(), -1),
                };
                if code != 0 {
                    let (broker, about) = (broker.to_owned(), format!("partition {topic}-{partition}"));
                    return Err(ClientError::Refused {
                        broker,
                        api: ApiKey::ListOffsets,
                        about,
                        code,
                        message: None,
                    });
                }
                Ok(Some(offset).filter(|offset| *offset >= 0))
            })
        })
    }

    /// Asks for one offset of each of many partitions: one request for every leader.
    ///
    /// Left out are partitions that aren't there, that nobody leads, and those where no record is as late as
    /// the time asked for.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn offsets(&mut self, partitions: &Partitions, at: At) -> Result<Offsets, ClientError> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        self.retry(|client, deadline| {
            let known = client.topics_known(partitions.keys().map(String::as_str), deadline)?;
            let mut by_leader: BTreeMap<i32, Partitions> = BTreeMap::new();
            for (topic, indexes) in partitions {
                let led = known.get(topic).into_iter().flat_map(|known| &known.partitions);
                for partition in led.filter(|partition| indexes.contains(&partition.index)) {
                    let Some(leader) = partition.leader else { continue };
                    by_leader
                        .entry(leader)
                        .or_default()
                        .entry(topic.clone())
                        .or_default()
                        .push(partition.index);
                }
            }
            let mut offsets = Offsets::new();
            for (leader, partitions) in &by_leader {
                client.ask_offsets(To::Node(*leader), partitions, at, deadline, &mut offsets)?;
            }
            Ok(offsets)
        })
    }

    fn ask_offsets(
        &mut self,
        leader: To,
        partitions: &Partitions,
        at: At,
        deadline: Instant,
        offsets: &mut Offsets,
    ) -> Result<(), ClientError> {
        let timestamp = at.timestamp();
        let partition =
            |index: &i32| ListOffsetsPartition { partition_index: *index, timestamp, ..Default::default() };
        let topic = |(name, indexes): (&'_ String, &Vec<i32>)| ListOffsetsTopic {
            name: Cow::Owned(name.clone()),
            partitions: indexes.iter().map(partition).collect(),
        };
        let topics = partitions.iter().map(topic).collect();
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        self.call(leader, &request, Limits::until(deadline), |response, broker| {
            for topic in &response.topics {
                for partition in &topic.partitions {
                    if partition.error_code != 0 {
                        return Err(ClientError::Refused {
                            broker: broker.to_owned(),
                            api: ApiKey::ListOffsets,
                            about: format!("partition {}-{}", topic.name, partition.partition_index),
                            code: partition.error_code,
                            message: None,
                        });
                    }
                    if partition.offset >= 0 {
                        let of_topic = offsets.entry(topic.name.clone().into_owned()).or_default();
                        of_topic.insert(partition.partition_index, partition.offset);
                    }
                }
            }
            Ok(())
        })
    }
}
