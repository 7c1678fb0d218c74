//! What consumers of the classic protocol tell each other: subscriptions and assignments, in the bytes that JoinGroup and
//! SyncGroup carry.
//!
//! Newer versions only have more behind what is known: they are read as the newest one here, as Kafka does.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use wire::primitive::{DecodeError, Message, Reader, Uuid, Writer};

use super::Topics;
use crate::layout::consumer_protocol_assignment::TopicPartition;
use crate::layout::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::record::Partitions;

/// The protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";
/// The newest version of either message.
const VERSION_LAST: i16 = 3;

/// What a consumer reads, and what it has.
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<Arc<str>>,
    /// What it has not given up, as far as there are such topics.
    pub(super) owned: Partitions,
    pub(super) rack_id: Option<Arc<str>>,
}

/// What a consumer was given by its group's leader.
#[derive(Debug)]
pub(super) struct Assignment {
    /// As far as there are such topics.
    pub(super) partitions: Partitions,
    /// The leader's assignor said something to its own kind.
    pub(super) has_user_data: bool,
}

impl Subscription {
    pub(super) fn read(bytes: &[u8], topics: &dyn Topics) -> Result<Self, DecodeError> {
        let (mut reader, version) = opened(bytes)?;
        let read = ConsumerProtocolSubscription::decode(&mut reader, version)?;
        let owned = read.owned_partitions.iter().map(|of| (of.topic, of.partitions.iter().collect()));
        Ok(Self {
            topics: read.topics.iter().map(|topic| Arc::from(&*topic)).collect(),
            owned: by_id(owned, topics),
            rack_id: read.rack_id.filter(|rack| !rack.is_empty()).map(|rack| Arc::from(&*rack)),
        })
    }
}

/// The topics of a subscription: they begin it in every version.
pub(super) fn subscribed_topics(bytes: &[u8]) -> Result<BTreeSet<Box<str>>, DecodeError> {
    let (mut reader, _) = opened(bytes)?;
    let read = ConsumerProtocolSubscription::decode(&mut reader, 0)?;
    Ok(read.topics.iter().map(|topic| (&*topic).into()).collect())
}

impl Assignment {
    /// A member that has never synced has no bytes at all.
    pub(super) fn read(bytes: &[u8], topics: &dyn Topics) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self { partitions: Partitions::new(), has_user_data: false });
        }
        let (mut reader, version) = opened(bytes)?;
        let read = ConsumerProtocolAssignment::decode(&mut reader, version)?;
        let assigned = read.assigned_partitions.iter().map(|of| (of.topic, of.partitions.iter().collect()));
        Ok(Self {
            partitions: by_id(assigned, topics),
            has_user_data: read.user_data.is_some_and(|data| !data.is_empty()),
        })
    }
}

/// An assignment for a member with this subscription: in its version. Topics that are gone have no name and are left out.
pub(super) fn assignment(partitions: &Partitions, subscription: &[u8], topics: &dyn Topics) -> Bytes {
    // Who could not be understood was not let in.
    let version = opened(subscription).map_or(0, |(_, version)| version);
    let topic = |(id, numbers): (&Uuid, &BTreeSet<i32>)| {
        let topic = Cow::Owned(topics.name_of(*id)?.to_string());
        Some(TopicPartition { topic, partitions: numbers.iter().copied().collect() })
    };
    let message = ConsumerProtocolAssignment {
        assigned_partitions: partitions.iter().filter_map(topic).collect(),
        user_data: None,
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.int16(version);
    message.encode(&mut writer, version);
    bytes.into()
}

/// The bytes behind their version, and the one to read them in.
fn opened(bytes: &[u8]) -> Result<(Reader<'_>, i16), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.int16()?;
    Ok((reader, version.min(VERSION_LAST)))
}

fn by_id<'a>(named: impl Iterator<Item = (Cow<'a, str>, BTreeSet<i32>)>, topics: &dyn Topics) -> Partitions {
    named.filter_map(|(name, numbers)| Some((topics.by_name(&name)?.0, numbers))).collect()
}
