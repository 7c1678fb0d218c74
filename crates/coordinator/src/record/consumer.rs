//! Records of groups of the consumer protocol (KIP-848).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use wire::primitive::{DecodeError, Message, Reader, Uuid};

use super::{KEY_VERSION, Protocol, encoded};
use crate::layout::{
    CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND, CONSUMER_GROUP_MEMBER_METADATA_KIND,
    CONSUMER_GROUP_METADATA_KIND, CONSUMER_GROUP_REGULAR_EXPRESSION_KIND,
    CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND, CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND,
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
    consumer_group_current_member_assignment as current, consumer_group_member_metadata as metadata,
    consumer_group_target_assignment_member as target,
};

/// The version of each value; there is one.
const VALUE_VERSION: i16 = 0;

/// Partitions by topic.
pub type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions that a member has by topic, each with the epoch in which it got it.
pub type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// What a record says of a group; `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerRecord {
    /// The group itself.
    Epoch(Option<GroupEpoch>),
    /// A member, and what it wants to read.
    Member {
        /// Its id.
        member: Arc<str>,
        /// The rest.
        value: Option<MemberSubscription>,
    },
    /// The epoch that targets are of.
    TargetEpoch(Option<TargetEpoch>),
    /// What a member is to have.
    Target {
        /// Its id.
        member: Arc<str>,
        /// Which partitions.
        value: Option<Partitions>,
    },
    /// What a member has.
    Current {
        /// Its id.
        member: Arc<str>,
        /// How far it has come.
        value: Option<CurrentAssignment>,
    },
    /// The topics that a regular expression stands for.
    Regex {
        /// The expression.
        regex: Arc<str>,
        /// The topics.
        value: Option<ResolvedRegex>,
    },
}

/// See [`ConsumerRecord::Epoch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupEpoch {
    /// Counts up when members, subscriptions or topics change.
    pub epoch: i32,
    /// Of the topics that are subscribed to, as they were then.
    pub metadata_hash: i64,
}

/// See [`ConsumerRecord::TargetEpoch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetEpoch {
    /// The group's epoch that the targets were computed for.
    pub epoch: i32,
    /// When, in milliseconds since 1970; 0: not known.
    pub timestamp_ms: i64,
}

/// See [`ConsumerRecord::Member`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSubscription {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's address.
    pub client_host: Arc<str>,
    /// Topics that are subscribed to by name.
    pub topics: BTreeSet<Arc<str>>,
    /// And by an expression.
    pub regex: Option<Arc<str>>,
    /// How long the member may take to give partitions up, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The assignor that it asks for.
    pub assignor: Option<Arc<str>>,
    /// Of a member that speaks the classic protocol.
    pub classic: Option<ClassicMember>,
}

/// A member of a group of the consumer protocol that speaks the classic one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMember {
    /// Milliseconds of silence after which it is gone.
    pub session_timeout_ms: i32,
    /// What it can do, best first; one at least.
    pub protocols: Vec<Protocol>,
}

/// How far a member is with its assignment. Kafka's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberState {
    /// It has what it is to have, or will with the next answer.
    #[default]
    Stable,
    /// It has to give partitions up.
    Unrevoked,
    /// It waits for partitions that others have to give up.
    Unreleased,
}

/// See [`ConsumerRecord::Current`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentAssignment {
    /// The epoch that the member has come to.
    pub epoch: i32,
    /// The one before: an answer may have been lost.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// What it may read.
    pub assigned: Held,
    /// What it has to give up, and has not.
    pub revoking: Held,
}

/// See [`ConsumerRecord::Regex`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedRegex {
    /// The topics that matched.
    pub topics: BTreeSet<Arc<str>>,
    /// When, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl MemberState {
    fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::Unrevoked => 1,
            Self::Unreleased => 2,
        }
    }

    fn of(number: i8) -> Self {
        match number {
            1 => Self::Unrevoked,
            2 => Self::Unreleased,
            _ => Self::Stable,
        }
    }
}

fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}

