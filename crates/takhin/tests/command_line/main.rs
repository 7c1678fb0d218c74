//! The binary as a person or a script meets it: output, exit status, signals.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // tests, and they stand outside of the process

mod data;
mod process;
mod serving;
mod usage;
