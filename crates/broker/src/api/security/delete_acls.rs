//! DeleteAcls: key 31, versions 1–3. Flexible since 2.
//!
//! There is no authorizer: each filter is SECURITY_DISABLED, in Kafka's words.
//!
//! Where it differs from Kafka 4.3.1: a filter of type 0 is answered likewise (Kafka closes the connection); of more than
//! `NAMED_MAX` the rest is not answered.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};

use super::NO_AUTHORIZER;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Deletes no ACLs.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DeleteAclsRequest<'_>,
) -> DeleteAclsResponse<'a> {
    let refused = DeleteAclsFilterResult {
        error_code: ErrorCode::SECURITY_DISABLED.code(),
        error_message: Some(NO_AUTHORIZER.into()),
        ..DeleteAclsFilterResult::default()
    };
    let results = vec![refused; request.filters.len().min(NAMED_MAX)];
    DeleteAclsResponse { throttle_time_ms: 0, filter_results: results.into() }
}
