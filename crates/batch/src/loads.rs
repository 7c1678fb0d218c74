//! The loads that batching is judged by: from one producer to a crowd, from tiny records to large ones, waiting for
//! answers or not, into one partition or a thousand.
//!
//! One table for real runs (`takhin bench preset adaptive`) and for simulated ones, so that both talk of the same.

/// One way in which producers use a broker; every request holds one record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// What it is called in tables.
    pub name: &'static str,
    /// Connections, each with one request under way.
    pub producers: u32,
    /// Bytes of a record's value.
    pub record_bytes: u32,
    /// Records/s of all producers together, sent by the clock (open loop); `None`: each producer waits for its answer before it
    /// sends again (closed loop).
    pub records_per_s: Option<u32>,
    /// Partitions, over which the producers are spread evenly.
    pub partitions: u32,
}

const fn closed(name: &'static str, producers: u32, record_bytes: u32, partitions: u32) -> Load {
    Load { name, producers, record_bytes, records_per_s: None, partitions }
}

const fn open(
    name: &'static str,
    producers: u32,
    record_bytes: u32,
    records_per_s: u32,
    partitions: u32,
) -> Load {
    Load { name, producers, record_bytes, records_per_s: Some(records_per_s), partitions }
}

/// The twelve.
pub const LOADS: [Load; 12] = [
    closed("one-tiny", 1, 100, 1),
    closed("one-large", 1, 64 << 10, 1),
    closed("few-tiny", 8, 100, 1),
    closed("few-medium", 8, 1 << 10, 16),
    closed("many-tiny", 64, 100, 16),
    closed("many-medium", 64, 1 << 10, 100),
    closed("crowd-tiny", 256, 100, 1),
    closed("crowd-wide", 256, 100, 1000),
    closed("crowd-large", 256, 64 << 10, 16),
    open("trickle", 4, 100, 100, 4),
    open("steady", 64, 1 << 10, 5_000, 100),
    open("steady-wide", 256, 100, 20_000, 1000),
];

#[cfg(test)]
#[path = "loads_test.rs"]
mod loads_test;
