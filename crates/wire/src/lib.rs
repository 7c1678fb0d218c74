//! Kafka's vocabulary and bytes: primitives, messages, APIs, error codes, frames, record batches.
//!
//! Sans-I/O and pure: bytes in, values out, and back. It refuses to know what a broker does with a message; which
//! versions are served is decided above, and version numbers mean something only here.
//!
//! - [`message`]: every request and response that a Kafka 4.3 broker serves to clients, in every version. Generated
//!   from Kafka's definitions by `cargo xtask codegen` and committed.
//! - [`api`]: which APIs there are, their versions and headers. [`error`]: Kafka's error codes.
//! - [`frame`]: what is around a message on a connection. [`primitive`]: what messages are made of.
//! - [`record`]: what is inside a `records` field.
//!
//! Invariant: decoding borrows; it allocates nothing, whatever lengths and counts claim. Strings that are not UTF-8
//! are the exception, and cost at most four times their bytes.
//! Invariant: bytes that are not what they claim to be are a [`DecodeError`], never a panic.

pub mod api;
pub mod error;
pub mod frame;
pub mod message;
pub mod primitive;
pub mod record;

pub use api::ApiKey;
pub use error::ErrorCode;
pub use primitive::{DecodeError, Message, Request};

#[cfg(test)]
mod error_test;
#[cfg(test)]
mod frame_test;
