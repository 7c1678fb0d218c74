//! What a simulation runs of this crate, on one thread: nothing happens but in local tasks of the caller's
//! [`env::simulated::Process`]; killing that is the crash.
//!
//! | file | what |
//! |---|---|
//! | `steps` | WAL and store without threads, with the disk's latency given from outside |
//! | `replica` | one of three voters of a data shard |
//! | `node` | a node alone, whole |

mod node;
mod replica;
mod steps;

pub use node::{NodeSizes, open_node};
pub use replica::{Found, Replica, ReplicaOptions, SHARD, World};
pub use steps::Latency;
