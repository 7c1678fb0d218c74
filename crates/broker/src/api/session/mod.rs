//! What a connection begins with.

pub(crate) mod api_versions;