impl ConsumerRecord {
    /// Whether it deletes.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        match self {
            Self::Epoch(value) => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Member { value, .. } => value.is_none(),
            Self::Target { value, .. } => value.is_none(),
            Self::Current { value, .. } => value.is_none(),
            Self::Regex { value, .. } => value.is_none(),
        }
    }

    pub(super) fn encode(&self, group: &str) -> (Vec<u8>, Option<Vec<u8>>) {
        let group_id = Cow::Borrowed(group);
        let id = |member: &Arc<str>| Cow::Owned(member.to_string());
        match self {
            Self::Epoch(value) => (
                encoded(CONSUMER_GROUP_METADATA_KIND, &ConsumerGroupMetadataKey { group_id }, KEY_VERSION),
                value.map(|value| {
                    let GroupEpoch { epoch, metadata_hash } = value;
                    encoded(
                        VALUE_VERSION,
                        &ConsumerGroupMetadataValue { epoch, metadata_hash },
                        VALUE_VERSION,
                    )
                }),
            ),
            Self::Member { member, value } => {
                let key = ConsumerGroupMemberMetadataKey { group_id, member_id: id(member) };
                let key = encoded(CONSUMER_GROUP_MEMBER_METADATA_KIND, &key, KEY_VERSION);
                (key, value.as_ref().map(MemberSubscription::encode))
            }
            Self::TargetEpoch(value) => {
                let key = ConsumerGroupTargetAssignmentMetadataKey { group_id };
                let key = encoded(CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND, &key, KEY_VERSION);
                let value = value.map(|value| ConsumerGroupTargetAssignmentMetadataValue {
                    assignment_epoch: value.epoch,
                    assignment_timestamp: value.timestamp_ms,
                });
                (key, value.map(|value| encoded(VALUE_VERSION, &value, VALUE_VERSION)))
            }
            Self::Target { member, value } => {
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: id(member) };
                let key = encoded(CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND, &key, KEY_VERSION);
                let value = value.as_ref().map(|partitions| ConsumerGroupTargetAssignmentMemberValue {
                    topic_partitions: target_layout(partitions),
                });
                (key, value.map(|value| encoded(VALUE_VERSION, &value, VALUE_VERSION)))
            }
            Self::Current { member, value } => {
                let key = ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: id(member) };
                let key = encoded(CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND, &key, KEY_VERSION);
                (key, value.as_ref().map(CurrentAssignment::encode))
            }
            Self::Regex { regex, value } => {
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: id(regex) };
                let key = encoded(CONSUMER_GROUP_REGULAR_EXPRESSION_KIND, &key, KEY_VERSION);
                (key, value.as_ref().map(ResolvedRegex::encode))
            }
        }
    }

    /// The group and the record of a key of this kind; `None` for another kind.
    pub(super) fn decode(
        kind: i16,
        key: &mut Reader<'_>,
        value: Option<&[u8]>,
    ) -> Result<Option<(Arc<str>, Self)>, DecodeError> {
        Ok(Some(match kind {
            CONSUMER_GROUP_METADATA_KIND => {
                let key = ConsumerGroupMetadataKey::decode(key, KEY_VERSION)?;
                let value = decoded::<ConsumerGroupMetadataValue>(value)?;
                let value = value.map(|of| GroupEpoch { epoch: of.epoch, metadata_hash: of.metadata_hash });
                (shared(&key.group_id), Self::Epoch(value))
            }
            CONSUMER_GROUP_MEMBER_METADATA_KIND => {
                let key = ConsumerGroupMemberMetadataKey::decode(key, KEY_VERSION)?;
                let value = decoded(value)?.map(|of| MemberSubscription::of(&of));
                (shared(&key.group_id), Self::Member { member: shared(&key.member_id), value })
            }
            CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND => {
                let key = ConsumerGroupTargetAssignmentMetadataKey::decode(key, KEY_VERSION)?;
                let value = decoded::<ConsumerGroupTargetAssignmentMetadataValue>(value)?;
                let value = value.map(|of| TargetEpoch {
                    epoch: of.assignment_epoch,
                    timestamp_ms: of.assignment_timestamp,
                });
                (shared(&key.group_id), Self::TargetEpoch(value))
            }
            CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND => {
                let key = ConsumerGroupTargetAssignmentMemberKey::decode(key, KEY_VERSION)?;
                let value = decoded::<ConsumerGroupTargetAssignmentMemberValue<'_>>(value)?;
                let partitions = |of: ConsumerGroupTargetAssignmentMemberValue<'_>| {
                    of.topic_partitions
                        .iter()
                        .map(|of| (of.topic_id, of.partitions.iter().collect()))
                        .collect()
                };
                let value = value.map(partitions);
                (shared(&key.group_id), Self::Target { member: shared(&key.member_id), value })
            }
            CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND => {
                let key = ConsumerGroupCurrentMemberAssignmentKey::decode(key, KEY_VERSION)?;
                let value = decoded(value)?.map(|of| CurrentAssignment::of(&of));
                (shared(&key.group_id), Self::Current { member: shared(&key.member_id), value })
            }
            CONSUMER_GROUP_REGULAR_EXPRESSION_KIND => {
                let key = ConsumerGroupRegularExpressionKey::decode(key, KEY_VERSION)?;
                let value =
                    decoded::<ConsumerGroupRegularExpressionValue<'_>>(value)?.map(|of| ResolvedRegex {
                        topics: of.topics.iter().map(|topic| shared(&topic)).collect(),
                        timestamp_ms: of.timestamp,
                    });
                (shared(&key.group_id), Self::Regex { regex: shared(&key.regular_expression), value })
            }
            _ => return Ok(None),
        }))
    }

    /// Bytes that it takes in a record batch beside its group's name, about and at most.
    pub(super) fn bytes(&self) -> usize {
        let of_partitions = |partitions: &Partitions| {
            partitions.values().map(|numbers| 32 + 4 * numbers.len()).sum::<usize>()
        };
        // The epoch beside each.
        let of_held = |held: &Held| held.values().map(|numbers| 48 + 8 * numbers.len()).sum::<usize>();
        let texts = |texts: &BTreeSet<Arc<str>>| texts.iter().map(|text| text.len() + 4).sum::<usize>();
        let length = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        match self {
            Self::Epoch(_) | Self::TargetEpoch(_) => 0,
            Self::Member { member, value } => {
                let value = value.as_ref().map_or(0, |of| {
                    let optional = [&of.instance_id, &of.rack_id, &of.regex, &of.assignor];
                    let optional: usize = optional.into_iter().map(length).sum();
                    let classic = of.classic.as_ref().map_or(0, ClassicMember::bytes);
                    of.client_id.len() + of.client_host.len() + texts(&of.topics) + optional + classic
                });
                member.len() + value
            }
            Self::Target { member, value } => member.len() + value.as_ref().map_or(0, of_partitions),
            Self::Current { member, value } => {
                let of_value = |of: &CurrentAssignment| of_held(&of.assigned) + of_held(&of.revoking);
                member.len() + value.as_ref().map_or(0, of_value)
            }
            Self::Regex { regex, value } => regex.len() + value.as_ref().map_or(0, |of| texts(&of.topics)),
        }
    }
}

