//! OffsetFetch, OffsetCommit and OffsetDelete: what a group has read.

use std::{borrow::Cow, collections::BTreeSet};

use env::Instant;
use wire::{
    ApiKey,
    message::{
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
        },
    },
};

use super::{ByGroup, refusal, refusal_of_partition};
use crate::{
    Client, ClientError, Offsets, Partitions,
    client::{Limits, To},
};

/// The first version of OffsetFetch that asks about several groups.
const GROUPS_SINCE: i16 = 8;
/// The last version of OffsetFetch and OffsetCommit that names topics; later ones have ids, also of topics that are gone.
const NAMES_UNTIL: i16 = 9;

/// On whose behalf offsets are committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committer<'m> {
    pub(super) member_id: &'m str,
    pub(super) generation: i32,
}

impl Committer<'_> {
    /// Nobody's: the group has to be without members.
    const NOBODY: Self = Self { member_id: "", generation: -1 };
}

impl Client {
    /// The offsets that groups have committed; a group that isn't there has none.
    ///
    /// # Errors
    /// As [`ClientError`] says. A group's own error is beside the group.
    pub fn group_offsets(&mut self, groups: &BTreeSet<String>) -> Result<ByGroup<Offsets>, ClientError> {
        self.at_coordinators(groups, |client, to, groups, deadline| {
            if client.version(to, ApiKey::OffsetFetch, deadline)? >= GROUPS_SINCE {
                return client.ask_offsets_of_groups(to, groups, deadline);
            }
            let ask = |group: &String| Ok((group.clone(), client.ask_offsets_of_group(to, group, deadline)?));
            groups.iter().map(ask).collect()
        })
    }

    fn ask_offsets_of_groups(
        &mut self,
        to: To,
        groups: &[String],
        deadline: Instant,
    ) -> Result<ByGroup<Offsets>, ClientError> {
        let group = |group: &String| OffsetFetchRequestGroup {
            group_id: Cow::Owned(group.clone()),
            topics: None,
            ..Default::default()
        };
        let request = OffsetFetchRequest { groups: groups.iter().map(group).collect(), ..Default::default() };
        let limits = Limits { version_max: NAMES_UNTIL, ..Limits::until(deadline) };
        self.call(to, &request, limits, |response, broker| {
            let each = response.groups.iter();
            Ok(each.map(|group| (group.group_id.clone().into_owned(), offsets_of(&group, broker))).collect())
        })
    }

    fn ask_offsets_of_group(
        &mut self,
        to: To,
        group: &str,
        deadline: Instant,
    ) -> Result<Result<Offsets, ClientError>, ClientError> {
        let request =
            OffsetFetchRequest { group_id: Cow::Borrowed(group), topics: None, ..Default::default() };
        let limits = Limits { version_max: GROUPS_SINCE - 1, ..Limits::until(deadline) };
        self.call(to, &request, limits, |response, broker| Ok(offsets_of_one(group, &response, broker)))
    }

    /// Commits offsets for a group without members.
    ///
    /// # Errors
    /// As [`ClientError`] says; `UNKNOWN_MEMBER_ID` if the group has members.
    pub fn commit_group_offsets(&mut self, group: &str, offsets: &Offsets) -> Result<(), ClientError> {
        self.commit_as(group, Committer::NOBODY, offsets)
    }

    pub(super) fn commit_as(
        &mut self,
        group: &str,
        committer: Committer<'_>,
        offsets: &Offsets,
    ) -> Result<(), ClientError> {
        let partition = |(index, offset): (&i32, &i64)| OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_metadata: Some(Cow::Borrowed("")),
            ..Default::default()
        };
        self.at_coordinator(group, |client, to, deadline| {
            let topics = offsets.iter().map(|(name, offsets)| OffsetCommitRequestTopic {
                name: Cow::Borrowed(name.as_str()),
                partitions: offsets.iter().map(partition).collect(),
                ..Default::default()
            });
            let request = OffsetCommitRequest {
                group_id: Cow::Borrowed(group),
                generation_id_or_member_epoch: committer.generation,
                member_id: Cow::Borrowed(committer.member_id),
                topics: topics.collect(),
                ..Default::default()
            };
            let limits = Limits { version_max: NAMES_UNTIL, ..Limits::until(deadline) };
            client.call(to, &request, limits, |response, broker| {
                for topic in &response.topics {
                    for partition in &topic.partitions {
                        let about = (&*topic.name, partition.partition_index);
                        refusal_of_partition(broker, ApiKey::OffsetCommit, about, partition.error_code)?;
                    }
                }
                Ok(())
            })
        })
    }

    /// Deletes offsets that a group has committed.
    ///
    /// # Errors
    /// As [`ClientError`] says, for the first partition that is refused: `GROUP_SUBSCRIBED_TO_TOPIC` if members read the topic.
    pub fn delete_group_offsets(&mut self, group: &str, partitions: &Partitions) -> Result<(), ClientError> {
        let partition = |index: &i32| OffsetDeleteRequestPartition { partition_index: *index };
        self.at_coordinator(group, |client, to, deadline| {
            let topics = partitions.iter().map(|(name, indexes)| OffsetDeleteRequestTopic {
                name: Cow::Borrowed(name.as_str()),
                partitions: indexes.iter().map(partition).collect(),
            });
            let request = OffsetDeleteRequest { group_id: Cow::Borrowed(group), topics: topics.collect() };
            client.call(to, &request, Limits::until(deadline), |response, broker| {
                refusal(broker, ApiKey::OffsetDelete, group, response.error_code)?;
                for topic in &response.topics {
                    for partition in &topic.partitions {
                        let about = (&*topic.name, partition.partition_index);
                        refusal_of_partition(broker, ApiKey::OffsetDelete, about, partition.error_code)?;
                    }
                }
                Ok(())
            })
        })
    }
}

/// A partition's offset as an answer has it, whatever its version.
struct Told<'t> {
    topic: &'t str,
    partition: i32,
    /// Negative where nothing is committed.
    offset: i64,
    code: i16,
}

impl Told<'_> {
    fn put_into(self, offsets: &mut Offsets, broker: &str) -> Result<(), ClientError> {
        refusal_of_partition(broker, ApiKey::OffsetFetch, (self.topic, self.partition), self.code)?;
        if self.offset >= 0 {
            offsets.entry(self.topic.to_owned()).or_default().insert(self.partition, self.offset);
        }
        Ok(())
    }
}

fn offsets_of(group: &OffsetFetchResponseGroup<'_>, broker: &str) -> Result<Offsets, ClientError> {
    refusal(broker, ApiKey::OffsetFetch, &group.group_id, group.error_code)?;
    let mut offsets = Offsets::new();
    for topic in &group.topics {
        for of in &topic.partitions {
            let (partition, offset, code) = (of.partition_index, of.committed_offset, of.error_code);
            Told { topic: &topic.name, partition, offset, code }.put_into(&mut offsets, broker)?;
        }
    }
    Ok(offsets)
}

fn offsets_of_one(
    group: &str,
    response: &OffsetFetchResponse<'_>,
    broker: &str,
) -> Result<Offsets, ClientError> {
    refusal(broker, ApiKey::OffsetFetch, group, response.error_code)?;
    let mut offsets = Offsets::new();
    for topic in &response.topics {
        for of in &topic.partitions {
            let (partition, offset, code) = (of.partition_index, of.committed_offset, of.error_code);
            Told { topic: &topic.name, partition, offset, code }.put_into(&mut offsets, broker)?;
        }
    }
    Ok(offsets)
}
