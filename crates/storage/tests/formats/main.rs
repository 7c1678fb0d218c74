//! What is on disk, from outside: indexes that lie, files that are damaged, and what tools say of them.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

mod directory;
mod index_files;
mod inspect;
mod inspect_wal;
mod producers;
mod replay;
