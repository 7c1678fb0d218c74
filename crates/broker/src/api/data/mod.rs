//! Records: in, out, and where they are.

pub(crate) mod batch_check;
pub(crate) mod fetch;
mod fetch_read;
pub(crate) mod fetch_session;
mod fetch_visit;
mod leader_epoch;
pub(crate) mod list_offsets;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