fn decoded<'a, T: Message<'a>>(value: Option<&'a [u8]>) -> Result<Option<T>, DecodeError> {
    let Some(bytes) = value else { return Ok(None) };
    let mut reader = Reader::new(bytes);
    let version = reader.int16()?;
    T::decode(&mut reader, version).map(Some)
}

fn target_layout(
    partitions: &Partitions,
) -> wire::primitive::Array<'static, target::TopicPartition<'static>> {
    let topic = |(topic_id, numbers): (&Uuid, &BTreeSet<i32>)| target::TopicPartition {
        topic_id: *topic_id,
        partitions: numbers.iter().copied().collect(),
    };
    partitions.iter().map(topic).collect()
}

fn current_layout(held: &Held) -> wire::primitive::Array<'static, current::TopicPartitions<'static>> {
    let topic = |(topic_id, numbers): (&Uuid, &BTreeMap<i32, i32>)| current::TopicPartitions {
        topic_id: *topic_id,
        partitions: numbers.keys().copied().collect(),
        assignment_epochs: Some(numbers.values().copied().collect()),
    };
    held.iter().map(topic).collect()
}

/// Where no epochs are said, or not as many as partitions, all were got in the member's own; as Kafka reads it.
fn of_current(layout: &wire::primitive::Array<'_, current::TopicPartitions<'_>>, member_epoch: i32) -> Held {
    let of_topic = |of: current::TopicPartitions<'_>| {
        let numbers: Vec<i32> = of.partitions.iter().collect();
        let said: Vec<i32> = of.assignment_epochs.iter().flat_map(|epochs| epochs.iter()).collect();
        let epochs =
            if said.len() == numbers.len() { said } else { vec![member_epoch.max(0); numbers.len()] };
        (of.topic_id, numbers.into_iter().zip(epochs).collect())
    };
    layout.iter().map(of_topic).collect()
}

/// The partitions, whenever a member got them.
#[must_use]
pub fn partitions_of(held: &Held) -> Partitions {
    held.iter().map(|(topic, numbers)| (*topic, numbers.keys().copied().collect())).collect()
}

/// The partitions as a member has them that gets all of them in this epoch.
#[must_use]
pub fn held_since(partitions: &Partitions, epoch: i32) -> Held {
    let since = |numbers: &BTreeSet<i32>| numbers.iter().map(|number| (*number, epoch)).collect();
    partitions.iter().map(|(topic, numbers)| (*topic, since(numbers))).collect()
}

