//! What groups are set to themselves, as whoever hosts a coordinator knows it.

use std::time::Duration;

/// Configs of groups of the consumer protocol (KIP-848); `None`: the broker's setting holds.
pub trait GroupConfigs {
    /// `consumer.session.timeout.ms`: how long a member may be silent.
    fn session_timeout(&self, group: &str) -> Option<Duration>;
    /// `consumer.heartbeat.interval.ms`: how often a member is to be heard of.
    fn heartbeat_interval(&self, group: &str) -> Option<Duration>;
}
