//! What an operator sets of groups.

use std::time::Duration;

/// How long a member that is new to its group may wait for its first generation: its client has no id to send heartbeats
/// with, and sockets say nothing of clients that are gone. Kafka's constant.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_mins(5);

/// Which groups with members change their protocol (`group.consumer.migration.policy`). One without members always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// None; nor may a member of the classic protocol join a group of the other.
    Disabled,
    /// One of the classic protocol, when a member of the consumer protocol joins.
    Upgrade,
    /// One of the consumer protocol, when the last member that speaks it leaves.
    Downgrade,
    /// Both.
    #[default]
    Bidirectional,
}

impl MigrationPolicy {
    pub(super) fn may_upgrade(self) -> bool {
        matches!(self, Self::Upgrade | Self::Bidirectional)
    }

    pub(super) fn may_downgrade(self) -> bool {
        matches!(self, Self::Downgrade | Self::Bidirectional)
    }
}

/// Bounds and defaults; each is named after Kafka's broker config.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`: how long a group's first members wait for others.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`: members of a group.
    pub size_max: usize,
    /// `group.consumer.session.timeout.ms`: how long a member of the consumer protocol may be silent.
    pub consumer_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`: how often such a member is to be heard of.
    pub consumer_heartbeat_interval: Duration,
    /// `group.consumer.max.size`: members of such a group.
    pub consumer_size_max: usize,
    /// `group.consumer.assignors`: which of [`ASSIGNORS`](super::ASSIGNORS) members may ask for; the first is for those that ask for
    /// none.
    pub consumer_assignors: Vec<Box<str>>,
    /// `group.consumer.migration.policy`.
    pub migration: MigrationPolicy,
    /// `offset.metadata.max.bytes`: bytes of what a client keeps with an offset. As Kafka's, in UTF-16 units.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
}

impl GroupSettings {
    /// The assignor of groups whose members ask for none.
    pub(super) fn default_assignor(&self) -> &str {
        self.consumer_assignors.first().map_or(super::ASSIGNORS[0], |name| name)
    }

    /// Whether a client may keep this with an offset.
    pub(super) fn takes_metadata(&self, metadata: &str) -> bool {
        // Kafka counts characters of Java; bytes are at least as many, and cheap.
        let max = self.offset_metadata_max;
        metadata.len() <= max || metadata.encode_utf16().count() <= max
    }
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_mins(30),
            initial_rebalance_delay: Duration::from_secs(3),
            size_max: usize::MAX,
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_size_max: usize::MAX,
            consumer_assignors: super::ASSIGNORS.map(Box::from).into(),
            migration: MigrationPolicy::default(),
            offset_metadata_max: 4096,
            offsets_retention: Duration::from_hours(7 * 24),
        }
    }
}
