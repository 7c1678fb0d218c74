//! What the cluster looks like.

pub(crate) mod metadata;