impl MemberSubscription {
    fn encode(&self) -> Vec<u8> {
        let value = ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.as_deref().map(Cow::Borrowed),
            rack_id: self.rack_id.as_deref().map(Cow::Borrowed),
            client_id: Cow::Borrowed(&self.client_id),
            client_host: Cow::Borrowed(&self.client_host),
            subscribed_topic_names: self.topics.iter().map(|topic| Cow::Borrowed(&**topic)).collect(),
            subscribed_topic_regex: self.regex.as_deref().map(Cow::Borrowed),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.assignor.as_deref().map(Cow::Borrowed),
            classic_member_metadata: self.classic.as_ref().map(ClassicMember::layout),
        };
        encoded(VALUE_VERSION, &value, VALUE_VERSION)
    }

    fn of(layout: &ConsumerGroupMemberMetadataValue<'_>) -> Self {
        Self {
            instance_id: layout.instance_id.as_deref().map(shared),
            rack_id: layout.rack_id.as_deref().map(shared),
            client_id: shared(&layout.client_id),
            client_host: shared(&layout.client_host),
            topics: layout.subscribed_topic_names.iter().map(|topic| shared(&topic)).collect(),
            regex: layout.subscribed_topic_regex.as_deref().map(shared),
            rebalance_timeout_ms: layout.rebalance_timeout_ms,
            assignor: layout.server_assignor.as_deref().map(shared),
            classic: layout.classic_member_metadata.as_ref().and_then(ClassicMember::of),
        }
    }
}

impl ClassicMember {
    fn layout(&self) -> metadata::ClassicMemberMetadata<'_> {
        let protocol = |of: &Protocol| metadata::ClassicProtocol {
            name: Cow::Owned(of.name.to_string()),
            metadata: Cow::Owned(of.metadata.to_vec()),
        };
        metadata::ClassicMemberMetadata {
            session_timeout_ms: self.session_timeout_ms,
            supported_protocols: self.protocols.iter().map(protocol).collect(),
        }
    }

    /// Kafka's default for what is left out is a member without protocols. There is none: such a record is of a member of
    /// the consumer protocol, written when that was not said yet.
    fn of(layout: &metadata::ClassicMemberMetadata<'_>) -> Option<Self> {
        let protocol = |of: metadata::ClassicProtocol<'_>| Protocol {
            name: shared(&of.name),
            metadata: Bytes::copy_from_slice(&of.metadata),
        };
        let protocols: Vec<Protocol> = layout.supported_protocols.iter().map(protocol).collect();
        let is_one = !protocols.is_empty();
        is_one.then_some(Self { session_timeout_ms: layout.session_timeout_ms, protocols })
    }

    fn bytes(&self) -> usize {
        const AROUND: usize = 16;
        self.protocols.iter().map(|of| AROUND + of.name.len() + of.metadata.len()).sum()
    }
}

impl CurrentAssignment {
    /// All that it has, until it has given it up.
    #[must_use]
    pub fn all(&self) -> Partitions {
        let mut all = partitions_of(&self.assigned);
        for (topic, numbers) in partitions_of(&self.revoking) {
            all.entry(topic).or_default().extend(numbers);
        }
        all
    }

    /// The epoch in which the member got a partition that it still has, or has to give up.
    #[must_use]
    pub fn held_since(&self, topic: Uuid, number: i32) -> Option<i32> {
        let of = |held: &Held| held.get(&topic)?.get(&number).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    fn encode(&self) -> Vec<u8> {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.number(),
            assigned_partitions: current_layout(&self.assigned),
            partitions_pending_revocation: current_layout(&self.revoking),
        };
        encoded(VALUE_VERSION, &value, VALUE_VERSION)
    }

    fn of(layout: &ConsumerGroupCurrentMemberAssignmentValue<'_>) -> Self {
        Self {
            epoch: layout.member_epoch,
            previous_epoch: layout.previous_member_epoch,
            state: MemberState::of(layout.state),
            assigned: of_current(&layout.assigned_partitions, layout.member_epoch),
            revoking: of_current(&layout.partitions_pending_revocation, layout.member_epoch),
        }
    }
}

impl ResolvedRegex {
    fn encode(&self) -> Vec<u8> {
        let value = ConsumerGroupRegularExpressionValue {
            topics: self.topics.iter().map(|topic| Cow::Borrowed(&**topic)).collect(),
            version: 0,
            timestamp: self.timestamp_ms,
        };
        encoded(VALUE_VERSION, &value, VALUE_VERSION)
    }
}
