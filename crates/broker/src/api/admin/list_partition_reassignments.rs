//! ListPartitionReassignments: key 46, version 0, flexible.
//!
//! There is one broker, so no partition is ever on its way to another. Kafka leaves out what is not, and what is not there.

use std::rc::Rc;

use wire::message::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::dispatch::Caller;
use crate::server::Broker;

/// Lists moves.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    _request: ListPartitionReassignmentsRequest<'_>,
) -> ListPartitionReassignmentsResponse<'a> {
    ListPartitionReassignmentsResponse { error_message: None, ..Default::default() }
}
