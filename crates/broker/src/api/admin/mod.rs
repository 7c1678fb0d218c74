//! Topics and their configs.

pub(crate) mod create_topics;
pub(crate) mod delete_topics;
pub(crate) mod topic_config;
mod topic_config_table;
