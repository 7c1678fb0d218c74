//! Three voters replicate a shard: the product's log, store, machine and consensus on three simulated disks, over a network
//! that delays, loses, repeats and overtakes, while nodes die at any moment, disks stall, links are cut one way or both, the
//! lead is given away, and followers lag until only a snapshot helps.
//!
//! A run is a function of its seed: one thread, simulated time, the engine's dice included. Clients write with and without
//! producer ids, retry what they get no answer for, and an observer reads from whoever leads. What must hold is in `oracle`.
//!
//! | file | what |
//! |---|---|
//! | `run` | a run: the schedule of what goes wrong, and the end, when everything must agree |
//! | `node` | a node's lives: its disk, its process, its inbox |
//! | `net` | the network |
//! | `client` | who writes and reads |
//! | `oracle` | what must hold |

mod client;
mod net;
mod node;
mod oracle;
mod run;

pub use run::{Mistake, Outcome, run};
