//! ListOffsets: where a partition begins, where it ends, and where a time is.

use std::borrow::Cow;

use wire::{
    ApiKey, ErrorCode,
    message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
};

use crate::{Client, ClientError, client::Limits, metadata::Creation};

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

impl Client {
    /// Asks for one offset of a partition; `None` where no record is as late as the time asked for.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn offset(&mut self, topic: &str, partition: i32, at: At) -> Result<Option<i64>, ClientError> {
        let timestamp = match at {
            At::Earliest => EARLIEST,
            At::Latest => LATEST,
            At::Time(ms) => ms.max(0),
        };
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
}
