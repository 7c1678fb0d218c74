//! Every door that is not the Kafka port. So far two small ones, for those who watch the broker:
//!
//! | room | what |
//! |---|---|
//! | `doors` | sockets, the thread behind them, their bounds |
//! | `metrics` | `/metrics`: Prometheus's text, made when it is asked for; `/batching`: what batching does, in JSON |
//! | [`batching`] | the shape of that |
//! | `ask` | the other side: how the command line asks a broker |
//! | `health` | `/health`, `/health/ready`, `/health/live` |
//!
//! The doors have a thread and an event loop of their own, so that a scrape of ten thousand partitions, or a client that
//! reads slowly, never holds up a producer; while nobody asks, the thread sleeps. The broker's I/O thread is asked once
//! per request, through [`broker::Observer`], and counts in plain cells meanwhile.
//!
//! Refused: counters kept here. What is shown is what the machinery counts, read at that moment.
//!
//! Why: docs/adr/0011-watching.md. What the numbers mean: docs/operating.md.

mod ask;
pub mod batching;
mod doors;
mod health;
mod metrics;
mod page;

pub use ask::{AskError, ask_batching};
pub use doors::{DoorOptions, Gateway, GatewayOptions, OpenError};
