//! Producer ids; transactions are not built yet.

pub(crate) mod init_producer_id;
