//! Records of `__consumer_offsets`: what is remembered of groups and of the offsets that they committed.
//!
//! Layouts and versions are Kafka's own, so that Kafka's formatters read the topic. A record without a value deletes what
//! its key names.

mod consumer;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use wire::primitive::{DecodeError, Message, Reader, Uuid, Writer};

use crate::layout::group_metadata::MemberMetadata as MemberLayout;
use crate::layout::{
    GROUP_METADATA_KIND, GroupMetadataKey, GroupMetadataValue, OFFSET_COMMIT_KIND, OffsetCommitKey,
    OffsetCommitValue,
};

pub use consumer::{
    ClassicMember, ConsumerRecord, CurrentAssignment, GroupEpoch, Held, MemberState, MemberSubscription,
    Partitions, ResolvedRegex, TargetEpoch, held_since, partitions_of,
};

/// The kind that Kafka's first brokers wrote for committed offsets; laid out like [`OFFSET_COMMIT_KIND`].
const LEGACY_OFFSET_COMMIT_KIND: i16 = 0;
/// The version of keys' bodies; there is one.
const KEY_VERSION: i16 = 0;
/// The version of [`OffsetCommitValue`] that has no tagged fields, and the first one that has: it keeps the topic's id.
const OFFSET_VERSION: i16 = 3;
const OFFSET_VERSION_WITH_TOPIC_ID: i16 = 4;
/// The only version of [`OffsetCommitValue`] that keeps when the offset expires.
const OFFSET_VERSION_WITH_EXPIRY: i16 = 1;
/// The version of [`GroupMetadataValue`] that Kafka 4.3 writes.
const GROUP_VERSION: i16 = 3;
/// "None", of timestamps and of leader epochs.
const NONE: i64 = -1;

/// One record; `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What a group committed for a partition.
    Offset {
        /// The group's id.
        group: Arc<str>,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition's number.
        partition: i32,
        /// What was committed.
        value: Option<CommittedOffset>,
    },
    /// A group of the classic protocol.
    Group {
        /// The group's id.
        group: Arc<str>,
        /// Its generation and members.
        value: Option<GroupMetadata>,
    },
    /// A group of the consumer protocol (KIP-848).
    Consumer {
        /// The group's id.
        group: Arc<str>,
        /// What is said of it.
        change: ConsumerRecord,
    },
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// The leader epoch of the record read last; −1: not known.
    pub leader_epoch: i32,
    /// What the client wanted kept with it.
    pub metadata: Arc<str>,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, if its client said so (OffsetCommit before version 5).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, if its client named it by that; else zero.
    pub topic_id: Uuid,
}

/// A group of the classic protocol as it is remembered: between generations it is what the last one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `consumer`, `connect` …; empty for a group that never had a member.
    pub protocol_type: Arc<str>,
    /// Counts up with each rebalance.
    pub generation: i32,
    /// The assignor that all members agreed on.
    pub protocol: Option<Arc<str>>,
    /// The member that assigns.
    pub leader: Option<Arc<str>>,
    /// Since when the group is in its state, in milliseconds since 1970; −1: not known.
    pub state_timestamp_ms: i64,
    /// Its members.
    pub members: Vec<MemberMetadata>,
}

/// A member of a [`GroupMetadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Given by the coordinator.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Arc<str>>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's address.
    pub client_host: Arc<str>,
    /// How long the member may take to join again, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// Its metadata of the protocol that was agreed on.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

/// A protocol of the classic kind that a member supports, and its metadata of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The assignor's name.
    pub name: Arc<str>,
    /// The member's subscription.
    pub metadata: Bytes,
}

/// A record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its bytes.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Every record there has a key.
    #[error("a record without a key")]
    NoKey,
}

impl Record {
    /// Key and value as they are stored.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::Offset { group, topic, partition, value } => {
                let key = OffsetCommitKey {
                    group: Cow::Borrowed(group),
                    topic: Cow::Borrowed(topic),
                    partition: *partition,
                };
                (encoded(OFFSET_COMMIT_KIND, &key, KEY_VERSION), value.as_ref().map(CommittedOffset::encode))
            }
            Self::Group { group, value } => {
                let key = GroupMetadataKey { group: Cow::Borrowed(group) };
                (encoded(GROUP_METADATA_KIND, &key, KEY_VERSION), value.as_ref().map(GroupMetadata::encode))
            }
            Self::Consumer { group, change } => change.encode(group),
        }
    }

    /// Bytes that it takes in a record batch, about and at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const AROUND: usize = 96;
        match self {
            Self::Offset { group, topic, value, .. } => {
                offset_bytes(group, topic, value.as_ref().map_or("", |value| &value.metadata))
            }
            Self::Group { group, value } => {
                AROUND + group.len() + value.as_ref().map_or(0, GroupMetadata::bytes)
            }
            Self::Consumer { group, change } => AROUND + group.len() + change.bytes(),
        }
    }

    /// The record of a key and a value; `None` for a kind that is not known here, which Kafka skips, too.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let mut reader = Reader::new(key.ok_or(RecordError::NoKey)?);
        match reader.int16()? {
            LEGACY_OFFSET_COMMIT_KIND | OFFSET_COMMIT_KIND => {
                let key = OffsetCommitKey::decode(&mut reader, KEY_VERSION)?;
                let value = value.map(CommittedOffset::decode).transpose()?;
                let (group, topic) = (Arc::from(&*key.group), Arc::from(&*key.topic));
                Ok(Some(Self::Offset { group, topic, partition: key.partition, value }))
            }
            GROUP_METADATA_KIND => {
                let key = GroupMetadataKey::decode(&mut reader, KEY_VERSION)?;
                let value = value.map(GroupMetadata::decode).transpose()?;
                Ok(Some(Self::Group { group: Arc::from(&*key.group), value }))
            }
            kind => {
                let found = ConsumerRecord::decode(kind, &mut reader, value)?;
                Ok(found.map(|(group, change)| Self::Consumer { group, change }))
            }
        }
    }
}

