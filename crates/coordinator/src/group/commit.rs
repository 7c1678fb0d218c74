//! Offsets: committed, asked for, deleted, expired.

use std::sync::Arc;

use wire::error::ErrorCode;

use super::classic::State;
use super::command::{
    CommitOffsets, DeleteOffsets, FetchOffsets, FetchedOffset, FetchedOffsets, NewOffset, Reply, Ticket,
};
use super::kind::Group;
use super::offsets::tombstone;
use super::{At, Groups, Now, Output, exceeds_batch};
use crate::record::{CommittedOffset, Record, offset_bytes};

/// Offsets that are forgotten in one step, about: others are to be heard in between.
const FORGOTTEN_MAX: usize = 4096;

impl Groups {
    pub(super) fn commit_offsets(
        &mut self,
        at: At<'_>,
        ticket: Ticket,
        commit: CommitOffsets,
        out: &mut Output,
    ) {
        let checked =
            match self.with_group(at, &commit.group, out, |group, step| group.check_commit(step, &commit)) {
                Some(checked) => checked,
                // A client that is no member makes the group by committing.
                None if commit.generation < 0 => Ok(()),
                None if commit.knows_missing_groups => Err(ErrorCode::GROUP_ID_NOT_FOUND),
                None => Err(ErrorCode::ILLEGAL_GENERATION),
            };
        let checked = checked.and_then(|()| self.check_size(&commit));
        if let Err(error) = checked {
            return out.reply(ticket, Reply::CommitOffsets(Err(error)));
        }
        let now = at.now;
        let expires = commit.retention_ms.map(|time| now.wall_ms.saturating_add(time));
        let mut errors = Vec::with_capacity(commit.offsets.len());
        for new in commit.offsets {
            errors.push(self.commit_one(now, &commit.group, new, expires, out));
        }
        out.reply(ticket, Reply::CommitOffsets(Ok(errors)));
    }

    /// What can't be written as one record batch is refused before anything is decided, with Kafka's code.
    fn check_size(&self, commit: &CommitOffsets) -> Result<(), ErrorCode> {
        let written = commit.offsets.iter().filter(|new| self.settings.takes_metadata(&new.metadata));
        let bytes: usize = written.map(|new| offset_bytes(&commit.group, &new.topic, &new.metadata)).sum();
        if exceeds_batch(bytes) { Err(ErrorCode::UNKNOWN_SERVER_ERROR) } else { Ok(()) }
    }

    fn commit_one(
        &mut self,
        now: Now,
        group: &Arc<str>,
        new: NewOffset,
        expires: Option<i64>,
        out: &mut Output,
    ) -> ErrorCode {
        let NewOffset { topic, topic_id, partition, offset, leader_epoch, metadata } = new;
        if !self.settings.takes_metadata(&metadata) {
            return ErrorCode::OFFSET_METADATA_TOO_LARGE;
        }
        let value = CommittedOffset {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp_ms: now.wall_ms,
            expire_timestamp_ms: expires,
            topic_id,
        };
        let record = Record::Offset { group: group.clone(), topic, partition, value: Some(value) };
        self.write(record, out);
        out.committed += 1;
        ErrorCode::NONE
    }

    pub(super) fn fetch_offsets(&self, fetch: &FetchOffsets) -> FetchedOffsets {
        let group = &fetch.group;
        if let Some(Group::Consumer(known)) = self.groups.get(group)
            && let Err(error) = known.check_fetch(fetch)
        {
            return FetchedOffsets { error, offsets: Vec::new() };
        }
        let fetched = |topic: &Arc<str>, partition, of: Option<&CommittedOffset>| FetchedOffset {
            topic: topic.clone(),
            partition,
            offset: of.map_or(-1, |of| of.offset),
            leader_epoch: of.map_or(-1, |of| of.leader_epoch),
            metadata: of.map(|of| of.metadata.clone()).unwrap_or_default(),
        };
        let offsets = match &fetch.partitions {
            Some(partitions) => partitions
                .iter()
                .map(|(topic, partition)| {
                    fetched(topic, *partition, self.offsets.get(group, topic, *partition))
                })
                .collect(),
            None => {
                let all = self.offsets.of_group(group);
                all.map(|(topic, partition, of)| fetched(topic, partition, Some(of))).collect()
            }
        };
        FetchedOffsets { error: ErrorCode::NONE, offsets }
    }

