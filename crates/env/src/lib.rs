//! The only crate that asks the time, rolls dice, opens a file or a socket, or starts a task or thread.
//!
//! Everything above gets these from here, so that a simulator can put its own in their place and a
//! whole node can run from a seed. Clippy's `disallowed-methods` (clippy.toml) refuses the originals elsewhere.

pub mod alarm;
pub mod child;
pub mod clock;
pub mod disk;
pub mod machine;
#[cfg(test)]
mod machine_test;
pub mod net;
pub mod random;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod task;

pub use clock::{Instant, WallTime, sleep, timeout};
pub use task::{give_way, spawn_background_thread, spawn_local, spawn_thread, yield_now};