/// A text as groups keep it; the empty ones, of which there are many, are one.
#[must_use]
pub fn shared(text: &str) -> Arc<str> {
    if text.is_empty() { Arc::default() } else { Arc::from(text) }
}

/// Bytes that the record of a committed offset takes in a record batch, at most and hardly less.
pub(crate) fn offset_bytes(group: &str, topic: &str, metadata: &str) -> usize {
    /// Ten bytes of the key, 44 of the value, and what a batch has around a record.
    const AROUND: usize = 68;
    AROUND + group.len() + topic.len() + metadata.len()
}

/// A version and a message in it: how keys and values begin.
fn encoded<'a>(prefix: i16, message: &impl Message<'a>, version: i16) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut writer = Writer::new(&mut out);
    writer.int16(prefix);
    message.encode(&mut writer, version);
    out
}

impl CommittedOffset {
    fn encode(&self) -> Vec<u8> {
        let version = if self.expire_timestamp_ms.is_some() {
            OFFSET_VERSION_WITH_EXPIRY
        } else if self.topic_id == Uuid::ZERO {
            OFFSET_VERSION
        } else {
            OFFSET_VERSION_WITH_TOPIC_ID
        };
        let value = OffsetCommitValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: Cow::Borrowed(&self.metadata),
            commit_timestamp: self.commit_timestamp_ms,
            expire_timestamp: self.expire_timestamp_ms.unwrap_or(NONE),
            topic_id: self.topic_id,
        };
        encoded(version, &value, version)
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.int16()?;
        let value = OffsetCommitValue::decode(&mut reader, version)?;
        Ok(Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: shared(&value.metadata),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: Some(value.expire_timestamp).filter(|time| *time != NONE),
            topic_id: value.topic_id,
        })
    }
}

impl GroupMetadata {
    fn bytes(&self) -> usize {
        let texts = [&self.protocol, &self.leader].into_iter().flatten().chain([&self.protocol_type]);
        let members = self.members.iter().map(MemberMetadata::bytes);
        texts.map(|text| text.len()).chain(members).sum()
    }

    fn encode(&self) -> Vec<u8> {
        let value = GroupMetadataValue {
            protocol_type: Cow::Borrowed(&self.protocol_type),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(Cow::Borrowed),
            leader: self.leader.as_deref().map(Cow::Borrowed),
            current_state_timestamp: self.state_timestamp_ms,
            members: self.members.iter().map(MemberMetadata::layout).collect(),
        };
        encoded(GROUP_VERSION, &value, GROUP_VERSION)
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.int16()?;
        let value = GroupMetadataValue::decode(&mut reader, version)?;
        Ok(Self {
            protocol_type: Arc::from(&*value.protocol_type),
            generation: value.generation,
            protocol: value.protocol.as_deref().map(Arc::from),
            leader: value.leader.as_deref().map(Arc::from),
            state_timestamp_ms: value.current_state_timestamp,
            members: value.members.iter().map(|member| MemberMetadata::of(&member)).collect(),
        })
    }
}

impl MemberMetadata {
    fn layout(&self) -> MemberLayout<'_> {
        MemberLayout {
            member_id: Cow::Borrowed(&self.member_id),
            group_instance_id: self.instance_id.as_deref().map(Cow::Borrowed),
            client_id: Cow::Borrowed(&self.client_id),
            client_host: Cow::Borrowed(&self.client_host),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: Cow::Borrowed(&self.subscription),
            assignment: Cow::Borrowed(&self.assignment),
        }
    }

    fn bytes(&self) -> usize {
        const AROUND: usize = 48;
        let instance = self.instance_id.as_ref().map_or(0, |id| id.len());
        let texts = self.member_id.len() + instance + self.client_id.len() + self.client_host.len();
        AROUND + texts + self.subscription.len() + self.assignment.len()
    }

    fn of(layout: &MemberLayout<'_>) -> Self {
        // Before version 1 a member had as long to join again as to be silent.
        let rebalance_timeout_ms =
            if layout.rebalance_timeout < 0 { layout.session_timeout } else { layout.rebalance_timeout };
        Self {
            member_id: Arc::from(&*layout.member_id),
            instance_id: layout.group_instance_id.as_deref().map(Arc::from),
            client_id: Arc::from(&*layout.client_id),
            client_host: Arc::from(&*layout.client_host),
            rebalance_timeout_ms,
            session_timeout_ms: layout.session_timeout,
            subscription: Bytes::copy_from_slice(&layout.subscription),
            assignment: Bytes::copy_from_slice(&layout.assignment),
        }
    }
}

#[cfg(test)]
mod record_test;
