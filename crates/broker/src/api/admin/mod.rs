//! Topics and their configs, where their partitions are, and what of their records is deleted.

pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_configs;
pub(crate) mod incremental_alter_configs;
mod new_partitions;
pub(crate) mod topic_config;
mod topic_config_table;
