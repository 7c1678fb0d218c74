//! Partitions' logs from append to checkpoint and back, one fact each. (Histories from seeds, with crashes: `sim::storage`.)
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unwrap_used
)]

mod batches;
mod checkpoint_damage;
mod dice;
mod kafka_format;
mod log_start;
mod measure;
mod memory_disk;
mod model;
mod node;
mod on_a_real_disk;
mod reading;
mod trouble;
