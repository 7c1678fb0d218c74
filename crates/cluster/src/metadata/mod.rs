//! What the cluster is made of: topics, where their partitions live, who may do how much, users, and
//! which producer ids are handed out.
//!
//! A plain state machine, pure: [`Image`] changes by [`Record`]s that the metadata shard committed, in their order,
//! and by nothing else. What a record does is decided when it is applied, so that two requests which were proposed
//! one behind the other can't both win.

mod image;
pub(crate) mod machine;
mod quota;
mod record;
mod scram;
mod topic;
mod topic_defaults;

pub use image::{Applied, Image, Topic};
pub use quota::{Quota, QuotaChanges, QuotaEntity, QuotaEntityType};
pub use record::{ConfigChanges, ConfigKind, Record, RecordError, TopicRecord};
pub use scram::{ScramCredential, ScramMechanism};
pub use topic::{NameError, TOPIC_NAME_BYTES_MAX, check_topic_name};
pub use topic_defaults::{broker_name_of, topic_name_of};

#[cfg(test)]
mod image_test;
#[cfg(test)]
mod quota_and_scram_test;
