//! What the cluster looks like.

pub(crate) mod describe_log_dirs;
pub(crate) mod metadata;
