//! Record batches of magic 2: split, check, read, build.
//!
//! Pure and bounded: nothing here trusts a length that it has read, copies a value that it only checks,
//! or asks for more memory than [`Limits`] says. Broken bytes are a [`BatchError`], never a panic.
//!
//! - [`batches()`] splits what a produce request or a fetch response carries.
//! - [`validate()`] is what a broker checks before it acknowledges.
//! - [`read()`] hands out the records, for consumers, tools and merging.
//! - [`Builder`] makes a batch; [`control`] makes transaction markers.
//! - [`header`] holds the 61 bytes in front, and stamps offsets and append times.
//!
//! Refused: message formats 0 and 1, which Kafka 4 no longer takes from clients (KIP-724).
//! Invariant: what [`validate()`] accepts, [`read()`] reads to its end without an error under the same limits.

mod batches;
mod build;
pub mod codec;
pub mod control;
mod error;
pub mod header;
mod read;
mod record_error;
mod validate;
mod varint;
mod walk;

pub use batches::{Batches, batches};
pub use build::{BuildError, Builder};
pub use codec::{Codec, Compression};
pub use error::{BatchError, HeaderFault, RecordFault};
pub use header::{BatchHeader, TimestampType, set_log_append_time, set_max_timestamp};
pub use read::{Header, Headers, Record, RecordIter, Records, read, read_with};
pub use record_error::{BrokenRule, RecordError, RecordErrors};
pub use validate::{BatchInfo, Limits, Scratch, validate};

#[cfg(test)]
mod header_test;
#[cfg(test)]
mod varint_test;
