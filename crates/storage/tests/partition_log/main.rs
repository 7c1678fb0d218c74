//! Partitions' logs from append to checkpoint and back, against a model, on a disk that crashes.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unwrap_used
)]

mod batches;
mod checkpoint_damage;
mod crash;
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
