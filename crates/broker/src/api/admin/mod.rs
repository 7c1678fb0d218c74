//! Topics and their configs, and what of their records is deleted.

pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_configs;
pub(crate) mod incremental_alter_configs;
pub(crate) mod topic_config;
mod topic_config_table;
