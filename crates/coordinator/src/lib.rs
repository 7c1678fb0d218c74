//! Coordinators as pure state machines: a command comes with the time, and out go records, replies and the time at which to
//! come back.
//!
//! | room | what |
//! |---|---|
//! | [`group`] | consumer groups: members, generations, committed offsets |
//! | [`record`] | what `__consumer_offsets` holds, decoded |
//! | [`layout`] | its bytes, as Kafka writes them; generated |
//!
//! A coordinator has no clock, disk, socket, task or lock. Whoever hosts it writes the records of a step in one record
//! batch, alone or with other steps', but for where the step may be cut; lets no reply go before all batches up to its own are
//! committed, and throws the coordinator away when one was not: what the log has is replayed into a new one (docs/adr/0015-groups.md).
//!
//! Invariant: the same commands at the same times give the same records and replies.
//! Invariant: replaying the records gives the state that they were decided on, but for what Kafka keeps in memory alone:
//! who is joining and who has synced.

pub mod group;
pub mod layout;
pub mod record;
