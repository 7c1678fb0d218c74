//! Coordinators of groups: none yet.

pub(crate) mod find_coordinator;