    pub(super) fn delete_offsets(
        &mut self,
        delete: DeleteOffsets,
        out: &mut Output,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let known = self.groups.get(&delete.group).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if !known.is_empty() && !known.is_of_consumers() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let subscribed = |topic: &Arc<str>| known.is_subscribed_to(topic);
        let are_read: Vec<bool> = delete.partitions.iter().map(|(topic, _)| subscribed(topic)).collect();
        let mut errors = Vec::with_capacity(delete.partitions.len());
        for ((topic, partition), is_read) in delete.partitions.iter().zip(are_read) {
            if is_read {
                errors.push(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
                continue;
            }
            if self.offsets.get(&delete.group, topic, *partition).is_some() {
                self.forget([tombstone(&delete.group, topic, *partition)], out);
            }
            errors.push(ErrorCode::NONE);
        }
        Ok(errors)
    }

    /// Deletes a group that has no members, and all its offsets.
    pub(super) fn delete_group(&mut self, group: &Arc<str>, out: &mut Output) -> ErrorCode {
        let tombstones = match self.groups.get(group) {
            None => return ErrorCode::GROUP_ID_NOT_FOUND,
            Some(known) if known.is_empty() => known.tombstones(group),
            Some(_) => return ErrorCode::NON_EMPTY_GROUP,
        };
        let gone: Vec<_> = self
            .offsets
            .of_group(group)
            .map(|(topic, partition, _)| tombstone(group, topic, partition))
            .collect();
        self.forget(gone, out);
        tombstones.into_iter().for_each(|record| self.write(record, out));
        ErrorCode::NONE
    }

    /// Writes records that delete offsets, each for itself.
    fn forget(&mut self, gone: impl IntoIterator<Item = Record>, out: &mut Output) {
        for record in gone {
            self.write(record, out);
            out.may_be_cut();
        }
    }

    /// Forgets what groups committed of topics that are deleted; to be called until it says that it is done.
    pub fn forget_topic(&mut self, topic: &str, out: &mut Output) -> bool {
        let groups: Vec<Arc<str>> = self.offsets.groups_with(topic).take(FORGOTTEN_MAX).cloned().collect();
        for group in groups {
            let of_topic = self.offsets.of_group(&group).filter(|(name, ..)| &***name == topic);
            let gone: Vec<_> = of_topic
                .take(FORGOTTEN_MAX)
                .map(|(name, partition, _)| tombstone(&group, name, partition))
                .collect();
            self.forget(gone, out);
            if out.records.len() >= FORGOTTEN_MAX {
                return false;
            }
        }
        true
    }

    /// Forgets offsets that nobody has committed for too long, and groups that have nothing left (KIP-211). Begins behind
    /// `after`; gives the group to go on behind, if there is more to look at.
    pub fn expire_offsets(
        &mut self,
        now: Now,
        after: Option<&Arc<str>>,
        out: &mut Output,
    ) -> Option<Arc<str>> {
        let from =
            (after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded), std::ops::Bound::Unbounded);
        let ids: Vec<Arc<str>> =
            self.groups.range::<Arc<str>, _>(from).map(|(id, _)| id.clone()).take(FORGOTTEN_MAX).collect();
        let mut last = None;
        for id in ids {
            self.expire_group(now, &id, out);
            last = Some(id);
            if out.records.len() >= FORGOTTEN_MAX {
                break;
            }
        }
        last
    }

    fn expire_group(&mut self, now: Now, id: &Arc<str>, out: &mut Output) {
        let Some(group) = self.groups.get(id) else { return };
        let Some(since) = unneeded_since(group) else { return };
        let retention_ms = i64::try_from(self.settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let is_over = |of: &CommittedOffset| match of.expire_timestamp_ms {
            Some(time) => now.wall_ms >= time,
            None => now.wall_ms.saturating_sub(since.unwrap_or(of.commit_timestamp_ms)) >= retention_ms,
        };
        let gone: Vec<_> = self
            .offsets
            .of_group(id)
            .filter(|(topic, _, of)| !group.is_subscribed_to(topic) && is_over(of))
            // What is left has its turn with the next look.
            .take(FORGOTTEN_MAX)
            .map(|(topic, partition, _)| tombstone(id, topic, partition))
            .collect();
        let tombstones = if group.is_empty() { group.tombstones(id) } else { Vec::new() };
        out.expired += gone.len() as u64;
        self.forget(gone, out);
        if !self.offsets.has_any(id) {
            tombstones.into_iter().for_each(|record| self.write(record, out));
        }
    }
}

/// Since when what a group has committed is of no use, where nobody reads the topic: `Some(None)`: each offset since it was
/// committed; `None`: all of it is of use.
fn unneeded_since(group: &Group) -> Option<Option<i64>> {
    let Group::Classic(group) = group else { return Some(None) };
    let is_empty = group.state() == State::Empty;
    match group.protocol_type() {
        None => Some(None),
        Some(_) if is_empty => Some(Some(group.state_timestamp_ms()).filter(|time| *time >= 0)),
        Some(_)
            if group.is_of_consumers() && group.state() == State::Stable && group.knows_subscriptions() =>
        {
            Some(None)
        }
        Some(_) => None,
    }
}
